import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openApi } from "../../src/secrets/api.ts";
import { type Clock, systemClock } from "../../src/secrets/clock.ts";
import { Secrets, type SecretsOptions } from "../../src/secrets/secrets.ts";
import { Session } from "../../src/secrets/session.ts";
import type { SecretName } from "../../src/secrets/values.ts";
import type { VaultDouble } from "../support/vault.ts";

export type Client = {
  session: Session;
  secrets: Secrets;
  jwtFile: string;
  hidden: string[];
  loginFailures: Error[];
  reports: string[];
  [Symbol.asyncDispose](): Promise<void>;
};
export type ClientOptions = Partial<SecretsOptions> & { timeoutMs?: number; namespace?: string };

const ALL: readonly SecretName[] = ["postgres", "redis", "openai", "anthropic"];

/** The room as the service puts it together, against the double; time is real but rests are short. */
export async function clientOf(vault: VaultDouble, options: ClientOptions = {}): Promise<Client> {
  const { timeoutMs = 1000, namespace, ...more } = options;
  const jwtFile = join(tmpdir(), `jwt-${randomUUID()}`);
  await vault.writeJwt(jwtFile);
  const api = await openApi({
    address: vault.url,
    namespace,
    authMount: "kubernetes",
    ca: undefined,
    timeoutMs,
  });
  const hidden: string[] = [];
  const loginFailures: Error[] = [];
  const reports: string[] = [];
  const report = (what: string, error: unknown) => void reports.push(`${what}: ${String(error)}`);
  const session = new Session({
    api,
    role: "agent-executor",
    readJwt: async () => (await readFile(jwtFile, "utf8")).trim(),
    hide: (secret) => hidden.push(secret),
    loginFailed: (error) => loginFailures.push(error as Error),
    renewalFailed: (error) => report("renewal", error),
    clock: quick,
  });
  const usual = { kvMount: "secret", prefix: "agent-executor", wanted: ALL, needed: ["postgres"] as const };
  const hide = (secret: string) => void hidden.push(secret);
  const rest = { session, api, refreshSeconds: 3600, hide, report, clock: quick };
  const secrets = new Secrets({ ...usual, ...rest, ...more });
  const dispose = () => secrets.close();
  return { session, secrets, jwtFile, hidden, loginFailures, reports, [Symbol.asyncDispose]: dispose };
}

/** A tenth of every rest: back-offs are as long as they are for Vault's sake, not for the tests'. */
const quick: Clock = { ...systemClock, rest: (ms, signal) => systemClock.rest(ms / 10, signal) };

export function fill(vault: VaultDouble): void {
  vault.put("postgres", {
    host: "db",
    port: "5432",
    username: "app",
    password: "first-password",
    database: "agents",
  });
  vault.put("redis", { host: "cache", port: 6380, password: "redis-password" });
  vault.put("llm-providers/openai", { api_key: "sk-openai-1" });
}
