import { AgentError, cutToBytes } from "../errors/agent-error.ts";

/** Answers of a provider that may be another one later: overload, conflict, its own failure. */
export function isPassing(status: number): boolean {
  return [408, 409, 429].includes(status) || status >= 500;
}

/** What a provider's answer with this status is to us. */
export function modelError(
  status: number,
  said: string,
  details: { cause?: unknown; retryAfterSeconds?: number | undefined } = {},
): AgentError {
  const code = isPassing(status) ? "model_unavailable" : "model_refused";
  const words = said === "" ? "" : `: ${cutToBytes(withoutKeys(said), MAX_SAID_BYTES)}`;
  const { cause, retryAfterSeconds: seconds } = details;
  return new AgentError(code, `the model provider answered ${status}${words}`, {
    cause,
    ...(seconds === undefined
      ? {}
      : { retryAfterSeconds: Math.min(Math.ceil(seconds), MAX_RETRY_AFTER_SECONDS) }),
  });
}

/**
 * What a provider's client threw, as one of our errors; undefined if it was nothing of a model,
 * or an abort, which whoever aborted knows better.
 */
export function describeModelError(thrown: unknown): AgentError | undefined {
  const causes = [...causesOf(thrown)];
  const ours = causes.find((error) => error instanceof AgentError);
  if (ours !== undefined || causes.some(isAbort)) return ours;
  const ofClient = causes.find(isClientError);
  return ofClient === undefined ? undefined : describeClientError(ofClient);
}

const MAX_SAID_BYTES = 500;
/** No provider means more; a wrong header shall not put a run off for ever. */
const MAX_RETRY_AFTER_SECONDS = 3600;
const MAX_CAUSES = 10;

/** LangChain wraps what a model throws, and wraps it again in each middleware. */
function* causesOf(thrown: unknown): Generator<Error> {
  let error = thrown;
  for (let depth = 0; depth < MAX_CAUSES && error instanceof Error; depth++) {
    yield error;
    error = error.cause;
  }
}

function isAbort(error: Error): boolean {
  return error.name === "AbortError" || error.constructor.name === "APIUserAbortError";
}

/** The API errors of both clients. Told by shape, so that neither is imported just to ask. */
type ClientError = Error & { status?: unknown; headers?: unknown; error?: unknown };

function isClientError(error: Error): error is ClientError {
  return "requestID" in error && "status" in error && "headers" in error;
}

function describeClientError(error: ClientError): AgentError {
  const said = messageIn(error.error) ?? error.message;
  if (typeof error.status === "number") {
    const seconds = error.headers instanceof Headers ? retryAfterSeconds(error.headers) : undefined;
    return modelError(error.status, said, { cause: error, retryAfterSeconds: seconds });
  }
  // No status: the provider broke off in the middle of a stream that had begun well.
  const words = cutToBytes(withoutKeys(said), MAX_SAID_BYTES);
  return new AgentError("model_unavailable", `the model provider broke off its answer: ${words}`, {
    cause: error,
  });
}

/** `{message}` (OpenAI) or `{error: {message}}` (Anthropic): the sentence for people. */
function messageIn(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  if ("message" in body && typeof body.message === "string") return body.message;
  return "error" in body ? messageIn(body.error) : undefined;
}

/** Retry-After in seconds, from any of its spellings. */
export function retryAfterSeconds(headers: Headers): number | undefined {
  const milliseconds = Number(headers.get("retry-after-ms") ?? Number.NaN);
  if (milliseconds >= 0) return milliseconds / 1000;
  const value = headers.get("retry-after") ?? "";
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  // A date has letters; of other numbers Date.parse would make dates too.
  const date = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}

/** What looks like a key: its prefix, a bearer token, or a long run of letters and digits. */
const KEYS = [
  /\bBearer\s+\S+/gi,
  /\b(?:sk|pk|rk|key|api[-_]?key|gsk|xai|hf|ghp)[-_][\w*.-]{4,}/gi,
  /\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{28,}\b/gi,
];

function withoutKeys(text: string): string {
  return KEYS.reduce((safe, pattern) => safe.replace(pattern, "[redacted]"), text);
}
