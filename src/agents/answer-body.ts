import { AgentError } from "../errors/agent-error.ts";
import { NO_KEY } from "./endpoints.ts";
import { isJson } from "./event-check.ts";

const MAX_ERROR_CHARS = 16_384;
/** Far above what a model says in one go; below what would take the process down. */
const MAX_ANSWER_CHARS = 32 * 1024 * 1024;

/** Some servers quote the key that they refuse, and what they say ends up in events and logs. */
export async function withoutKey(response: Response, key: string): Promise<Response> {
  const text = await readText(response, MAX_ERROR_CHARS);
  return replaceBody(response, key === NO_KEY ? text : text.replaceAll(key, "[redacted]"));
}

/**
 * An answer that comes in one piece, read to its end: what is cut off or garbled on the way is then
 * a failure of this try and not of the run. Throws what the body throws.
 */
export async function wholeAnswer(response: Response): Promise<Response | AgentError> {
  const text = await readText(response, MAX_ANSWER_CHARS);
  if (isJson(text)) return replaceBody(response, text);
  return new AgentError("model_unavailable", "the model's server sent an answer that is no JSON");
}

async function readText(response: Response, most: number): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > most) break;
  }
  return text;
}

/** Length and encoding were those of the body that is replaced. */
function replaceBody({ status, statusText, headers }: Response, body: string): Response {
  const plain = new Headers(headers);
  for (const name of ["content-length", "content-encoding"]) plain.delete(name);
  return new Response(body, { status, statusText, headers: plain });
}
