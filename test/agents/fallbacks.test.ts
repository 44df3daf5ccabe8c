import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import type { ModelSettings } from "../../src/agents/endpoints.ts";
import { describeModelError } from "../../src/agents/model-errors.ts";
import { createModel } from "../../src/agents/models.ts";
import type { ModelReply } from "../support/model-server.ts";
import { sharedModelServer } from "../support/shared.ts";
import { agentsWith, errorOf, modelOf, nodeWith, runOnce, settingsWith } from "./support.ts";

const server = sharedModelServer();

const watch = { called: vi.fn(), retried: vi.fn(), waited: vi.fn(), fellBack: vi.fn(), used: vi.fn() };

function settings(changes: Partial<ModelSettings> = {}): ModelSettings {
  const openai = { apiKey: "sk-open", baseUrl: server.openaiUrl };
  const anthropic = { apiKey: "sk-anth", baseUrl: server.url };
  return settingsWith({ providers: { openai, anthropic }, maxRetries: 0, silenceSeconds: 0.3, ...changes });
}

/** What each model says, by its name; others greet. */
function replies(by: Record<string, ModelReply | ModelReply[]>): void {
  const asked: Record<string, number> = {};
  server.reply(({ json }) => {
    const name = String(json["model"]);
    const reply = by[name] ?? `Hello from ${name}.`;
    asked[name] = (asked[name] ?? 0) + 1;
    return Array.isArray(reply) ? (reply[asked[name] - 1] ?? reply.at(-1) ?? "") : reply;
  });
}

const first = { provider: "openai", model: "first", temperature: 0.1 };
const second = { provider: "anthropic", model: "second", temperature: 0.9, max_tokens: 77 };
const chain = { ...first, fallbacks: [second, { provider: "openai", model: "third" }] };
const models = () => server.requests.map(({ json }) => json["model"]);

const usage = () => {
  const counted = { calls: 0, input: 0, output: 0 };
  const handleLLMEnd = (result: {
    generations: { message: { usage_metadata: { input_tokens: number; output_tokens: number } } }[][];
  }) => {
    counted.calls++;
    const { input_tokens, output_tokens } = result.generations[0]?.[0]?.message.usage_metadata ?? {};
    counted.input += input_tokens ?? Number.NaN;
    counted.output += output_tokens ?? Number.NaN;
  };
  return { counted, handler: { awaitHandlers: true, handleLLMEnd } };
};

