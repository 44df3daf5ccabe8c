import { writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openApi } from "../../src/secrets/api.ts";
import { startVault, type VaultDouble } from "../support/vault.ts";
import { until } from "../support/wait.ts";
import { type Client, clientOf, fill } from "./support.ts";

describe("a session with Vault", () => {
  let vault: VaultDouble;
  let client: Client;
  const start = async (...[options]: Parameters<typeof startVault>) => {
    await vault?.[Symbol.asyncDispose]();
    vault = await startVault(options);
    fill(vault);
    client = await clientOf(vault);
  };
  const logins = () => vault.asked("/login");
  const read = () => client.secrets.refresh();

  beforeEach(() => start());
  afterEach(async () => {
    await client.secrets.close();
    await vault[Symbol.asyncDispose]();
  });

  it("logs in with the service account's token and sends no token along", async () => {
    process.env["VAULT_TOKEN"] = "hvs.of-the-environment";
    process.env["VAULT_PREFIX"] = "/elsewhere";
    try {
      await read();
    } finally {
      delete process.env["VAULT_TOKEN"];
      delete process.env["VAULT_PREFIX"];
    }

    expect(logins()).toMatchObject([{ path: "/v1/auth/kubernetes/login", token: undefined, status: 200 }]);
    expect(vault.requests.slice(1).map(({ token }) => token)).toEqual(Array(4).fill(vault.liveTokens()[0]));
  });

  it("logs in once for fifty who start at the same time", async () => {
    vault.behave({ delayMs: 50 });

    await Promise.all(Array.from({ length: 50 }, () => client.session.use("x", async () => "done")));

    expect(logins()).toHaveLength(1);
  });

  it("reads the service account's token afresh at each login", async () => {
    await read();
    await vault.bumpKey();
    await vault.writeJwt(client.jwtFile);
    vault.revokeAll();

    await read();

    expect(logins().map(({ status }) => status)).toEqual([200, 200]);
    const [first, second] = logins().map(({ body }) => (body as { jwt: string }).jwt);
    expect(second).not.toBe(first);
  });

  it("logs in again when its token was revoked, once for all who are refused", async () => {
    await read();
    vault.revokeAll();

    await Promise.all(Array.from({ length: 20 }, (_, i) => client.session.use(`p${i}`, readPostgres)));

    expect(logins()).toHaveLength(2);
  });

  it("takes a policy's refusal for an answer after one fresh login, and makes no storm of it", async () => {
    await read();
    vault.behave({ forbidden: () => true });

    for (let i = 0; i < 10; i++) await expect(read()).rejects.toThrow("permission denied");

    expect(logins()).toHaveLength(2);
  });

  it("renews at two thirds, and logs in anew near the last end of the token", async () => {
    await start({ ttlSeconds: 3, maxTtlSeconds: 5 });
    await read();

    const [first] = vault.liveTokens();
    await until(() => vault.asked("/renew-self").length >= 1, { what: "a renewal" });
    const answered = () => logins().filter(({ status }) => status === 200);
    await until(() => answered().length >= 2, { what: "another login", timeoutMs: 10_000 });

    expect(vault.liveTokens()).not.toEqual([first]);
    expect(vault.requests.filter(({ status }) => status === 403)).toEqual([]);
  });

  it("logs in anew when its token cannot be renewed", async () => {
    await start({ ttlSeconds: 1, renewable: false });
    await read();

    await until(() => logins().length >= 2, { what: "another login" });

    expect(vault.asked("/renew-self")).toEqual([]);
  });

  it("goes on after a failed renewal, and lives on past the end of the token", async () => {
    await start({ ttlSeconds: 1 });
    await read();
    vault.behave({ line: "drop" });
    await until(() => vault.liveTokens().length === 0, { what: "the token to end" });
    vault.behave({});

    await until(() => vault.liveTokens().length === 1, { what: "a new token" });
    await read();

    expect(client.reports.length).toBeGreaterThan(0);
  });

  it.each([
    ["that never answers", { line: "hang" }],
    ["that sends a byte now and then", { line: "slow-body" }],
    ["that cuts the line", { line: "drop" }],
  ] as const)("gives up on a Vault %s, and says so without a secret", async (_what, faults) => {
    await read();
    vault.behave(faults);
    const startedAt = performance.now();

    const failure = await read().catch((error: Error) => error);

    expect(String(failure)).toMatch(/VaultFailure: GET .*(no answer within 1 s|ECONNRESET)/);
    for (const secret of client.hidden)
      expect(JSON.stringify(failure) + String(failure)).not.toContain(secret);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it("gives up on a half-open line", async () => {
    const sockets: Socket[] = [];
    const server = createServer(
      (socket) => void sockets.push(socket.on("error", () => undefined).pause()),
    ).listen(0, "127.0.0.1");
    await until(() => server.listening, { what: "the server to listen" });
    const { port } = server.address() as { port: number };
    const address = `http://127.0.0.1:${port}`;
    const api = await openApi({
      address,
      namespace: undefined,
      authMount: "kubernetes",
      ca: undefined,
      timeoutMs: 200,
    });

    await expect(api.login("agent-executor", "jwt")).rejects.toThrow("no answer within 0.2 s");

    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it("follows a standby to the active node, and keeps method and body", async () => {
    const standby = await startVault();
    standby.behave({ redirect: { to: vault.url } });
    const over = await clientOf(standby);
    await vault.writeJwt(over.jwtFile);

    await over.secrets.refresh();

    expect(over.secrets.values.openai).toEqual({ apiKey: "sk-openai-1" });
    expect(logins()).toMatchObject([{ method: "POST", status: 200 }]);
    await over.secrets.close();
    await standby[Symbol.asyncDispose]();
  });

  it.each([301, 302, 303])(
    "does not follow a redirect of %i, which would carry the token away",
    async (status) => {
      const stranger = await startVault();
      await read();
      vault.behave({ redirect: { to: stranger.url, status } });

      await expect(read()).rejects.toThrow("a redirect that is not followed");

      expect(stranger.requests).toEqual([]);
      await stranger[Symbol.asyncDispose]();
    },
  );

  it("is patient with a quota", async () => {
    vault.behave({ quota: 0 });
    const refused = read();
    await until(() => logins().length === 1, { what: "a login" });
    vault.behave({});

    await refused;

    expect(logins().map(({ status }) => status)).toEqual([429, 200]);
  });

  it("says which role is not known, and does not try that again", async () => {
    await writeFile(client.jwtFile, await vault.jwt({ sub: "system:serviceaccount:others:agent-executor" }));

    await expect(read()).rejects.toThrow("POST /v1/auth/kubernetes/login: 403 permission denied");

    expect(logins()).toHaveLength(1);
    expect(client.loginFailures).toHaveLength(1);
  });

  it("sends the namespace with everything, and keeps a mount's slashes", async () => {
    const inNamespace = await clientOf(vault, { namespace: "team/agents" });
    await inNamespace.secrets.refresh();
    await inNamespace.secrets.close();
    const api = await openApi({
      address: vault.url,
      namespace: undefined,
      authMount: "k8s/one",
      ca: undefined,
    });
    await expect(api.login("agent-executor", "jwt")).rejects.toThrow();

    expect(new Set(vault.requests.slice(0, -1).map(({ namespace }) => namespace))).toEqual(
      new Set(["team/agents"]),
    );
    expect(vault.requests.at(-1)?.path).toBe("/v1/auth/k8s/one/login");
  });

  it("gives its token back at the end", async () => {
    await read();

    await client.secrets.close();

    expect(vault.liveTokens()).toEqual([]);
  });

  const readPostgres = async (token: string) => {
    const response = await fetch(`${vault.url}/v1/secret/data/agent-executor/postgres`, {
      headers: { "x-vault-token": token },
    });
    const { VaultFailure } = await import("../../src/secrets/failure.ts");
    if (response.status !== 200) throw new VaultFailure("refused", response.status);
    return await response.json();
  };
});
