import { isJsonObject } from "../events/json-text.ts";
import { CommandFailed } from "./exit.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

const DEFAULT_URL = "http://127.0.0.1:8080";

/** The service as the command line sees it. */
export class Api {
  readonly url: string;
  readonly #token: string | undefined;

  constructor(url: string, token?: string) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
      throw new UsageError(`--url: ${url} is no http or https URL`);
    this.url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  async get(path: string): Promise<unknown> {
    return await jsonOf(await this.send("GET", path));
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<unknown> {
    return await jsonOf(await this.send("POST", path, JSON.stringify(body), headers));
  }

  /** The answer, whatever it says; who cannot be reached is an end of its own. */
  async send(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const token = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    const request = {
      method,
      headers: { ...type, ...token, ...headers },
      ...(body !== undefined && { body }),
    };
    try {
      return await fetch(this.url + path, request);
    } catch (cause) {
      throw new CommandFailed(
        `${this.url} does not answer (${reasonOf(cause)}): start the service (agent-executor dev), or name it by --url or AGENT_EXECUTOR_URL`,
        3,
        { cause },
      );
    }
  }
}

export function apiOf({ url, token }: { url?: string; token?: string }, { env }: CliTools): Api {
  return new Api(
    url ?? (env["AGENT_EXECUTOR_URL"] || DEFAULT_URL),
    token ?? (env["AGENT_EXECUTOR_TOKEN"] || undefined),
  );
}

export const jobPath = (jobId: string, rest = "") => `/jobs/${encodeURIComponent(jobId)}${rest}`;

async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (response.ok) return text === "" ? undefined : parsed(text);
  throw refusalOf(response.status, text);
}

/** Who refuses says why; what to do about a token only we know. */
export function refusalOf(status: number, text: string): CommandFailed {
  const body = parsed(text);
  const error = isJsonObject(body) && isJsonObject(body["error"]) ? body["error"] : undefined;
  const what =
    error === undefined ? `the service answers ${status}` : `${error["code"]}: ${error["message"]}`;
  const hint = status === 401 ? "; give a token by --token or AGENT_EXECUTOR_TOKEN" : "";
  return new CommandFailed(what + hint, status === 502 || status === 503 || status === 504 ? 3 : 1);
}

/** Undefined for what is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** fetch hides it in the cause, and that of several addresses inside once more. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reasonOf(error.cause);
  return "code" in error ? String(error.code) : error.message;
}
