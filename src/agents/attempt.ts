import { AgentError } from "../errors/agent-error.ts";
import { wholeAnswer } from "./answer-body.ts";
import { type Leave, once } from "./gate.ts";
import { isPassing } from "./model-errors.ts";
import type { CallOutcome } from "./model-watch.ts";
import { Silence, watched } from "./silence.ts";

export type AttemptOptions = {
  silenceSeconds: number;
  /** Waits for a place, which is kept until the answer has been read or given up. */
  enter(signal: AbortSignal | undefined): Promise<Leave>;
  called(outcome: CallOutcome): void;
};

const silences = new WeakSet<AgentError>();

/** Whether a try ended because nothing was heard for so long. */
export function wasSilence(failure: AgentError): boolean {
  return silences.has(failure);
}

/** The response, or the error of a request that did not get through. An abort of the caller is thrown. */
export async function tryOnce(
  url: URL,
  init: RequestInit,
  options: AttemptOptions,
): Promise<Response | AgentError> {
  const ours = init.signal ?? undefined;
  const leave = await options.enter(ours);
  let outcome: CallOutcome = "ok";
  const end = once(() => {
    leave();
    options.called(ours?.aborted ? "aborted" : outcome);
  });
  const silence = new Silence(options.silenceSeconds, end);
  const signal = AbortSignal.any([silence.signal, ...(ours ? [ours] : [])]);
  // A body that nobody reads any more would keep its place for good.
  const stop = () => {
    if (!ours?.aborted) outcome = "unavailable";
    silence.end();
  };
  signal.addEventListener("abort", stop, { once: true });
  const unavailable = (error: unknown): unknown => {
    if (ours?.aborted) return error;
    outcome = "unavailable";
    return new AgentError(
      "model_unavailable",
      `the model's server at ${url.origin} ${silence.explain(error)}`,
    );
  };
  try {
    const response = await fetch(url, { ...init, signal, redirect: "manual" });
    outcome = outcomeOf(response);
    const body = watched(response, { silence, endMark: endMarkOf(url, response), fail: unavailable });
    return isWhole(body) ? await wholeAnswer(body) : body;
  } catch (error) {
    const failure = error instanceof AgentError ? error : unavailable(error);
    silence.end();
    if (!(failure instanceof AgentError)) throw failure;
    if (silence.signal.aborted) silences.add(failure);
    return failure;
  }
}

/** What the type of an answer must be; anything else is no answer of a model. */
export const ANSWER_TYPES = /json|event-stream/;

function outcomeOf({ status, ok, headers }: Response): CallOutcome {
  if (ok && ANSWER_TYPES.test(headers.get("content-type") ?? "")) return "ok";
  return isPassing(status) ? "unavailable" : "refused";
}

function isWhole({ ok, headers }: Response): boolean {
  return ok && (headers.get("content-type")?.includes("json") ?? false);
}

/** The clients take the end of the connection for the end of the answer. */
function endMarkOf(url: URL, response: Response): string | undefined {
  if (!response.ok || !response.headers.get("content-type")?.includes("event-stream")) return undefined;
  if (url.pathname.endsWith("/chat/completions")) return "[DONE]";
  return url.pathname.endsWith("/messages") ? "message_stop" : undefined;
}
