import type { IncomingHttpHeaders } from "node:http";

export type Json = Record<string, unknown>;
export type ToolCall = { name: string; args?: Json };
type Answer = { content: string; tool_calls: ToolCall[]; model: string };
/** Cached tokens are part of the input. */
type Usage = { input: number; output: number; cached: number };

/** How one provider speaks. */
export type Dialect = {
  keyOf(headers: IncomingHttpHeaders): string | undefined;
  /** What the real one refuses a request for, or undefined. */
  refuse(request: { headers: IncomingHttpHeaders; json: Json }): string | undefined;
  whole(answer: Answer, usage: Usage): Json;
  /** The events of a stream, each `[event name, data]`. */
  stream(answer: Answer, usage: Usage, request: Json): [string | undefined, unknown][];
  error(status: number, message: string): Json;
};

/** Real ids are never used twice, and clients rely on it. */
let idCount = 0;

const words = (content: string): string[] => content.match(/\s*\S+|\s+/g) ?? [];

export const openai: Dialect = {
  keyOf: ({ authorization }) => /^Bearer (.+)$/.exec(authorization ?? "")?.[1],
  refuse({ json: { model, messages } }) {
    if (typeof model !== "string" || model === "") return "you must provide a model parameter";
    if (!Array.isArray(messages) || messages.length === 0) return "[] is too short - 'messages'";
    const badName = messages.findIndex(
      (each) => each.name !== undefined && !/^[^\s<|\\/>]+$/.test(each.name),
    );
    if (badName >= 0) return `Invalid 'messages[${badName}].name': string does not match pattern.`;
    return unansweredCalls(messages)
      ? "An assistant message with 'tool_calls' must be followed by tool messages"
      : undefined;
  },
  whole({ content, tool_calls, model }, usage) {
    const calls = tool_calls.map((call) => openaiCall(call));
    const message = {
      role: "assistant",
      content: content || null,
      refusal: null,
      ...(calls.length ? { tool_calls: calls } : {}),
    };
    const finish_reason = calls.length ? "tool_calls" : "stop";
    const choices = [{ index: 0, message, logprobs: null, finish_reason }];
    return {
      id: `chatcmpl-${++idCount}`,
      object: "chat.completion",
      created: 1,
      model,
      choices,
      usage: openaiUsage(usage),
    };
  },
  stream({ content, tool_calls, model }, usage, request) {
    const head = { id: `chatcmpl-${++idCount}`, object: "chat.completion.chunk", created: 1, model };
    const chunk = (delta: Json, finish_reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      usage: null,
    });
    const calls = tool_calls.map((call, index) => ({ index, ...openaiCall(call) }));
    const events: unknown[] = [
      chunk({ role: "assistant", content: "" }),
      ...words(content).map((word) => chunk({ content: word })),
      ...calls.flatMap(({ index, id, type, function: { name, arguments: args } }) => [
        chunk({ tool_calls: [{ index, id, type, function: { name, arguments: "" } }] }),
        ...(args.match(/.{1,8}/gs) ?? []).map((part) =>
          chunk({ tool_calls: [{ index, function: { arguments: part } }] }),
        ),
      ]),
      chunk({}, calls.length ? "tool_calls" : "stop"),
    ];
    const { include_usage } = (request["stream_options"] ?? {}) as Json;
    if (include_usage) events.push({ ...head, choices: [], usage: openaiUsage(usage) });
    return [...events, "[DONE]"].map((data) => [undefined, data]);
  },
  error(status, message) {
    const code =
      { 401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded" }[status] ?? null;
    return {
      error: { message, type: status >= 500 ? "server_error" : "invalid_request_error", param: null, code },
    };
  },
};

function openaiCall({ name, args = {} }: ToolCall) {
  return { id: `call_${++idCount}`, type: "function", function: { name, arguments: JSON.stringify(args) } };
}

function openaiUsage({ input, output, cached }: Usage): Json {
  const prompt_tokens_details = { cached_tokens: cached, audio_tokens: 0 };
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details,
  };
}

function unansweredCalls(messages: Json[]): boolean {
  return messages.some(
    (each, i) => Array.isArray(each["tool_calls"]) && messages[i + 1]?.["role"] !== "tool",
  );
}

const ERROR_TYPES: Record<number, string> = {
  ...{
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
  },
  ...{ 413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error" },
};

const anthropic: Dialect = {
  keyOf: ({ "x-api-key": key }) => key?.toString(),
  refuse({ headers, json: { model, messages, max_tokens } }) {
    if (headers["anthropic-version"] === undefined) return "anthropic-version: header is required";
    if (typeof model !== "string" || model === "") return "model: Field required";
    if (typeof max_tokens !== "number") return "max_tokens: Field required";
    if (!Array.isArray(messages) || messages.length === 0)
      return "messages: at least one message is required";
    const strange = messages.findIndex(({ role }) => role !== "user" && role !== "assistant");
    return strange < 0 ? undefined : `messages.${strange}.role: Input should be 'user' or 'assistant'`;
  },
  whole: ({ content, tool_calls, model }, { input, output, cached }) => ({
    ...{ id: `msg_${++idCount}`, type: "message", role: "assistant", model, stop_sequence: null },
    content: [...(content ? [{ type: "text", text: content }] : []), ...tool_calls.map(toolUse)],
    stop_reason: tool_calls.length ? "tool_use" : "end_turn",
    usage: {
      input_tokens: input - cached, // those of the cache are counted apart
      output_tokens: output,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: cached,
    },
  }),
  stream(answer, usage) {
    const { content: _none, stop_reason, ...message } = anthropic.whole(answer, { ...usage, output: 1 });
    const blocks: [Json, Json[]][] = answer.tool_calls.map((call) => [
      { ...toolUse(call), input: {} },
      [{ type: "input_json_delta", partial_json: JSON.stringify(call.args ?? {}) }],
    ]);
    const texts = words(answer.content).map((word) => ({ type: "text_delta", text: word }));
    if (answer.content) blocks.unshift([{ type: "text", text: "" }, texts]);
    const events: Json[] = [
      { type: "message_start", message: { ...message, content: [], stop_reason: null } },
      ...blocks.flatMap(([content_block, deltas], index) => [
        { type: "content_block_start", index, content_block },
        ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
        { type: "content_block_stop", index },
      ]),
      {
        type: "message_delta",
        delta: { stop_reason, stop_sequence: null },
        usage: { output_tokens: usage.output },
      },
      { type: "message_stop" },
    ];
    return events.map((event) => [String(event["type"]), event]);
  },
  error: (status, message) => ({
    type: "error",
    error: { type: ERROR_TYPES[status] ?? "api_error", message },
    request_id: "req_1",
  }),
};

function toolUse({ name, args = {} }: ToolCall): Json {
  return { type: "tool_use", id: `toolu_${++idCount}`, name, input: args };
}

export const dialects: Record<string, Dialect> = {
  "/v1/chat/completions": openai,
  "/v1/messages": anthropic,
};