describe.each(["invoked", "streamed"])("a model with fallbacks, %s", (how) => {
  const streaming = { lc_prefer_streaming: true, handleLLMNewToken: () => undefined };
  const config = how === "streamed" ? { callbacks: [streaming] } : {};
  const run = async (model: object = chain, changes: Partial<ModelSettings> = {}) =>
    await runOnce(await agentsWith(settings(changes)).compile(nodeWith(model)), "Hi", config);

  it("is the first one as long as that answers", async () => {
    replies({});
    expect((await run()).output).toBe("Hello from first.");
    expect(models()).toEqual(["first"]);
  });

  it.each<[string, ModelReply]>([
    ["is overloaded", { status: 529 }],
    ["fails", { status: 500 }],
    ["limits us for long", { status: 429, headers: { "retry-after": "60" } }],
    ["does not know our key", { status: 401 }],
    ["does not let us in", { status: 403 }],
    ["is not there", { status: 404 }],
    ["finds the request too large", { status: 413 }],
    ["finds the input too long", { status: 400, message: "prompt is too long: 9 tokens > 8 maximum" }],
    [
      "finds the context too long",
      { status: 400, message: "This model's maximum context length is 8 tokens." },
    ],
    ["is silent", { hang: true }],
    ["is a page for people", { raw: { type: "text/html", body: "<p>" } }],
    ["sends garbage", { raw: { type: "application/json", body: "{{{" } }],
  ])("goes on to the next one when the first %s", async (_, reply) => {
    replies({ first: reply });
    expect((await run()).output).toBe("Hello from second.");
    expect(models()).toEqual(["first", "second"]);
    expect(server.requests[0]?.json).toMatchObject({ temperature: 0.1 });
    expect(server.requests[1]?.json).toMatchObject({ temperature: 0.9, max_tokens: 77 });
    expect(server.requests[1]?.headers).toMatchObject({ "x-api-key": "sk-anth" });
    expect(JSON.stringify(server.requests[1])).not.toContain("sk-open");
  });

  it.each([400, 422])(
    "does not offer a request that is wrong in itself (%i) to the others",
    async (status) => {
      replies({ first: { status, message: "messages: wrong role" } });
      const thrown = await run().catch((error: unknown) => error);
      expect(describeModelError(thrown)).toMatchObject({ code: "model_refused" });
      expect(models()).toEqual(["first"]);
    },
  );

  it("tries each as often as it may be tried, before it goes on", async () => {
    replies({ first: { status: 503 }, second: [{ status: 503 }, "At last."] });
    expect((await run(chain, { maxRetries: 1 })).output).toBe("At last.");
    expect(models()).toEqual(["first", "first", "second", "second"]);
  });

  it("fails with what may pass when one of them may, so that the run comes back", async () => {
    replies({ first: { status: 401 }, second: { status: 503 }, third: { status: 404 } });
    const thrown = await run().catch((error: unknown) => error);
    expect(describeModelError(thrown)).toMatchObject({ code: "model_unavailable", retryable: true });
    expect(models()).toEqual(["first", "second", "third"]);
  });

  it("fails with what the first one said when none may pass", async () => {
    replies({ first: { status: 401, message: "No." }, second: { status: 403 }, third: { status: 404 } });
    const thrown = await run().catch((error: unknown) => error);
    expect(describeModelError(thrown)?.message).toBe("the model provider answered 401: No.");
  });

  it("counts the tokens of the one that answered, once", async () => {
    const { counted, handler } = usage();
    replies({
      first: { status: 500 },
      second: { content: "Hi there.", usage: { input_tokens: 70, output_tokens: 7 } },
    });
    watch.used.mockClear();
    watch.fellBack.mockClear();
    const agent = await agentsWith(settings({ watch })).compile(nodeWith(chain));
    await runOnce(agent, "Hi", { callbacks: [handler, ...(how === "streamed" ? [streaming] : [])] });
    expect(counted).toEqual({ calls: 1, input: 70, output: 7 });
    expect(watch.used.mock.calls).toEqual([["anthropic", { input: 70, output: 7, cached: 0 }]]);
    expect(watch.fellBack.mock.calls).toEqual([["openai"]]);
  });

  it.each(["agent", "orchestrator"])("has the tools on each of them, as %s", async (type) => {
    const call = { tool_calls: [{ name: "look", args: { word: "x" } }] };
    replies({ first: [call, { status: 503 }], second: "Seen." });
    const tool = {
      name: "look",
      input_schema: { type: "object", properties: { word: { type: "string" } } },
      runtime: { type: "http", method: "GET", url: `${server.url}/nothing` },
    };
    const egress = { allow: readEgressAllow(["127.0.0.1"]) };
    const agent = await agentsWith(settings(), { egress }).compile({
      ...nodeWith(chain, { type, tools: ["look"] }),
      tool_definitions: [tool],
    });
    expect((await runOnce(agent, "Hi", config)).output).toBe("Seen.");
    const asked = server.requests.filter(({ json }) => json["model"] !== undefined);
    expect(asked.map(({ json }) => json["model"])).toEqual(["first", "first", "second"]);
    for (const { json } of asked) expect(JSON.stringify(json["tools"])).toContain('"look"');
  });

  it("is not asked any more once the run is cancelled", async () => {
    replies({ first: { hang: true } });
    const abort = new AbortController();
    const agent = await agentsWith(settings({ silenceSeconds: 60 })).compile(nodeWith(chain));
    const running = runOnce(agent, "Hi", { ...config, signal: abort.signal }).catch(() => "cancelled");
    await vi.waitUntil(() => server.requests.length === 1);
    abort.abort();
    expect(await running).toBe("cancelled");
    expect(models()).toEqual(["first"]);
  });
});

