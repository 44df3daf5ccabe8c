import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openApi, type VaultApi } from "../../src/secrets/api.ts";
import { makeAuthority } from "../support/certificates.ts";
import { startVault, type VaultDouble } from "../support/vault.ts";

const ours = makeAuthority("Ours");
const theirs = makeAuthority("Theirs");

/** Every request that a Vault behind TLS gets is sent elsewhere, or answered by a text. */
describe("a Vault behind TLS", () => {
  let answer: { status: number; location?: string; text: string };
  let tokens: (string | undefined)[];
  let server: ReturnType<typeof createServer>;
  let plain: VaultDouble;
  const api = (ca: readonly string[] | undefined): Promise<VaultApi> => {
    const { port } = server.address() as AddressInfo;
    return openApi({
      address: `https://localhost:${port}`,
      namespace: undefined,
      authMount: "kubernetes",
      ca,
    });
  };
  beforeEach(async () => {
    plain = await startVault();
    tokens = [];
    answer = { status: 200, text: JSON.stringify({ data: { data: { a: 1 } } }) };
    server = createServer(ours.issue(), (request, response) => {
      tokens.push(request.headers["x-vault-token"]?.toString());
      const { status, location, text } = answer;
      response.writeHead(status, location === undefined ? {} : { location }).end(text);
    }).listen(0, "localhost");
    await once(server, "listening");
  });
  afterEach(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
    await plain[Symbol.asyncDispose]();
  });

  it("is spoken to when its authority is known", async () => {
    const { data } = await (await api([ours.ca])).read("hvs.token", "secret/data/x");

    expect(data).toEqual({ data: { a: 1 } });
    expect(tokens).toEqual(["hvs.token"]);
  });

  it.each([
    ["another authority", [theirs.ca]],
    ["the usual ones", undefined],
  ])("gets no token when only %s is trusted", async (_what, ca) => {
    await expect((await api(ca)).read("hvs.token", "secret/data/x")).rejects.toThrow(/CERT|SIGNATURE/);

    expect(tokens).toEqual([]);
  });

  it("cannot send us away from TLS", async () => {
    answer = { status: 307, location: `${plain.url}/v1/secret/data/x`, text: "" };

    await expect((await api([ours.ca])).read("hvs.token", "secret/data/x")).rejects.toThrow("away from TLS");

    expect(plain.requests).toEqual([]);
  });

  it("cannot send us around in circles", async () => {
    answer = { status: 307, location: "/v1/secret/data/x", text: "" };

    await expect((await api([ours.ca])).read("hvs.token", "secret/data/x")).rejects.toThrow(
      "redirected too often",
    );

    expect(tokens).toHaveLength(4);
  });

  it.each([
    ["a page of a proxy", "<html>", "is not JSON: check VAULT_ADDR"],
    ["more than a secret can be", `"${"x".repeat(1_100_000)}"`, "longer than"],
  ])("is not believed when it answers %s", async (_what, text, message) => {
    answer = { status: 200, text };

    await expect((await api([ours.ca])).read("hvs.token", "secret/data/x")).rejects.toThrow(message);
  });
});
