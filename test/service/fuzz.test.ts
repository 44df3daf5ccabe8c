import process from "node:process";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseHttpEvent } from "../../src/events/parse.ts";
import { anyRequest, type FuzzRequest } from "../http/fuzz-requests.ts";
import { expectRefusal } from "../http/refusals.ts";
import { executeEvent } from "../support/agents.ts";
import { get, postEvent } from "../support/post.ts";
import { RawConnection, type RawResponse } from "../support/raw-http.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

// Every run takes another seed; a failure prints it, and FUZZ_SEED replays it.
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 2000);
const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);
const AT_ONCE = 16;
const RESULT = /^dev\.my-platform\.agent\.(completed|failed|cancelled|interrupted)$/;

describe("the whole service", () => {
  let service: TestService;
  let lines: Line[];
  beforeAll(async () => {
    service = await startTestService({
      MAX_BODY_BYTES: "65536",
      MAX_QUEUED_RUNS: "200",
      MAX_QUEUED_RUNS_PER_JOB: "10",
      MAX_CONCURRENT_RUNS: "8",
      RUN_MAX_ATTEMPTS: "1", // a model that is away for now is away for good
      RUN_MAX_STEPS: "8",
      RUN_MAX_SECONDS: "5",
    });
    lines = Array.from({ length: AT_ONCE }, () => new Line(service.url));
  });
  afterAll(async () => {
    for (const line of lines) line.end();
    await service.close();
  });

  it(`answers whatever comes, and never with a fault of its own (FUZZ_SEED=${SEED})`, {
    timeout: 60_000 + RUNS * 30,
  }, async () => {
    const seen = new Map<number, number>();
    const requests = fc.array(anyRequest, { minLength: AT_ONCE, maxLength: AT_ONCE });
    const property = fc.asyncProperty(requests, async (all) => {
      await Promise.all(
        all.map(async (request, i) => {
          const answer = await lines[i]?.ask(request);
          if (answer === undefined) throw new Error("no line");
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
          check(request, answer);
        }),
      );
    });

    // No shrinking: a failure names its one request, and the state that it met is gone.
    const { errorInstance } = await fc.check(property, {
      numRuns: Math.ceil(RUNS / AT_ONCE),
      seed: SEED,
      endOnFailure: true,
    });
    if (errorInstance) throw errorInstance;

    expect([...seen.keys()]).toEqual(expect.arrayContaining([200, 202, 400]));
    const unfinished = async () =>
      await service.database.sql(
        "select run_id, job_id, status from agent_executor.runs where status in ('queued', 'running')",
      );
    await until(async () => (await unfinished()).length === 0, {
      what: "every run to end",
      timeoutMs: 20_000,
    });
    const rows = await service.database.sql(
      'select outcome from agent_executor.runs where outcome like \'%"code":"internal"%\'',
    );
    expect(rows).toEqual([]);
    expect((await get(`${service.url}/ready`)).status).toBe(200);
    expect((await postEvent(service.url, executeEvent())).json()).toMatchObject({
      result: { output: "done" },
    });
  });
});

/** One connection that is kept alive, and opened anew when an answer was its last. */
class Line {
  readonly #url: string;
  #connection: RawConnection | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async ask({ method, path, headers, body }: FuzzRequest): Promise<RawResponse> {
    this.#connection ??= await RawConnection.open(this.#url, { timeoutMs: 20_000 });
    const lines = [...headers, ["Host", "x"], ["Content-Length", String(body.length)]].map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    await this.#connection.send(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, body);
    const answer = await this.#connection.read();
    if (answer.headers["connection"] === "close") this.end();
    return answer;
  }

  end(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}

function check(request: FuzzRequest, answer: RawResponse): void {
  try {
    checkAnswer(request.method, answer);
  } catch (error) {
    const sent = { ...request, body: request.body.toString("utf8").slice(0, 5000) };
    throw new Error(
      `FUZZ_SEED=${SEED}\nto ${JSON.stringify(sent)}\ncame ${JSON.stringify(answer.body.slice(0, 2000))}`,
      { cause: error },
    );
  }
}

function checkAnswer(method: string, answer: RawResponse): void {
  const { status, body, rawHeaders } = answer;
  if (status >= 400) {
    const { code } = (JSON.parse(body) as { error: { code: Parameters<typeof expectRefusal>[1] } }).error;
    expect(status, code).toBeLessThan(500);
    expectRefusal(answer, code);
  } else if (method !== "POST") {
    expect(status).toBe(200);
  } else if (status === 200 && body !== "") {
    const parsed = parseHttpEvent(rawHeaders.flat(), answer.bytes);
    if (parsed.mode !== "binary") throw new Error(`a ${parsed.mode} event`);
    expect(parsed.event.type).toMatch(RESULT);
    expect(parsed.event.data).toMatchObject({ kind: "json", value: { job_id: parsed.event.subject } });
  } else {
    expect([[200, 202, 204].includes(status), body]).toEqual([true, ""]);
    expect(answer.headers).not.toHaveProperty("content-type");
  }
}