it.each(["cut", "end", "error", "hang"] as const)(
  "a stream that breaks off (%s) is answered anew by the next model",
  async (midway) => {
    replies({ first: { content: "One two three four.", midway } });
    const agent = await agentsWith(settings()).compile(nodeWith(chain));
    const texts: Record<string, string> = {};
    for await (const part of await agent.graph.stream(agent.toInput("Hi"), { streamMode: ["messages"] })) {
      const [, [message]] = part as [string, [{ id: string; text: string }]];
      texts[message.id] = (texts[message.id] ?? "") + message.text;
    }
    // What was streamed of the first stays a message of its own; the reader sees another one begin.
    expect(Object.values(texts).at(-1)).toBe("Hello from second.");
    expect(Object.keys(texts).length).toBe(2);
  },
);

it("gives structured output by each model's own way", async () => {
  const definition = modelOf(nodeWith(chain));
  const answer = { tool_calls: [{ name: "verdict", args: { good: true } }] };
  replies({ first: { status: 503 }, second: answer });
  const model = await createModel(definition, settings);
  const schema = z.object({ good: z.boolean() });
  const shaped = model.withStructuredOutput(schema, { name: "verdict", method: "functionCalling" });
  expect(await shaped.invoke("Is it?")).toEqual({ good: true });
  expect(models()).toEqual(["first", "second"]);
  expect(JSON.stringify(server.requests[1]?.json["tools"])).toContain("good");
});

it("gives an agent its structured answer", async () => {
  const { createAgent, toolStrategy } = await import("langchain");
  const definition = modelOf(nodeWith(chain));
  const schema = z.object({ good: z.boolean() });
  server.reply(({ json }) => {
    if (json["model"] === "first") return { status: 429, headers: { "retry-after": "60" } };
    const [tool] = json["tools"] as [{ name: string }];
    return { tool_calls: [{ name: tool.name, args: { good: true } }] };
  });
  const model = await createModel(definition, settings);
  const agent = createAgent({ model, tools: [], responseFormat: toolStrategy(schema) });
  const state = await agent.invoke({ messages: "Is it?" });
  expect(state.structuredResponse).toEqual({ good: true });
});

it("works with models that need no network", async () => {
  const model = {
    provider: "scripted",
    responses: [{ error: { status: 404, message: "gone" } }],
    fallbacks: [{ provider: "scripted", responses: [{ error: { status: 503 } }] }, { provider: "echo" }],
  };
  const agent = await agentsWith(settings()).compile(nodeWith(model));
  expect((await runOnce(agent, "Hi there")).output).toBe("Hi there");
});

describe("fallbacks that cannot be", () => {
  it.each<[string, object, object]>([
    [
      "of an unknown provider",
      { provider: "opnai", model: "x" },
      { code: "unknown_provider", path: "/provider" },
    ],
    [
      "with fallbacks of their own",
      { ...second, fallbacks: [first] },
      { code: "invalid_definition", path: "" },
    ],
    ["without a name", { provider: "openai" }, { code: "invalid_definition", path: "" }],
    [
      "at an address that is not allowed",
      { ...first, base_url: "http://evil.test/v1" },
      { code: "base_url_not_allowed", path: "/base_url" },
    ],
  ])(
    "%s are refused at their place",
    async (_, fallback, { code, path }: { code?: string; path?: string }) => {
      const agents = agentsWith(settings());
      const error = await errorOf(() =>
        agents.compile(nodeWith({ ...first, fallbacks: [second, fallback] })),
      );
      expect(error.code).toBe(code);
      expect(error.path).toContain(`/nodes/0/model/fallbacks/1${path}`);
    },
  );

  it("offline in production are refused", async () => {
    const agents = agentsWith(settings({ offlineModels: false }));
    const error = await errorOf(() =>
      agents.compile(nodeWith({ ...first, fallbacks: [{ provider: "echo" }] })),
    );
    expect(error).toMatchObject({
      code: "offline_model_refused",
      path: "/nodes/0/model/fallbacks/0/provider",
    });
  });

  it("without a key are missed before the run begins", async () => {
    const agents = agentsWith({ providers: { openai: { apiKey: "k" }, anthropic: {} } });
    const error = await errorOf(() => agents.compile(nodeWith(chain)));
    expect(error.code).toBe("missing_credentials");
  });
});
