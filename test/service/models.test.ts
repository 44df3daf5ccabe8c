import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { get, postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { sharedModelServer } from "../support/shared.ts";

describe("a run and its models", () => {
  const server = sharedModelServer();
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      OPENAI_API_KEY: "sk-open-123456789",
      OPENAI_BASE_URL: server.openaiUrl,
      ANTHROPIC_API_KEY: "sk-anth-123456789",
      ANTHROPIC_BASE_URL: server.url,
      MODEL_MAX_CONCURRENT: "3",
    });
  });
  afterAll(() => service.close());

  const anthropic = { provider: "anthropic", model: "second" };
  const agentWith = (model: object) => ({ nodes: [{ type: "agent", name: "main", model }] });
  const chain = agentWith({ provider: "openai", model: "first", fallbacks: [anthropic] });

  it("count what the fallback used, once, and show it in the metrics", async () => {
    const usage = { input_tokens: 70, output_tokens: 7, cached_tokens: 50 };
    server.reply(({ json }) =>
      json["model"] === "first" ? { status: 401 } : { content: "From the second.", usage },
    );
    const before = (await get(`${service.url}/metrics`)).text;

    const reply = await postEvent(service.url, executeEvent({ agent_definition: chain, input: "Hi" }));

    expect(reply.json()).toMatchObject({
      result: { output: "From the second." },
      usage: { input_tokens: 70, output_tokens: 7, total_tokens: 77, model_calls: 1 },
    });
    expect(before).not.toContain('agent_executor_llm_fallbacks_total{provider="openai"}');
    const metrics = (await get(`${service.url}/metrics`)).text;
    for (const line of [
      'agent_executor_llm_requests_total{provider="openai",outcome="refused"} 1',
      'agent_executor_llm_requests_total{provider="anthropic",outcome="ok"} 1',
      'agent_executor_llm_tokens_total{provider="anthropic",direction="input"} 70',
      'agent_executor_llm_tokens_total{provider="anthropic",direction="output"} 7',
      'agent_executor_llm_tokens_total{provider="anthropic",direction="cached"} 50',
      'agent_executor_llm_fallbacks_total{provider="openai"} 1',
      'agent_executor_llm_wait_seconds_count{provider="anthropic"} 1',
    ]) {
      expect(metrics).toContain(`${line}\n`);
    }
  });

  it("never have more requests under way than the operator allows", async () => {
    server.reply([{ content: "Hi.", delay_ms: 300 }]);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        postEvent(service.url, executeEvent({ agent_definition: agentWith(anthropic), input: `${i}` })),
      ),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(server.mostAtOnce).toBe(3);
  });

  it("hit the run's limit of seconds also while they wait for a place", async () => {
    server.reply([{ hang: true }]);
    const run = (seconds: number) =>
      postEvent(
        service.url,
        executeEvent({ agent_definition: agentWith(anthropic), input: "Hi", limits: { seconds } }),
      );
    const three = [run(4), run(4), run(4)];
    await vi.waitUntil(() => server.requests.length === 3, { timeout: 4000 });

    expect((await run(0.5)).json()).toMatchObject({ error: { code: "limit_exceeded" } });
    expect(server.requests).toHaveLength(3); // the fourth was never sent
    for (const reply of await Promise.all(three)) {
      expect(reply.json()).toMatchObject({ error: { code: "limit_exceeded" } });
    }

    server.reply(["Fine."]);
    const event = executeEvent({ agent_definition: agentWith(anthropic), input: "Hi" });
    expect((await postEvent(service.url, event)).json()).toMatchObject({ result: { output: "Fine." } });
  });

  it("name the package that a provider would need", async () => {
    const agent_definition = agentWith({ provider: "groq", model: "m" });
    const reply = await postEvent(service.url, executeEvent({ agent_definition, input: "Hi" }));
    expect(reply.json()).toMatchObject({
      error: { code: "unknown_provider", path: "/nodes/0/model/provider", retryable: false },
    });
    expect(reply.text).toContain("npm install @langchain/groq");
  });
});
