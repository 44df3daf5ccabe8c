import { describe, expect, it } from "vitest";
import type { ModelSettings } from "../../src/agents/endpoints.ts";
import { describeModelError } from "../../src/agents/model-errors.ts";
import { sharedModelServer } from "../support/shared.ts";
import { agentsWith, nodeWith, providersAt, runOnce, STREAMED, settingsWith } from "./support.ts";

const KEY = "sk-real-0123456789";
const server = sharedModelServer({ apiKey: KEY });

/** Both providers at the one server, patient enough for a test. */
function settings(changes: Partial<ModelSettings> = {}): ModelSettings {
  return settingsWith({ providers: providersAt(server, KEY), maxRetries: 1, silenceSeconds: 5, ...changes });
}

async function agentOf(provider: string, node: object = {}, changes: Partial<ModelSettings> = {}) {
  const model = { provider, model_name: "m-1", temperature: 0.5, max_tokens: 99 };
  return await agentsWith(settings(changes)).compile(
    nodeWith(model, { system_prompt: "Be brief.", ...node }),
  );
}

/** What the error of one turn is to us. */
async function failureOf(provider: string, changes: Partial<ModelSettings> = {}, config: object = {}) {
  const agent = await agentOf(provider, {}, changes);
  const thrown: unknown = await runOnce(agent, "Hi", config).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(Error);
  return describeModelError(thrown);
}

describe.each(["openai", "anthropic"])("an agent whose model is of %s", (provider) => {
  it("answers", async () => {
    server.reply(["One two three."]);
    expect(await runOnce(await agentOf(provider), "Hi")).toEqual({
      output: "One two three.",
      status: "completed",
    });
  });

  it("sends prompt, temperature and most tokens, and no header that it was not told of", async () => {
    await runOnce(await agentOf(provider), "Hi");
    const [request] = server.requests;
    expect(request?.json).toMatchObject({ model: "m-1", temperature: 0.5, max_tokens: 99 });
    expect(request?.body).toContain("Be brief.");
    const ours = ["accept", "authorization", "x-api-key", "anthropic-version", "content-type", "user-agent"];
    const ofFetch = [
      "host",
      "connection",
      "accept-language",
      "sec-fetch-mode",
      "accept-encoding",
      "content-length",
    ];
    const others = Object.keys(request?.headers ?? {}).filter(
      (name) => ![...ours, ...ofFetch].includes(name),
    );
    expect(others).toEqual([]);
    expect(request?.headers["user-agent"]).toBe("agent-executor");
  });

  it("streams its tokens and counts what they cost", async () => {
    server.reply([{ content: "One two three.", usage: { input_tokens: 70, output_tokens: 7 } }]);
    const agent = await agentOf(provider);
    const seen = { text: "", tokens: 0 };
    const config = { streamMode: ["messages", "values"] as ("messages" | "values")[] };
    for await (const part of await agent.graph.stream(agent.toInput("Hi"), config)) {
      const [mode, data] = part as [string, [{ text: string }] & { messages: { usage_metadata?: object }[] }];
      if (mode === "messages" && data[0].text !== "") {
        seen.text += data[0].text;
        seen.tokens++;
      } else if (mode === "values") Object.assign(seen, { usage: data.messages.at(-1)?.usage_metadata });
    }
    expect(seen).toMatchObject({ text: "One two three.", tokens: 3 });
    expect(seen).toMatchObject({ usage: { input_tokens: 70, output_tokens: 7 } });
  });

  it("plans, writes files and delegates as a deep agent", async () => {
    server.reply([
      {
        content: "Let me see.",
        tool_calls: [
          { name: "write_todos", args: { todos: [{ content: "look", status: "pending" }] } },
          { name: "write_file", args: { file_path: "/a.txt", content: "hi" } },
        ],
      },
      { tool_calls: [{ name: "task", args: { description: "Look.", subagent_type: "general-purpose" } }] },
      "I looked.",
      "All done.",
    ]);
    const result = await runOnce(await agentOf(provider, { type: "orchestrator" }), "Hi");
    expect(result).toMatchObject({ output: "All done.", todos: [{ content: "look" }] });
    expect(result.files).toMatchObject({ "/a.txt": { content: "hi" } });
    expect(server.requests).toHaveLength(4);
  });

  it("may have any name", async () => {
    const agent = await agentOf(provider, { name: 'Main <Agent> "1"' });
    const history = { messages: [{ role: "user", content: "a" }] };
    const { messages } = await agent.graph.invoke(agent.toInput(history), {});
    await agent.graph.invoke({ messages: [...(messages as []), { role: "user", content: "b" }] }, {});
    expect(server.requests).toHaveLength(2); // the second carries the name of the first answer
  });

  it("waits until the date that it is told", async () => {
    const date = new Date(Date.now() + 2000).toUTCString(); // of whole seconds: 1 to 2 s from now
    server.reply([{ status: 429, headers: { "retry-after": date } }, "At last."]);
    const agent = await agentOf(provider);
    const started = performance.now();
    expect((await runOnce(agent, "Hi")).output).toBe("At last.");
    expect(performance.now() - started).toBeGreaterThan(700);
  });

  it("tries again what may pass, and waits as it is told", async () => {
    server.reply([{ status: 503 }, { status: 429, headers: { "retry-after": "0" } }, "At last."]);
    const result = await runOnce(await agentOf(provider, {}, { maxRetries: 2 }), "Hi");
    expect(result.output).toBe("At last.");
    expect(server.requests).toHaveLength(3);
  });
});

