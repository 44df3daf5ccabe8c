import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/run.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { readConfig } from "../../src/config.ts";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent } from "../support/approvals.ts";
import { emptyDatabase } from "../support/databases.ts";
import { jobAt } from "../support/jobs.ts";
import { postEvent } from "../support/post.ts";
import { type CommandOptions, runCommand, spawnService } from "../support/process.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const { PATH = "", HOME = "" } = process.env;

/** The built command line in a process of its own; nobody looks, unless it is told so. */
const cli = (args: readonly string[], { env = {}, ...options }: CommandOptions = {}) =>
  runCommand(process.execPath, ["dist/cli.js", ...args], { env: { PATH, HOME, ...env }, ...options });

const lastJson = (stdout: string) => JSON.parse(stdout.trim().split("\n").at(-1) ?? "");

describe("agent-executor", () => {
  it("lists its verbs, and explains each of them with an example", async () => {
    const { code, stdout } = await cli(["--help"]);
    expect(code).toBe(0);

    for (const verb of Object.keys(verbs)) {
      expect(stdout).toContain(`\n  ${verb} `);
      const lines: string[] = [];
      const print = (line: string) => void lines.push(line);
      const lent = { openDatabase: () => Promise.reject(), checks: async () => [], print, complain: print };
      expect(await runCommandLine([verb, "--help"], lent)).toBe(0);
      expect(lines.join("\n")).toMatch(
        new RegExp(`^Usage: agent-executor ${verb}[^]+\nExamples:\n  .*agent-executor ${verb}`),
      );
    }
  });

  it.each([
    [["jbos"], 'no verb "jbos" (did you mean "jobs"?)'],
    [["jobs", "lst"], 'not "lst" (did you mean "list"?)'],
    [["jobs", "list", "--stats", "failed"], "Unknown option '--stats'"],
    [["jobs", "show"], "the job's id is missing"],
    [["jobs", "show", "a", "b"], '"b" is one word too many'],
    [["run", "/no/such/file", "--input", "x"], "there is no file /no/such/file"],
    [["run", "examples/hello.agent.json"], "--input is missing"],
    [["demo", "fire"], "demo takes crash"],
    [["jobs", "list", "--url", "localhost"], "no http or https URL"],
  ])("refuses %j with 2 and says why", async (args, words) => {
    const { code, stdout, stderr } = await cli(args);

    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(words);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("ends with 3 where nobody answers, and says what to do", async () => {
    const { code, stderr } = await cli(["jobs", "list"], {
      env: { AGENT_EXECUTOR_URL: "http://127.0.0.1:9" },
    });

    expect(code).toBe(3);
    expect(stderr).toMatch(
      /does not answer \(.+\): start the service \(agent-executor dev\), or name it by --url/,
    );
  });

  it("shares its two variables with a service, which takes no notice of them", () => {
    const { notes } = readConfig({ AGENT_EXECUTOR_URL: "http://x", AGENT_EXECUTOR_TOKEN: "t" });

    expect(notes.join()).not.toContain("AGENT_EXECUTOR");
    expect(() => readConfig({ AGENT_EXECUTOR_URI: "http://x" })).toThrow("no such variable");
  });

  it("completes words in bash", async () => {
    const { stdout: script } = await cli(["completion", "bash"]);
    const ask = `${script}\nCOMP_WORDS=(agent-executor jobs ta); COMP_CWORD=2; _agent_executor; echo "\${COMPREPLY[@]}"`;

    expect((await runCommand("bash", ["-c", ask])).stdout).toBe("tail\n");
    expect((await cli(["completion", "fish"])).stdout).toContain("complete -c agent-executor");
    expect((await cli(["completion", "tcsh"])).code).toBe(2);
  });
});

describe("agent-executor run", () => {
  it("runs in its own process, and prints frames and the job as JSON where nobody looks", async () => {
    const { code, stdout } = await cli(["run", "examples/hello.agent.json", "--input", "Hi!"]);

    expect(code).toBe(0);
    expect(lastJson(stdout)).toMatchObject({ event_type: "job", data: { status: "completed" } });
    expect(stdout.trim().split("\n").length).toBeGreaterThan(1);
  });

  it("does not send people to a question that is deleted with its database", async () => {
    const definition = JSON.stringify(
      callingAgent("http://127.0.0.1:9", [[{ name: "pay", args: { amount: 5 } }]]),
    );

    const { code, stderr } = await cli(["run", "-", "--input", "x", "--plain"], { input: definition });

    expect(code).toBe(4);
    expect(stderr).toContain("run it at a service, by --url");
    expect(stderr).not.toContain("agent-executor approve");
  });

  it("ends with 1 for a run that failed, with its code", async () => {
    const definition = JSON.stringify(scripted({ error: { status: 400, message: "no" } }));

    const { code, stderr, stdout } = await cli(["run", "-", "--input", "x", "--plain"], {
      input: definition,
    });

    expect(code).toBe(1);
    expect(stdout).toContain("model_refused");
    expect(stderr).toContain("the run failed: model_refused");
  });
});

describe("agent-executor with a service", () => {
  let tools: ToolServer;
  let service: TestService;
  let env: Record<string, string>;
  let folder: string;
  beforeAll(async () => {
    tools = await startToolServer();
    service = await startTestService({ EGRESS_ALLOW: "127.0.0.0/8" });
    env = { AGENT_EXECUTOR_URL: service.url, DATABASE_URL: service.database.url };
    folder = await mkdtemp(join(tmpdir(), "agent-executor-cli-"));
  });
  afterAll(async () => {
    await service.close();
    await tools.close();
    await rm(folder, { recursive: true });
  });
  const asking = async (turns = 1) => {
    const calls = Array.from({ length: turns }, (_, i) => [{ name: "pay", args: { amount: i + 5 } }]);
    const file = join(folder, `${randomUUID()}.json`);
    await writeFile(file, JSON.stringify(callingAgent(tools.url, calls)));
    const job = randomUUID();
    return { job, ran: await cli(["run", file, "--input", "pay", "--job", job, "--plain"], { env }) };
  };

  it("runs to a question, which ends with 4; approve lets it go on, tail shows the rest, trace the whole", async () => {
    const { job, ran } = await asking();
    expect(ran.code).toBe(4);
    expect(ran.stdout).toContain("approve, edit, reject");
    expect(ran.stderr).toContain(`agent-executor approve "${job}"`);

    const approved = await cli(["approve", job, "--comment", "fine", "--approver", "bob"], { env });
    const tailed = await cli(["jobs", "tail", job, "--plain"], { env });
    const shown = await cli(["jobs", "show", job], { env });
    const tree = await cli(["trace", job, "--plain"], { env });
    const traced = await cli(["trace", job, "--database"], { env });

    expect([approved.code, tailed.code, shown.code, tree.code]).toEqual([0, 0, 0, 0]);
    expect(tailed.stdout).toContain("done");
    expect(lastJson(shown.stdout)).toMatchObject({ status: "completed", result: { output: "done" } });
    for (const words of [
      /└─ run 1 .*completed/,
      /attempt 1 .*waiting/,
      /attempt 2 .*settled/,
      /tool pay {2}done/,
    ]) {
      expect(tree.stdout).toMatch(words);
    }
    expect(tree.stdout).toMatch(/decision approve by bob/);
    expect(tree.stdout).toMatch(/event execute {2}agent-executor-cli/);
    expect(lastJson(traced.stdout).runs[0].attempts).toHaveLength(2);
    expect(tools.calls.filter(({ body }) => body.includes("5"))).toHaveLength(1);
  });

  it("rejects, and then there is nothing left to answer", async () => {
    const { job } = await asking();

    const rejected = await cli(["reject", job, "--comment", "no money"], { env });
    expect(rejected.code).toBe(0);
    expect((await cli(["jobs", "tail", job], { env })).code).toBe(0);
    const again = await cli(["approve", job], { env });

    expect(again.code).toBe(1);
    expect(again.stderr).toContain("the job is completed and asks nothing");
  });

  it("calls no question open of a run that has ended, and no time before it positive", async () => {
    const { job } = await asking();
    await cli(["jobs", "cancel", job], { env });
    await until(async () => (await jobAt(service.url, job)).status === "cancelled", { what: "the end" });

    const { stdout } = await cli(["trace", job, "--plain"], { env });

    expect(stdout).toMatch(/never answered {2}.+pay/);
    expect(stdout).not.toContain("open question");
    expect(stdout).not.toContain("+-");
  });

  it("lists, cancels and tries again", async () => {
    const event = executeEvent({ agent_definition: scripted({ content: "late", delay_ms: 30_000 }) });
    const job = String(event.data["job_id"]);
    await postEvent(service.url, event, { headers: { prefer: "respond-async" } });
    await until(async () => (await jobAt(service.url, job)).status === "running", { what: "the run" });

    const listed = await cli(["jobs", "list", "--status", "running", "--plain"], { env });
    const cancelled = await cli(["jobs", "cancel", job, "--reason", "enough"], { env });
    const tailed = await cli(["jobs", "tail", job], { env });
    const retried = await cli(["jobs", "retry", job], { env });
    await cli(["jobs", "cancel", job], { env });

    expect(listed.stdout).toMatch(new RegExp(`running +${job}`));
    expect(cancelled.code).toBe(0);
    expect([tailed.code, tailed.stderr]).toEqual([1, "the run was cancelled\n"]);
    expect(lastJson(retried.stdout)).toMatchObject({ job_id: job, run_id: expect.any(String) });
  });

  it("says what the service says of a job that there is not", async () => {
    for (const args of [["jobs", "show"], ["jobs", "tail"], ["approve"], ["trace"]]) {
      const { code, stderr } = await cli([...args, "nothing"], { env });
      expect([code, stderr]).toEqual([1, "unknown_job: no job of this id is stored\n"]);
    }
  });

  it("looks at the tables, and says what to do about what is parked", async () => {
    const before = await cli(["db", "doctor", "--plain"], { env });
    await service.database.sql(
      `insert into agent_executor.outbox (event_id, target, job_id, job_event_no, event, parked_at, last_error)
       values ($1, 'sink', 'x', 1, '{"type":"t"}', now(), 'the sink answered 400')`,
      [randomUUID()],
    );
    const parked = await cli(["db", "doctor"], { env });
    await service.database.sql("delete from agent_executor.outbox where job_id = 'x'");

    expect([before.code, before.stderr]).toEqual([0, ""]);
    expect(before.stdout).toMatch(/^jobs +\d+ +[\d.]+ KiB {2}20/m);
    expect(parked.code).toBe(1);
    expect(lastJson(parked.stdout)).toMatchObject({
      ok: false,
      findings: [
        { count: 1, example: "the sink answered 400", fix: expect.stringContaining("outbox redrive --all") },
      ],
    });
  });

  it("prunes what is old, and makes the tables of an empty database", async () => {
    const old = executeEvent();
    await postEvent(service.url, old);
    const ago = "now() - interval '40 days'";
    for (const set of [
      `update agent_executor.jobs set created_at = ${ago} where job_id = $1`,
      `update agent_executor.runs set settled_at = ${ago} where job_id = $1`,
      `update agent_executor.outbox set delivered_at = ${ago} where job_id = $1`,
    ]) {
      await service.database.sql(set, [old.data["job_id"]]);
    }
    const overdue = await cli(["db", "doctor"], { env });
    const pruned = await cli(["db", "prune", "--days", "30"], { env });
    const empty = await emptyDatabase();
    const on = { env: { DATABASE_URL: empty.url } };
    const unmade = await cli(["db", "doctor"], on);
    const made = await cli(["db", "migrate"], on);
    const again = await cli(["db", "migrate"], on);
    await empty[Symbol.asyncDispose]();

    expect(lastJson(overdue.stdout).findings).toMatchObject([{ fix: expect.stringContaining("db prune") }]);
    expect(lastJson(pruned.stdout)).toEqual({ jobs: 1, days: 30 });
    expect([unmade.code, unmade.stderr]).toEqual([1, expect.stringContaining("db migrate")]);
    expect(lastJson(made.stdout).applied.length).toBeGreaterThan(5);
    expect(lastJson(again.stdout)).toEqual({ applied: [] });
  });

  it.each([["db doctor"], ["db prune"], ["outbox list"], ["outbox redrive --all"], ["trace x --database"]])(
    "says of `%s` what to do where there are no tables, or no database",
    async (line) => {
      const empty = await emptyDatabase();
      const without = await cli(line.split(" "), { env: { DATABASE_URL: empty.url } });
      await empty[Symbol.asyncDispose]();
      const away = await cli(line.split(" "), { env: { DATABASE_URL: "postgres://u@127.0.0.1:9/x" } });

      expect([without.code, without.stdout]).toEqual([1, ""]);
      expect(without.stderr).toContain("agent-executor db migrate");
      expect([away.code, away.stdout]).toEqual([3, ""]);
      expect(away.stderr).toMatch(/^the database does not answer \(.+\): agent-executor doctor says more$/m);
    },
  );
});

describe("following a stream", () => {
  it("takes a line that broke up where it was, and prints tokens as they come", async () => {
    const asked: (string | undefined)[] = [];
    const frame = (id: number, type: string, data: object) =>
      `event: ${type}\nid: ${id}-0\ndata: ${JSON.stringify({ event_type: type, data })}\n\n`;
    const job = (status: string) => ({
      job_id: "j",
      status,
      result: { output: "Hello" },
      error: null,
      interrupts: [],
      usage: null,
      definition: null,
      runs: [{ status }],
    });
    const server = createServer((request, response) => {
      if (request.url === "/jobs/j")
        return response.end(JSON.stringify(job(asked.length > 1 ? "completed" : "running")));
      const last = request.headers["last-event-id"];
      asked.push(typeof last === "string" ? last : undefined);
      response.setHeader("content-type", "text/event-stream");
      if (asked.length === 1) {
        response.write(frame(1, "on_llm_stream", { token: "Hel" }), () => response.destroy());
        return response;
      }
      return response.end(
        frame(2, "on_llm_stream", { token: "lo\u001b[2J" }) + frame(3, "end", { status: "completed" }),
      );
    }).listen(0, "127.0.0.1");
    await until(() => server.listening, { what: "the server" });
    const { port } = server.address() as AddressInfo;

    const { code, stdout } = await cli(["jobs", "tail", "j", "--plain", "--url", `http://127.0.0.1:${port}`]);
    server.close();

    expect(code).toBe(0);
    expect(asked).toEqual([undefined, "1-0"]);
    expect(stdout).toBe("Hello[2J\nHello\n");
  });
});

describe("agent-executor demo crash", () => {
  it("kills its worker midway and shows the run end once, each charge with one effect, within 20 s", async () => {
    const startedAt = performance.now();

    const { code, stdout, stderr } = await cli(["demo", "crash"], { timeoutMs: 60_000 });

    expect(stderr).toBe("");
    expect(code).toBe(0);
    const { calls, results, attempts } = lastJson(stdout);
    expect(calls.map(({ effects }: { effects: number }) => effects)).toEqual([1, 1, 1, 1, 1]);
    expect(calls.map(({ requests }: { requests: number }) => requests)).toEqual([1, 1, 2, 1, 1]);
    expect([results, attempts]).toEqual([1, 2]);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });
});

describe("agent-executor dev", () => {
  it("starts the service with its log in words, and ends it with the signal it gets", async () => {
    const data = await mkdtemp(join(tmpdir(), "agent-executor-dev-"));
    const dev = await spawnService({ DATA_DIR: data }, { entry: "dist/cli.js", args: ["dev"] });
    await dev.waitForHealth();
    await until(() => dev.stderr.some((line) => line.includes("curl -i")), {
      what: "the curl",
      timeoutMs: 30_000,
    });

    expect(dev.stdout.join("\n")).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}profile: development/m);
    expect((await dev.kill("SIGTERM")).code).toBe(0);
    await rm(data, { recursive: true });
  });
});
