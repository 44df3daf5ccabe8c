import { ContextOverflowError } from "@langchain/core/errors";
import { afterEach, describe, expect, it, vi } from "vitest";
import { describeModelError, modelError, retryAfterSeconds } from "../../src/agents/model-errors.ts";
import { AgentError } from "../../src/errors/agent-error.ts";

/** As the clients of both providers make them. */
function clientError(status: number | undefined, error: unknown, headers = new Headers()): Error {
  return Object.assign(new Error("client"), { status, error, headers, requestID: null });
}

describe("an error of a model", () => {
  it("is found under whatever wraps it", () => {
    const inner = clientError(400, { message: "Too long." });
    const wrapped = new Error("middleware", {
      cause: new Error("graph", { cause: ContextOverflowError.fromError(inner) }),
    });
    expect(describeModelError(wrapped)).toMatchObject({
      code: "model_refused",
      message: "the model provider answered 400: Too long.",
    });
  });

  it("is ours already when it was ours below", () => {
    const ours = new AgentError("model_unavailable", "silent");
    const client = Object.assign(clientError(undefined, undefined), { cause: ours });
    expect(describeModelError(client)).toBe(ours);
  });

  it("that broke off a stream may pass", () => {
    const error = clientError(undefined, {
      type: "error",
      error: { type: "overloaded_error", message: "Overloaded" },
    });
    expect(describeModelError(error)).toMatchObject({
      code: "model_unavailable",
      message: "the model provider broke off its answer: Overloaded",
    });
  });

  it.each([
    ["a text", "boom"],
    ["nothing", undefined],
    ["an error of something else", new Error("ECONNRESET")],
    ["an error with a status of something else", Object.assign(new Error("no"), { status: 404 })],
    ["an abort", new DOMException("This operation was aborted", "AbortError")],
    ["a wrapped abort", new Error("m", { cause: new DOMException("aborted", "AbortError") })],
  ])("is not %s", (_, thrown) => {
    expect(describeModelError(thrown)).toBeUndefined();
  });

  it("ends with causes that go round in a circle", () => {
    const error = new Error("a");
    error.cause = error;
    expect(describeModelError(error)).toBeUndefined();
  });

  it("says when to come again in whole seconds", () => {
    expect(modelError(503, "", { retryAfterSeconds: 1.2 })).toMatchObject({
      message: "the model provider answered 503",
      retryAfterSeconds: 2,
    });
  });
});

describe("what a provider says is cleared of", () => {
  it.each([
    ["an OpenAI key", "Incorrect API key provided: sk-proj-Ab12*****xyz. See https://x.y/z", "sk-proj"],
    ["an Anthropic key", "invalid x-api-key sk-ant-api03-abc_def-123", "sk-ant"],
    ["a bearer token", 'got "Authorization: Bearer ya29.a0Af_x"', "ya29"],
    ["a long random word", "token 9f8e7d6c5b4a39281706f5e4d3c2b1a0 expired", "9f8e7d6c"],
  ])("%s", (_, said, secret) => {
    const { message } = modelError(401, said);
    expect(message).not.toContain(secret);
    expect(message).toContain("[redacted]");
  });

  it("nothing else", () => {
    const said = "The model `gpt-4o-mini-2024-07-18` does not exist or you do not have access to it.";
    expect(modelError(404, said).message).toContain(said);
  });
});

describe("Retry-After", () => {
  afterEach(() => vi.useRealTimers());

  it.each([
    [{ "retry-after": "7" }, 7],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": "1.5" }, 1.5],
    [{ "retry-after-ms": "250", "retry-after": "7" }, 0.25],
    [{ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }, 30],
    [{ "retry-after": "Thu, 01 Jan 2015 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "" }, undefined],
    [{ "retry-after": "-5" }, undefined],
    [{}, undefined],
  ])("%o is %s seconds", (headers, seconds) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
    expect(retryAfterSeconds(new Headers(headers as Record<string, string>))).toBe(seconds);
  });
});
