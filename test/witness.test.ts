import { describe, expect, it } from "vitest";
import { Witness } from "./support/witness.ts";

/** The whole suite leans on it: a witness that sees nothing would pass everything. */
describe("the witness of secrets", () => {
  const knowing = (...secrets: string[]) => {
    const witness = new Witness();
    for (const secret of secrets) witness.know(secret);
    return witness;
  };

  it.each([
    ["as it is", 'the password is pa"ss wörd!'],
    ["in JSON", JSON.stringify({ deep: ['pa"ss wörd!'] })],
    ["in a URL", `postgres://app:${encodeURIComponent('pa"ss wörd!')}@db/app`],
    ["in base64", `Basic ${Buffer.from('pa"ss wörd!').toString("base64")}`],
  ])("sees one %s, and says where", (_, text) => {
    const witness = knowing("another-one", 'pa"ss wörd!');

    witness.see("logs", text);

    expect(witness.hits).toEqual([`logs: …${text}…`]);
  });

  it("has nothing against what it does not know, nor against words too short to be hidden", () => {
    const witness = knowing("a-secret", "short");

    witness.see("events", "in short: [redacted], a-secre");

    expect(witness.hits).toEqual([]);
  });

  it("finds the secrets among variables by their names, and in addresses", () => {
    const witness = new Witness();
    witness.knowThoseIn({
      PG_PASSWORD: "pg-secret",
      OPENAI_API_KEY: "sk-secret",
      APPROVAL_LINK_SECRET: "link-secret",
      REDIS_URL: "redis://default:url-secret@cache:6379",
      VAULT_ROLE: "agent-executor",
      LOG_LEVEL: "silent",
    });

    witness.see("frames", "pg-secret");
    witness.see("answers", "sk-secret");
    witness.see("events", "link-secret");
    witness.see("logs", "url-secret");
    witness.see("logs", "agent-executor silent");

    expect(witness.hits.map((hit) => hit.split(":")[0])).toEqual(["frames", "answers", "events", "logs"]);
  });
});
