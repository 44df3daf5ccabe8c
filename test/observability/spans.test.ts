import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { registry } from "../../src/observability/metrics.ts";
import { startToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent } from "../support/approvals.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { type Collector, startCollector } from "../support/otlp.ts";
import { postEvent } from "../support/post.ts";
import { startTestService } from "../support/service.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
const KEY = "sk-a-key-of-the-operator";

const asking = (input = "What is the answer?") => ({
  agent_definition: {
    nodes: [
      { type: "agent", name: "oracle", model: { provider: "openai", model: "gpt-x" }, system_prompt: input },
    ],
  },
  input,
});
const spanCount = async (outcome: string) => {
  const { values } = (await registry.getSingleMetric("agent_executor_spans_total")?.get()) ?? { values: [] };
  return values.find(({ labels }) => labels["outcome"] === outcome)?.value ?? 0;
};

describe("the spans of a service", () => {
  let collector: Collector;
  let model: ModelServer;
  let folder: string;
  beforeEach(async () => {
    collector = await startCollector();
    model = await startModelServer({ apiKey: KEY });
    folder = await mkdtemp(join(tmpdir(), "agent-executor-prices-"));
  });
  afterEach(async () => {
    await collector.close();
    await model.close();
    await rm(folder, { recursive: true, force: true });
  });
  const env = () => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_SERVICE_NAME: "my-agents",
    OPENAI_BASE_URL: model.openaiUrl,
    OPENAI_API_KEY: KEY,
  });

  it("name a model call as OpenTelemetry does, carry its trace to the operator's server, and hold no payload", async () => {
    model.reply([
      { content: "Forty-two.", usage: { input_tokens: 100, output_tokens: 7, cached_tokens: 40 } },
    ]);
    const service = await startTestService(env());

    const answer = await postEvent(service.url, { ...executeEvent(asking()), traceparent });
    await service.close(); // sends off what is left

    expect(answer.status).toBe(200);
    const [chat] = collector.spans.filter(({ name }) => name === "chat gpt-x");
    expect(chat).toMatchObject({
      traceId: TRACE,
      kind: "client",
      isError: false,
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.response.finish_reasons": ["stop"],
      },
      resource: { "service.name": "my-agents" },
    });
    expect(model.requests[0]?.headers["traceparent"]).toBe(`00-${TRACE}-${chat?.spanId}-01`);
    expect(collector.spans.map(({ name }) => name)).toContain("connect postgresql");
    const all = JSON.stringify(collector.spans);
    for (const said of ["What is the answer", "Forty-two", KEY]) expect(all).not.toContain(said);
  });

  it("say of a failure its code and not its words", async () => {
    model.reply([{ status: 400, message: "the prompt was: open sesame" }]);
    const service = await startTestService(env());

    await postEvent(service.url, { ...executeEvent(asking("open sesame")), traceparent });
    await service.close();

    const [chat] = collector.spans.filter(({ name }) => name === "chat gpt-x");
    expect(chat?.isError).toBe(true);
    expect(chat?.attributes["error.type"]).toMatch(/^[\w.]+$/);
    expect(JSON.stringify(collector.spans)).not.toContain("sesame");
  });

  it("follow the request where the event names no trace, and link to it where it names another", async () => {
    const service = await startTestService(env());
    const headers = { traceparent };
    const other = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;

    await postEvent(service.url, executeEvent({ agent_definition: scripted("a") }), { headers });
    await postEvent(
      service.url,
      { ...executeEvent({ agent_definition: scripted("b") }), traceparent: other },
      { headers },
    );
    await service.close();

    const accepted = collector.spans.filter(({ name }) => name.startsWith("process "));
    expect(accepted).toMatchObject([
      { traceId: TRACE, parentId: "b7ad6b7169203331", links: [] },
      {
        traceId: "1".repeat(32),
        parentId: "2".repeat(16),
        links: [{ traceId: TRACE, spanId: "b7ad6b7169203331" }],
      },
    ]);
  });

  it("carry the trace to the tools, also without a collector, unless a tool has a traceparent of its own", async () => {
    const tools = await startToolServer();
    onTestFinished(() => tools.close());
    const agent = callingAgent(
      tools.url,
      [[{ name: "plain", args: { amount: 1 } }], [{ name: "own", args: { amount: 2 } }]],
      {},
    ) as { tool_definitions: { name: string; runtime: Record<string, unknown> }[] };
    const own = `00-${"3".repeat(32)}-${"4".repeat(16)}-01`;
    for (const { name, runtime } of agent.tool_definitions) {
      if (name === "own") runtime["headers"] = { traceparent: own };
    }
    const service = await startTestService({ EGRESS_ALLOW: "127.0.0.0/8" });

    await postEvent(service.url, { ...executeEvent({ agent_definition: agent }), traceparent });
    await service.close();

    expect(tools.calls.map((call) => call.traceparent)).toEqual([traceparent, own]);
  });

  it("are not made for a trace that its sender does not sample", async () => {
    const service = await startTestService(env());

    const notSampled = traceparent.replace(/01$/, "00");
    const answer = await postEvent(service.url, { ...executeEvent(asking()), traceparent: notSampled });
    await service.close();

    expect(collector.spans.filter(({ traceId }) => traceId === TRACE)).toEqual([]);
    expect(answer.headers["ce-traceparent"]).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  });

  it.each([
    ["refuses them", 500],
    ["never answers", "never"],
  ] as const)(
    "change nothing when the collector %s: they are counted",
    async (_what, answer) => {
      collector.answer(answer);
      const failedBefore = await spanCount("failed");
      const service = await startTestService(env());

      const results = await Promise.all(
        Array.from({ length: 20 }, () =>
          postEvent(service.url, executeEvent({ agent_definition: scripted("done") })),
        ),
      );
      const stoppedAt = performance.now();
      await service.close();

      expect(results.map(({ status }) => status)).toEqual(results.map(() => 200));
      expect(performance.now() - stoppedAt).toBeLessThan(7000);
      expect(collector.requests).toBeGreaterThan(0);
      if (answer === 500) expect(await spanCount("failed")).toBeGreaterThan(failedBefore);
    },
    30_000,
  );

  it("have no more than so many waiting: the rest is dropped and counted", async () => {
    collector.answer("never");
    const { exportSpans } = await import("../../src/observability/export-spans.ts");
    const { startSpan } = await import("../../src/observability/spans.ts");
    const before = await spanCount("dropped");
    const exporting = exportSpans({
      url: `${collector.url}/v1/traces`,
      resource: {},
      report: () => undefined,
    });

    for (let i = 0; i < 5000; i++) startSpan(`span ${i}`).end();

    expect(await spanCount("dropped")).toBe(before + 5000 - 4096);
    await exporting.close();
  }, 20_000);

  it("are no more once a service has closed", async () => {
    const service = await startTestService(env());
    await service.close();
    const { tracing } = await import("../../src/observability/spans.ts");
    const seen = collector.spans.length;

    const next = await startTestService();
    await postEvent(next.url, executeEvent());
    await next.close();

    expect(tracing.isOn).toBe(false);
    expect(collector.spans).toHaveLength(seen);
  });

  it("come with the cost of a run, where each of its models has a price", async () => {
    const file = join(folder, "prices.json");
    await writeFile(file, JSON.stringify({ "openai/gpt-x": { input: 1, output: 10, cached: 0.5 } }));
    model.reply([{ content: "a", usage: { input_tokens: 100, output_tokens: 7, cached_tokens: 40 } }]);
    const service = await startTestService({ ...env(), MODEL_PRICES: file });

    const priced = await postEvent(service.url, executeEvent(asking()));
    const unknown = await postEvent(
      service.url,
      executeEvent({ agent_definition: scripted("b") }, randomUUID()),
    );
    await service.close();

    expect(priced.json()).toMatchObject({ usage: { cost_usd: (60 * 1 + 40 * 0.5 + 7 * 10) / 1e6 } });
    expect((unknown.json() as { usage: object }).usage).not.toHaveProperty("cost_usd");
  });

  it.each([
    ["[]", "must be a JSON object"],
    ["nonsense", "is not JSON"],
    ['{"gpt": {"input": 1, "output": 1}}', "no provider/model"],
    ['{"openai/gpt": {"input": 1}}', "needs the numbers"],
    ['{"openai/gpt": {"input": -1, "output": 1}}', "needs the numbers"],
  ])("refuse a start with the price table %s", async (table, why) => {
    const file = join(folder, "prices.json");
    await writeFile(file, table);

    await expect(startTestService({ MODEL_PRICES: file })).rejects.toThrow(why);
  });
});
