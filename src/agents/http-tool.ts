import { setTimeout as delay } from "node:timers/promises";
import { AgentError, cutToBytes } from "../errors/agent-error.ts";
import { type Egress, EgressFailure, type EgressResponse } from "./egress.ts";
import { fillRequest, type HttpRequest } from "./http-request.ts";
import { retryAfterSeconds } from "./model-errors.ts";
import { secretHeaders, withoutSecrets } from "./secret-headers.ts";
import type { Args } from "./templates.ts";
import type { ToolDefinition, ToolOf } from "./tool-definition.ts";
import {
  failed,
  MAX_ERROR_BYTES,
  MAX_RESULT_BYTES,
  type ToolOutcome,
  type ToolWork,
} from "./tool-outcome.ts";
import type { Toolbox } from "./toolbox.ts";

/** A longer wait is for the model to decide on. */
const LONGEST_WAIT_SECONDS = 30;

/** The call of an http tool with these arguments, or an ArgumentProblem. */
export async function prepareHttp(tool: ToolOf<"http">, args: Args, toolbox: Toolbox): Promise<ToolWork> {
  const request = fillRequest(tool.runtime, args);
  // Before the call is begun: a vault that is away must not leave behind a call of unknown outcome.
  const { headers, values } = await secretHeaders(tool.runtime.secrets, request.url, toolbox.secret);
  const send = sendRequest(
    tool,
    { ...request, headers: { ...request.headers, ...headers } },
    await toolbox.egress(),
  );
  return async (call) => {
    const { content, status } = await send(call);
    return { content: withoutSecrets(content, values), status };
  };
}

/** The sending of a request that is settled, with the tries that its tool allows. */
export function sendRequest(tool: ToolDefinition, request: HttpRequest, egress: Egress): ToolWork {
  return async ({ idempotencyKey, signal }) => {
    const key = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    const keyed = { ...request, headers: { ...DEFAULT_HEADERS, ...request.headers, ...key } };
    for (let attempt = 1; ; attempt++) {
      const answer = await tryOnce(tool, keyed, egress, signal);
      const wait = attempt < tool.retry.attempts ? secondsBeforeNext(tool, answer, attempt) : undefined;
      if (wait === undefined) return outcomeOf(tool, answer);
      await delay(wait * 1000, undefined, signal ? { signal } : {});
    }
  };
}

const DEFAULT_HEADERS = { accept: "*/*", "accept-encoding": "identity", "user-agent": "agent-executor" };

type Answer = EgressResponse | EgressFailure | AgentError;

async function tryOnce(
  tool: ToolDefinition,
  request: HttpRequest,
  egress: Egress,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  try {
    return await egress.send({
      ...request,
      seconds: tool.timeoutSeconds,
      maxBytes: MAX_RESULT_BYTES,
      signal,
      endsOnceSent: tool.effect === "write",
    });
  } catch (error) {
    const isRefusal = error instanceof AgentError && error.code === "egress_refused";
    if (isRefusal || error instanceof EgressFailure) return error;
    throw error;
  }
}

/** How long to wait before the next try, or undefined when there shall be none. */
function secondsBeforeNext(tool: ToolDefinition, answer: Answer, attempt: number): number | undefined {
  if (answer instanceof AgentError) return undefined;
  const mayRepeat = tool.effect === "read" || (answer instanceof EgressFailure && !answer.sent);
  if (!mayRepeat) return undefined;
  const backOff = Math.min(tool.retry.waitSeconds * 2 ** (attempt - 1), LONGEST_WAIT_SECONDS);
  if (answer instanceof EgressFailure) return backOff;
  if (answer.status !== 429 && answer.status < 500) return undefined;
  const header = answer.headers["retry-after"];
  const asked = header === undefined ? undefined : retryAfterSeconds(new Headers({ "retry-after": header }));
  const wait = asked ?? backOff;
  return wait <= LONGEST_WAIT_SECONDS ? wait : undefined;
}

function outcomeOf(tool: ToolDefinition, answer: Answer): ToolOutcome {
  if (answer instanceof AgentError) return failed(`${answer.code}: ${answer.message}`);
  if (answer instanceof EgressFailure) {
    if (!answer.sent) return failed(`${answer.message}; nothing was sent`);
    return failed(
      tool.effect === "write"
        ? `${answer.message}, but the request was sent: it may have taken effect`
        : answer.message,
    );
  }
  const { status, statusText } = answer;
  const said = `HTTP ${status}${statusText === "" ? "" : ` ${statusText}`}`;
  if (status >= 400) return failed(`${said}\n${cutToBytes(textOf(answer), MAX_ERROR_BYTES)}`.trimEnd());
  if (status >= 300) return failed(`${said}: redirects are not followed`);
  const text = textOf(answer);
  const note = answer.isCut ? `\n[cut off: the answer is longer than ${MAX_RESULT_BYTES} bytes]` : "";
  return { content: text === "" ? `${said}, no content` : text + note, status: "success" };
}

const TEXT_TYPE =
  /^(text\/|application\/([\w.+-]*\+)?(json|xml|yaml|javascript|x-www-form-urlencoded|x-ndjson)\b)/i;

function textOf({ body, headers }: EgressResponse): string {
  const encoding = headers["content-encoding"] ?? "identity";
  const type = headers["content-type"] ?? "text/plain";
  if (body.length === 0) return "";
  if (encoding !== "identity" || !TEXT_TYPE.test(type)) {
    return `[${body.length} bytes of ${type.slice(0, 100)}${encoding === "identity" ? "" : `, ${encoding.slice(0, 20)}`}, not shown]`;
  }
  const charset = /charset="?([\w-]+)/i.exec(type)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(charset).decode(body);
  } catch {
    return body.toString(); // a charset that nobody knows
  }
}
