import { randomUUID } from "node:crypto";
import process from "node:process";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { isJsonObject } from "../events/json-text.ts";
import { parsed } from "./api.ts";
import { readInput, required } from "./arguments.ts";
import { CommandFailed } from "./exit.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

const STRUCTURED = "application/cloudevents+json";
const NATS_MS = 5000;

export async function send([file, url]: readonly string[], tools: CliTools): Promise<void> {
  const event = await readInput(required(file, "a file (- reads standard input)"));
  await sendEvent(event, required(url, "the URL of the service, or of NATS,"), tools);
}

/** Sends one event. What the file leaves out of the envelope and can be made up is made up. */
async function sendEvent(given: string, to: string, { env, print }: CliTools): Promise<void> {
  const event = complete(given);
  if (/^(nats|tls):\/\//i.test(to)) await sendByNats(event, to, print);
  else if (/^https?:\/\//i.test(to) && URL.canParse(to))
    await sendByHttp(event, to, env["AGENT_EXECUTOR_TOKEN"], print);
  else throw new UsageError("send takes a URL that begins with http://, https://, nats:// or tls://");
}

type Event = Record<string, unknown> & { id: unknown; type: string };

function complete(given: string): Event {
  const event = parsed(given);
  const type = isJsonObject(event) ? event["type"] : undefined;
  if (!isJsonObject(event) || typeof type !== "string") {
    throw new UsageError("the file must hold a CloudEvent as JSON: {type, data: {job_id, …}}");
  }
  return { specversion: "1.0", id: randomUUID(), source: "agent-executor-cli", ...event, type };
}

function doesNotAnswer(cause: unknown): CommandFailed {
  const why = cause instanceof Error ? ("code" in cause && cause.code) || cause.message : cause;
  return new CommandFailed(`nobody answers there (${why}): start it, or correct the URL`, 3, { cause });
}

async function sendByHttp(
  event: Event,
  to: string,
  token: string | undefined,
  print: (line: string) => void,
): Promise<void> {
  const http = await import(to.toLowerCase().startsWith("https:") ? "node:https" : "node:http");
  const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    const headers = { "content-type": STRUCTURED, ...(token && { authorization: `Bearer ${token}` }) };
    const asked = http.request(to, { method: "POST", headers }, resolve);
    Readable.from([JSON.stringify(event)])
      .pipe(asked)
      .once("error", (error: unknown) => reject(doesNotAnswer(error)));
  });
  const { statusCode: status = 0, headers } = response;
  const body = await text(response);
  const notes = ["ce-type", "location", "retry-after"].flatMap((name) =>
    headers[name] === undefined ? [] : [`${name}: ${headers[name]}`],
  );
  print([String(status), ...notes].join("  "));
  if (body !== "") print(body);
  const hint = status === 401 ? ": give a token by AGENT_EXECUTOR_TOKEN" : "";
  if (status >= 400) throw new Error(`the event was not taken (${status})${hint}`);
}

async function sendByNats(event: Event, to: string, print: (line: string) => void): Promise<void> {
  // CommonJS both: the bundle gives them no names of their own.
  const { connect, errors, headers } = (await import("@nats-io/transport-node")).default;
  const { jetstream } = (await import("@nats-io/jetstream")).default;
  const { connectionOptions } = await import("../delivery/nats-address.ts");
  const { NATS_CREDS_FILE: credsFile, NATS_CA_FILE: caFile } = process.env;
  const options = await connectionOptions({ url: to, credsFile, caFile });
  const nc = await connect({ ...options, timeout: NATS_MS, reconnect: false }).catch((error: unknown) => {
    throw error instanceof errors.AuthorizationError ? error : doesNotAnswer(error);
  });
  try {
    const own = headers();
    own.set("content-type", STRUCTURED);
    const verb = event.type.slice(event.type.lastIndexOf(".") + 1);
    const msgID = String(event.id); // sent twice within two minutes it is stored once
    const publishing = { headers: own, msgID, timeout: NATS_MS, retries: 0 };
    const kept = await jetstream(nc).publish(`agent.${verb}.cli`, JSON.stringify(event), publishing);
    print(`${kept.duplicate ? "was there before" : "stored"}: ${kept.stream}, sequence ${kept.seq}`);
  } finally {
    await nc.close();
  }
}
