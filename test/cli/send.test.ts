import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/run.ts";
import { consumerState, resultFor } from "../nats/messages.ts";
import { executeEvent } from "../support/agents.ts";
import { startIssuer } from "../support/issuer.ts";
import { NatsServer } from "../support/nats-server.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { freePort, until } from "../support/wait.ts";

const folder = mkdtempSync(join(tmpdir(), "send-"));
const fileOf = (value: unknown) => {
  const file = join(folder, "event.json");
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
};

async function send(...args: string[]): Promise<{ code: number; lines: string[] }> {
  return await sendWith({}, ...args);
}

async function sendWith(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const nobody = () => Promise.reject(new Error("not asked for"));
  const tools = { openDatabase: nobody, checks: nobody, print, complain: print, env };
  return { code: await runCommandLine(["send", ...args], tools), lines };
}

describe("agent-executor send", () => {
  let nats: NatsServer;
  let service: TestService;
  beforeAll(async () => {
    nats = await NatsServer.start();
    service = await startTestService({ NATS_URL: nats.url });
    await until(() => consumerState(nats), { what: "the consumer" });
  });
  afterAll(async () => {
    await service.close();
    await nats.close();
    rmSync(folder, { recursive: true });
  });

  it("posts an event and prints the answer", async () => {
    const { type, data } = executeEvent();

    const { code, lines } = await send(fileOf({ type, data }), service.url);

    expect(code).toBe(0);
    expect(lines[0]).toBe("200  ce-type: dev.my-platform.agent.completed");
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ job_id: data["job_id"], result: { output: "done" } });
  });

  it("shows its token to a service that asks for one, and says so where there is none", async () => {
    await using issuer = await startIssuer();
    const guarded = await startTestService({ OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: issuer.audience });
    const { type, data } = executeEvent();
    const file = fileOf({ type, data });

    const without = await send(file, guarded.url);
    const known = await sendWith({ AGENT_EXECUTOR_TOKEN: await issuer.token() }, file, guarded.url);
    await guarded.close();

    expect([without.code, without.lines.at(-1)]).toEqual([
      1,
      expect.stringContaining("give a token by AGENT_EXECUTOR_TOKEN"),
    ]);
    expect([known.code, known.lines[0]]).toEqual([0, "200  ce-type: dev.my-platform.agent.completed"]);
  });

  it("publishes an event, says where it is kept, and knows a copy", async () => {
    const event = executeEvent();

    const first = await send(fileOf(event), nats.url);
    const again = await send(fileOf(event), nats.url);

    expect([first.code, again.code]).toEqual([0, 0]);
    expect(first.lines).toEqual([expect.stringMatching(/^stored: AGENT_EXECUTION, sequence \d+$/)]);
    expect(again.lines).toEqual([expect.stringMatching(/^was there before: AGENT_EXECUTION/)]);
    expect((await resultFor(nats, event.id)).subject).toBe("agent.status.completed");
  });

  it("ends with 1 where the event was not taken, with 3 where nobody answers, and says why", async () => {
    const refused = await send(fileOf({ ...executeEvent(), type: "other" }), service.url);
    const dead = await freePort();
    const noHttp = await send(fileOf(executeEvent()), `http://127.0.0.1:${dead}`);
    const noNats = await send(fileOf(executeEvent()), `nats://me:the-password@127.0.0.1:${dead}`);

    expect([refused.code, noHttp.code, noNats.code]).toEqual([1, 3, 3]);
    expect(refused.lines[1]).toContain("unsupported_event_type");
    expect(noHttp.lines).toEqual(["nobody answers there (ECONNREFUSED): start it, or correct the URL"]);
    expect(noNats.lines).toEqual([expect.stringMatching(/^nobody answers there \(.+\): start it, or /)]);
    expect(noNats.lines.join()).not.toContain("the-password");
  });

  it.each([
    ["no URL", [fileOf({ type: "x" })]],
    ["another kind of URL", [fileOf({ type: "x" }), "ftp://somewhere"]],
    ["no event in the file", [fileOf("[]"), "http://127.0.0.1:1"], "[]"],
    ["no JSON in the file", [fileOf("{type"), "http://127.0.0.1:1"], "{type"],
  ])("ends with 2 where there is %s", async (_what, args, held = '{"type":"x"}') => {
    fileOf(held);

    expect((await send(...args)).code).toBe(2);
  });
});
