import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { readEnvironment } from "../../src/config.ts";
import { notesOf } from "./support.ts";

describe("the environment of the process", () => {
  const before = { ...process.env };
  const folders: string[] = [];
  const folderWith = (dotenv: string) => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    folders.push(folder);
    writeFileSync(join(folder, ".env"), dotenv);
    return folder;
  };
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (before[name] === undefined) delete process.env[name];
    Object.assign(process.env, before);
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  const leaveProduction = () => {
    for (const name of ["NODE_ENV", "K_SERVICE", "KUBERNETES_SERVICE_HOST"]) delete process.env[name];
  };

  test("a .env file is read, and what is set already wins over it", () => {
    leaveProduction();
    process.env["EVENT_SOURCE"] = "from-outside";

    const env = readEnvironment(folderWith("EVENT_SOURCE=from-file\nK_REVISION=from-file\n"));

    expect(env).toMatchObject({ EVENT_SOURCE: "from-outside", K_REVISION: "from-file" });
  });

  test("a .env file is not read in production, and need not be there", () => {
    process.env["NODE_ENV"] = "production";
    expect(readEnvironment(folderWith("K_REVISION=from-file\n"))["K_REVISION"]).toBeUndefined();
    leaveProduction();
    expect(readEnvironment(join(tmpdir(), "no-such-folder"))["K_REVISION"]).toBeUndefined();
  });

  test("LangChain's tracing is off whatever was exported or written, and a note says so", async () => {
    leaveProduction();
    process.env["LANGSMITH_TRACING_V2"] = "true";

    const env = readEnvironment(folderWith("LANGCHAIN_TRACING=true\n"));

    const { CallbackManager } = await import("@langchain/core/callbacks/manager");
    expect(CallbackManager.configure()).toBeUndefined(); // neither tracer nor printer
    expect(notesOf({ LANGSMITH_TRACING_V2: env["LANGSMITH_TRACING_V2"] })).toMatch(
      /^LANGSMITH_TRACING_V2 is switched off/,
    );
    expect(notesOf({ LANGCHAIN_TRACING: env["LANGCHAIN_TRACING"], TRACING: "true" })).toMatch(
      /^LANGCHAIN_TRACING is/,
    );
    expect(notesOf({ LANGSMITH_TRACING: "false" })).toBe("");
  });
});
