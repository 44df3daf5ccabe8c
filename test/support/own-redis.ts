import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "./certificates.ts";
import { thisMachine } from "./machine.ts";
import { killWithUs } from "./reaper.ts";
import { serviceKinds } from "./service-kinds.ts";
import { freePort, until } from "./wait.ts";
import { witness } from "./witness.ts";

export type OwnRedis = {
  port: number;
  url: string;
  pid: number;
  /** Answers nothing, but connections stay and new ones are taken. */
  stop(): void;
  goOn(): void;
  /** The end, as by kill -9. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type OwnRedisOptions = {
  port?: number;
  password?: string;
  /** With one, TLS is all there is. */
  certificate?: Certificate & { ca: string };
};

/** A Redis server that a test may treat badly. */
export async function startOwnRedis(options: OwnRedisOptions = {}): Promise<OwnRedis> {
  const { port = await freePort(), password, certificate } = options;
  const { programs, places } = serviceKinds.redis;
  const found = thisMachine().folderWith(programs, places);
  if (found === undefined)
    throw new Error("redis-server is not on this machine: apt-get install redis-server");
  const folder = mkdtempSync(join(tmpdir(), "own-redis-"));
  const args = ["--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"];
  witness.know(password);
  if (password) args.push("--requirepass", password);
  if (certificate === undefined) args.push("--port", String(port));
  else {
    for (const [name, text] of Object.entries(certificate)) writeFileSync(join(folder, name), text);
    args.push("--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no");
    args.push("--tls-cert-file", join(folder, "cert"), "--tls-key-file", join(folder, "key"));
    args.push("--tls-ca-cert-file", join(folder, "ca"));
  }
  const child = spawn(join(found, "redis-server"), args, { stdio: "ignore" });
  killWithUs(child);
  await until(() => takesConnections(port), { what: "the Redis of a test to listen", timeoutMs: 15_000 });
  const kill = async () => {
    if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL"))
      await once(child, "exit");
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    stop: () => void child.kill("SIGSTOP"),
    goOn: () => void child.kill("SIGCONT"),
    kill,
    [Symbol.asyncDispose]: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