describe.each(["openai", "anthropic"])("a failure of %s", (provider) => {
  it.each([400, 401, 403, 404, 413, 422])(
    "with status %i is a refusal, and not tried again",
    async (status) => {
      server.reply([{ status, message: "No such thing." }]);
      const error = await failureOf(provider);
      expect(error).toMatchObject({
        code: "model_refused",
        message: `the model provider answered ${status}: No such thing.`,
      });
      expect(server.requests).toHaveLength(1);
    },
  );

  it.each([408, 409, 429, 500, 503, 529])(
    "with status %i may pass, also when trying again did not help",
    async (status) => {
      server.reply([{ status, message: "Overloaded." }]);
      expect(await failureOf(provider)).toMatchObject({ code: "model_unavailable", retryable: true });
      expect(server.requests).toHaveLength(2);
    },
  );

  it("says when to come again, and does not sit out a long wait", async () => {
    server.reply([{ status: 429, headers: { "retry-after": "37" } }]);
    expect(await failureOf(provider)).toMatchObject({ code: "model_unavailable", retryAfterSeconds: 37 });
    expect(server.requests).toHaveLength(1);
  });

  it("does not tell the key, even if the server does", async () => {
    server.reply([{ status: 403, message: `Key ${KEY} of Bearer abcdef and sk-proj-123abc may not.` }]);
    expect((await failureOf(provider))?.message).toBe(
      "the model provider answered 403: Key [redacted] of [redacted] and [redacted] may not.",
    );
  });

  it("of a wrong key is a refusal that does not tell it", async () => {
    const wrong = { apiKey: "wrong-key", baseUrl: provider === "openai" ? server.openaiUrl : server.url };
    const error = await failureOf(provider, { providers: { openai: wrong, anthropic: wrong } });
    expect(error?.message).toBe("the model provider answered 401: Incorrect API key provided: [redacted].");
  });

  it("that says more than a sentence is cut", async () => {
    server.reply([{ status: 400, message: "no ".repeat(100_000) }]);
    expect((await failureOf(provider))?.message.length).toBeLessThan(600);
  });

  it.each([
    ["silence before the answer", { hang: true }, "was silent for 0.2 s"],
    ["an error event", { content: "a b c d", midway: "error" }, "Overloaded"],
    ["a cut connection", { content: "a b c d", midway: "cut" }, "could not be reached (UND_ERR_SOCKET)"],
  ] as const)("that is %s may pass", async (_, reply, words) => {
    server.reply([reply]);
    const error = await failureOf(provider, { silenceSeconds: 0.2, maxRetries: 0 }, STREAMED);
    expect(error).toMatchObject({ code: "model_unavailable" });
    expect(error?.message).toContain(words);
  });

  it.each(["hang", "cut", "end", "error"] as const)(
    "in the middle of a stream (%s) is no short answer",
    async (midway) => {
      server.reply([{ content: "One two three four.", midway }]);
      const error = await failureOf(provider, { silenceSeconds: 0.2, maxRetries: 0 }, STREAMED);
      expect(error).toMatchObject({ code: "model_unavailable" });
    },
  );

  it.each([
    ["an answer", "application/json", '{"choices": [}', {}, "an answer that is no JSON"],
    [
      "an event",
      "text/event-stream",
      'data: {"choices": [}\n\ndata: [DONE]\n\n',
      STREAMED,
      "an event that is no JSON",
    ],
  ] as const)("that is %s of garbage may pass", async (_, type, body, config, words) => {
    server.reply([{ raw: { type, body } }]);
    const error = await failureOf(provider, { maxRetries: 0 }, config);
    expect(error).toMatchObject({ code: "model_unavailable" });
    expect(error?.message).toContain(words);
  });

  it("that is silence is not waited for a second time", async () => {
    server.reply([{ hang: true }]);
    expect(await failureOf(provider, { silenceSeconds: 0.3, maxRetries: 2 })).toMatchObject({
      code: "model_unavailable",
    });
    expect(server.requests).toHaveLength(1);
  });

  it("in the middle of an answer in one piece is made up for by another try", async () => {
    server.reply([{ raw: { type: "application/json", body: '{"half":' } }, "Whole."]);
    expect((await runOnce(await agentOf(provider), "Hi")).output).toBe("Whole.");
  });

  it("of the network may pass", async () => {
    const nobody = { apiKey: KEY, baseUrl: "http://127.0.0.1:9" };
    const error = await failureOf(provider, {
      providers: { openai: nobody, anthropic: nobody },
      maxRetries: 0,
    });
    expect(error).toMatchObject({ code: "model_unavailable" });
    expect(error?.message).toMatch(/^the model's server at http:\/\/127.0.0.1:9 /);
  });

  it("that is a page for people is a refusal", async () => {
    server.reply([{ raw: { type: "text/html", body: "<h1>Welcome</h1>" } }]);
    const error = await failureOf(provider);
    expect(error).toMatchObject({ code: "model_refused" });
    expect(error?.message).toContain("answered with text/html: is base_url right?");
  });

  it("that is ours to cancel ends at once and is not described", async () => {
    server.reply([{ hang: true }]);
    const started = performance.now();
    expect(await failureOf(provider, {}, { signal: AbortSignal.timeout(100) })).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
