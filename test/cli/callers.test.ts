import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { painter, tame } from "../../src/cli/paint.ts";
import { runCommandLine } from "../../src/cli/run.ts";
import type { Trace } from "../../src/runs/trace.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

/** The command line in this process, with an environment of its own. */
async function cli(args: readonly string[], env: Record<string, string>, isTerminal = false) {
  const said = { stdout: "", stderr: "" };
  const code = await runCommandLine(args, {
    openDatabase: () => Promise.reject(new Error("not asked for")),
    checks: async () => [],
    print: (line) => {
      said.stdout += `${line}\n`;
    },
    complain: (line) => {
      said.stderr += `${line}\n`;
    },
    isTerminal,
    env,
  });
  return { code, ...said };
}

describe("the command line where callers carry tokens", () => {
  let issuer: Issuer;
  let service: TestService;
  const tokens: Record<string, string> = {};
  let job: string;
  beforeAll(async () => {
    issuer = await startIssuer();
    service = await startTestService({
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: issuer.audience,
      OIDC_OPERATORS: "root",
    });
    for (const sub of ["alice", "mallory", "root"]) tokens[sub] = await issuer.token({ sub });
    const event = executeEvent({ agent_definition: scripted({ content: "late", delay_ms: 30_000 }) });
    job = String(event.data["job_id"]);
    const headers = { prefer: "respond-async", authorization: `Bearer ${tokens["alice"]}` };
    expect((await postEvent(service.url, event, { headers })).status).toBe(202);
  });
  afterAll(async () => {
    await service.close();
    await issuer[Symbol.asyncDispose]();
  });
  const as = (who: string) => ({
    AGENT_EXECUTOR_URL: service.url,
    AGENT_EXECUTOR_TOKEN: tokens[who] ?? "",
  });

  it("is sent away without one, and told how to give it", async () => {
    const { code, stderr } = await cli(["jobs", "list"], as("nobody"));

    expect(code).toBe(1);
    expect(stderr).toMatch(/^unauthenticated: .+; give a token by --token or AGENT_EXECUTOR_TOKEN\n$/);
  });

  it("takes it from its variable or its option, and shows it nowhere", async () => {
    const byVariable = await cli(["jobs", "list"], as("alice"));
    const byOption = await cli(["jobs", "show", job, "--token", tokens["alice"] ?? ""], as("nobody"));

    expect([byVariable.code, byOption.code]).toEqual([0, 0]);
    expect(byVariable.stdout).toContain(job);
    expect(byVariable.stdout + byOption.stdout).not.toContain(tokens["alice"]);
  });

  it("gets no trace of a job that is someone else's", async () => {
    const { code, stdout, stderr } = await cli(["trace", job], as("mallory"));

    expect([code, stdout, stderr]).toEqual([1, "", "forbidden: this job belongs to someone else\n"]);
  });

  it("leaves the name of who acts in the event log, also where that is not the owner", async () => {
    await cli(["jobs", "cancel", job, "--reason", "over budget"], as("root"));
    const traceOf = async () => JSON.parse((await cli(["trace", job], as("alice"))).stdout) as Trace;
    await until(async () => (await traceOf()).runs[0]?.status === "cancelled", { what: "the end" });
    await cli(["jobs", "retry", job], as("alice"));

    const { owner, runs } = await traceOf();

    expect(owner).toBe("alice");
    expect(runs[0]?.log[0]).toMatchObject({ type: "run.accepted", who: "subject:alice" });
    const asked = runs[0]?.log.find(({ type }) => type === "run.cancel_requested");
    expect(asked?.who).toBe("subject:root");
    expect(runs[1]?.log[0]).toMatchObject({ type: "run.retried", who: "subject:alice" });
    await cli(["jobs", "cancel", job], as("root"));
  });

  it("prints text with colours for people, and JSON elsewhere", async () => {
    const forPeople = await cli(["jobs", "list"], as("alice"), true);
    const plain = await cli(["jobs", "list"], { ...as("alice"), NO_COLOR: "1" }, true);
    const elsewhere = await cli(["jobs", "list"], as("alice"));

    expect(forPeople.stdout).toContain("\u001b[");
    expect(plain.stdout).not.toContain("\u001b[");
    expect(plain.stdout).toContain(job);
    expect(JSON.parse(elsewhere.stdout)).toMatchObject({ jobs: [{ job_id: job }] });
  });
});

describe("what others wrote", () => {
  it("moves no cursor and stays on its line", () => {
    expect(tame("a\u001b[2J\nb\u2028c")).toBe("a [2J b c");
    expect(painter({ isTerminal: true, env: { TERM: "dumb" } })("red", "x")).toBe("x");
  });
});
