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
  const error = new AgentError(code, `the model provider answered ${status}${words}`, {
    cause,
    ...(seconds === undefined
      ? {}
      : { retryAfterSeconds: Math.min(Math.ceil(seconds), MAX_RETRY_AFTER_SECONDS) }),
  });
  if (isOfOneAnswer(status, said)) ofOneModel.add(error);
  return error;
}

/** Refusals that say something of a provider, a key or a model, and not of what was asked. */
const ofOneModel = new WeakSet<AgentError>();

function isOfOneAnswer(status: number, said: string): boolean {
  return [401, 403, 404, 413].includes(status) || (status === 400 && TOO_LONG.test(said));
}

/** How the providers say that the input is longer than the model's window. */
const TOO_LONG =
  /context_length_exceeded|maximum context length|exceeds? the context window|prompt is too long|input tokens exceed/i;

/**
 * Whether another model may answer where this one failed. A request that is wrong in itself is
 * wrong everywhere: it is not sent to one provider after the other.
 */
export function isOfOneModel(thrown: unknown): boolean {
  const error = describeModelError(thrown);
  if (error === undefined) return false;
  return error.code === "model_unavailable" || error.code === "missing_credentials" || ofOneModel.has(error);
}

/** A refusal by a server that is none of a model: redirects, pages for people. */
export function notAModel(message: string): AgentError {
  const error = new AgentError("model_refused", message);
  ofOneModel.add(error);
  return error;
}

/** What the client of a provider that we have no file for threw: each has its own errors. */
export function describeForeignError(thrown: unknown, provider: string): unknown {
  const known = describeModelError(thrown);
  if (known !== undefined || !(thrown instanceof Error) || [...causesOf(thrown)].some(isAbort))
    return known ?? thrown;
  const status = [...causesOf(thrown)].map(statusIn).find((each) => each !== undefined);
  if (status !== undefined) return modelError(status, thrown.message, { cause: thrown });
  const words = cutToBytes(withoutKeys(thrown.message), MAX_SAID_BYTES);
  return new AgentError("model_unavailable", `provider "${provider}" did not answer: ${words}`, {
    cause: thrown,
  });
}

/** Where the clients put the HTTP status: AWS in its metadata, others on the error or on a response. */
function statusIn(error: object): number | undefined {
  for (const key of ["status", "statusCode", "httpStatusCode", "code"] as const) {
    const value: unknown = Reflect.get(error, key);
    if (typeof value === "number" && value >= 400 && value <= 599) return value;
  }
  for (const key of ["response", "$metadata"]) {
    const inner: unknown = Reflect.get(error, key);
    const found = typeof inner === "object" && inner !== null ? statusIn(inner) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
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

export function withoutKeys(text: string): string {
  return KEYS.reduce((safe, pattern) => safe.replace(pattern, "[redacted]"), text);
}
