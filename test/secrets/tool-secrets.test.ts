import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startVault, type VaultDouble } from "../support/vault.ts";
import { type Client, clientOf, fill } from "./support.ts";

describe("a secret that a tool names", () => {
  let vault: VaultDouble;
  let client: Client;
  beforeEach(async () => {
    vault = await startVault();
    fill(vault);
    vault.put("tools/crm", { token: "crm-token-1", origins: "https://crm.example.com", number: 7 });
    client = await clientOf(vault);
  });
  afterEach(async () => {
    await client.secrets.close();
    await vault[Symbol.asyncDispose]();
  });
  const reads = () => vault.requests.filter(({ path }) => path.includes("tools/crm")).length;

  it("is read once for many calls at the same time, and hidden before it is given on", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => client.secrets.tools.read("tools/crm")));

    expect(all[0]).toEqual({ token: "crm-token-1", origins: "https://crm.example.com" });
    expect(reads()).toBe(1);
    expect(client.hidden).toContain("crm-token-1");
    expect(client.hidden).not.toContain("https://crm.example.com");
  });

  it.each([
    "postgres",
    "tools/../postgres",
    "tools",
    "tools//postgres",
    "/tools/crm",
    "tools/a b",
    "TOOLS/crm",
  ])("is not %s, which lies elsewhere", async (path) => {
    await expect(client.secrets.tools.read(path)).rejects.toMatchObject({ code: "missing_credentials" });
    expect(vault.requests.filter((request) => request.path.includes("/data/"))).toEqual([]);
  });

  it("that does not exist or is forbidden ends the call for good; away, the run is tried again", async () => {
    await expect(client.secrets.tools.read("tools/none")).rejects.toMatchObject({
      code: "missing_credentials",
    });
    vault.behave({ forbidden: (path) => path.includes("tools/crm") });
    await expect(client.secrets.tools.read("tools/crm")).rejects.toMatchObject({
      code: "missing_credentials",
    });
    vault.behave({ sealed: true });
    await expect(client.secrets.tools.read("tools/crm")).rejects.toMatchObject({ code: "vault_unavailable" });

    vault.behave({});
    expect(await client.secrets.tools.read("tools/crm")).toMatchObject({ token: "crm-token-1" });
  });
});
