import net from "node:net";
import { readAddresses } from "./nats-address.ts";

export type Greeting = { server: string; version: string; jetstream: boolean };

const GREETING_MS = 5000;

/**
 * What the first NATS server that answers says of itself; a NATS server speaks first. Asked before the
 * client connects: it never closes a connection to something that takes it and stays silent.
 */
export async function greetNats(urls: string): Promise<Greeting> {
  let failure: unknown;
  for (const { server, host, port } of readAddresses(urls)) {
    try {
      return { server, ...readInfo(await firstWords(host, port)) };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function firstWords(host: string, port: number): Promise<string> {
  const socket = net.connect({ host, port });
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.once("data", (bytes) => resolve(bytes.toString("utf8"))).once("error", reject);
      socket.once("close", () => reject(new Error("the line was closed without a word")));
      socket.setTimeout(GREETING_MS, () => reject(new Error(`no word within ${GREETING_MS / 1000} s`)));
    });
  } finally {
    socket.destroy();
  }
}

function readInfo(greeting: string): { version: string; jetstream: boolean } {
  const [, json] = /^INFO (\{.*\})/.exec(greeting) ?? [];
  if (json === undefined) throw new Error("what answers is no NATS server");
  const { version, jetstream } = JSON.parse(json) as { version?: unknown; jetstream?: unknown }; // their JSON
  return { version: String(version), jetstream: jetstream === true };
}
