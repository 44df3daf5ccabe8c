import { beforeEach, describe, expect, it, vi } from "vitest";
import type { ModelSettings } from "../../src/agents/endpoints.ts";
import { modelMetrics, registry } from "../../src/observability/metrics.ts";
import { sharedModelServer } from "../support/shared.ts";
import { agentsWith, nodeWith, providersAt, runOnce, STREAMED } from "./support.ts";

const server = sharedModelServer();
beforeEach(() => registry.resetMetrics());

const agents = (changes: Partial<ModelSettings> = {}) =>
  agentsWith({
    providers: providersAt(server),
    watch: modelMetrics,
    maxRetries: 2,
    silenceSeconds: 1,
    ...changes,
  });

async function figures(): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => /^agent_executor_llm_(requests|tokens|retries)/.test(line));
}

describe.each(["openai", "anthropic"])("what is asked of %s is counted", (provider) => {
  it.each([
    ["in one piece", {}],
    ["as a stream", STREAMED],
  ])("%s: tokens, cached ones among them, once for all tries", async (_, config) => {
    server.reply([
      { status: 503 },
      { content: "One two.", usage: { input_tokens: 70, output_tokens: 7, cached_tokens: 50 } },
    ]);
    const agent = await agents().compile(nodeWith({ provider, model: "m" }));
    const state = (await agent.graph.invoke(agent.toInput("Hi"), config)) as {
      messages: { usage_metadata?: object }[];
    };
    expect(state.messages.at(-1)?.usage_metadata).toMatchObject({
      input_tokens: 70,
      output_tokens: 7,
      total_tokens: 77,
      input_token_details: { cache_read: 50 },
    });
    expect(await figures()).toEqual([
      `agent_executor_llm_requests_total{provider="${provider}",outcome="unavailable"} 1`,
      `agent_executor_llm_requests_total{provider="${provider}",outcome="ok"} 1`,
      `agent_executor_llm_tokens_total{provider="${provider}",direction="input"} 70`,
      `agent_executor_llm_tokens_total{provider="${provider}",direction="output"} 7`,
      `agent_executor_llm_tokens_total{provider="${provider}",direction="cached"} 50`,
      `agent_executor_llm_retries_total{provider="${provider}"} 1`,
    ]);
  });

  it.each([
    ["refused", { status: 400 }, {}],
    ["unavailable", { content: "a b c d", midway: "cut" }, STREAMED],
    ["unavailable", { hang: true }, {}],
  ] as const)("as %s", async (outcome, reply, config) => {
    server.reply([reply]);
    const agent = await agents({ maxRetries: 0 }).compile(nodeWith({ provider, model: "m" }));
    await runOnce(agent, "Hi", config).catch(() => undefined);
    expect(await figures()).toEqual([
      `agent_executor_llm_requests_total{provider="${provider}",outcome="${outcome}"} 1`,
    ]);
  });

  it("as aborted", async () => {
    server.reply([{ hang: true }]);
    const agent = await agents().compile(nodeWith({ provider, model: "m" }));
    const abort = new AbortController();
    const running = runOnce(agent, "Hi", { signal: abort.signal }).catch(() => undefined);
    await vi.waitUntil(() => server.requests.length === 1);
    abort.abort();
    await running;
    await vi.waitUntil(async () => (await figures()).length > 0);
    expect(await figures()).toEqual([
      `agent_executor_llm_requests_total{provider="${provider}",outcome="aborted"} 1`,
    ]);
  });

  it("is not mixed up between runs of one graph, nor are keys that rotate under load", async () => {
    const keyOf = ({ headers }: (typeof server.requests)[number]) =>
      String(headers["x-api-key"] ?? headers.authorization).replace("Bearer ", "");
    server.reply(({ body }) => ({ content: /run [ab]\d+;/.exec(body)?.[0] ?? "", delay_ms: 2 }));
    let calls = 0;
    const compiled = (who: string) => {
      const rotating = () => providersAt(server, `sk-${who}-${Math.floor(calls++ / 7) % 2}`);
      const settings = () => ({ providers: rotating(), allowedBaseUrls: [], offlineModels: false });
      return agentsWith({}, { settings }).compile(nodeWith({ provider, model: "m" }));
    };
    const [a, b] = await Promise.all([compiled("a"), compiled("b")]);

    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const said = `run ${i % 2 ? "b" : "a"}${i};`;
        const result = await runOnce(i % 2 ? b : a, said, i % 4 < 2 ? STREAMED : {});
        expect(result.output).toBe(said);
      }),
    );

    expect(server.requests).toHaveLength(100);
    for (const request of server.requests) {
      const [, who] = /run ([ab])/.exec(request.body) ?? [];
      expect(keyOf(request)).toMatch(new RegExp(`^sk-${who}-[01]$`));
    }
    expect(new Set(server.requests.map(keyOf)).size).toBe(4);
  });
});

it("no name that a sender or an operator chose becomes a label", async () => {
  modelMetrics.called("https://evil.test", "ok");
  modelMetrics.retried("constructor");
  expect(await figures()).toEqual([
    'agent_executor_llm_requests_total{provider="other",outcome="ok"} 1',
    'agent_executor_llm_retries_total{provider="other"} 1',
  ]);
});
