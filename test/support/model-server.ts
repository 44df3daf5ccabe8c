import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { type Dialect, dialects, type Json, openai, type ToolCall } from "../agents/model-dialects.ts";

/** What the server does with one request. A string is an answer of just this text. */
export type ModelReply =
  | string
  | {
      content?: string;
      tool_calls?: ToolCall[];
      usage?: { input_tokens: number; output_tokens: number; cached_tokens?: number };
      delay_ms?: number;
      /** 400 and more: an error body in the dialect's shape. 3xx: give `headers.location`. */
      status?: number;
      message?: string;
      headers?: Record<string, string>;
      /** Never answers, or stops in the middle of a stream: silent, cut off, as if complete, or with an error event. */
      hang?: boolean;
      midway?: "hang" | "cut" | "end" | "error";
      /** Any other body, as a misconfigured proxy would send. */
      raw?: { type: string; body: string };
    };
export type ModelRequest = {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  json: Json;
};
type ReplySource = ((request: ModelRequest) => ModelReply) | readonly ModelReply[];
export type ModelServer = AsyncDisposable & {
  /** The Anthropic base URL; `openaiUrl` is the same server's `/v1`. */
  url: string;
  openaiUrl: string;
  requests: ModelRequest[];
  /** Most requests that were being answered at once; set it to 0 to begin anew. */
  mostAtOnce: number;
  /** One reply a request, the last repeats; or a function of the request. */
  reply(source: ReplySource): void;
  close(): Promise<void>;
};

/** A real HTTP server that answers as OpenAI's and Anthropic's do. With `apiKey` it refuses every other key. */
export async function startModelServer(
  options: { port?: number; apiKey?: string } = {},
): Promise<ModelServer> {
  const requests: ModelRequest[] = [];
  const seen = { requests, mostAtOnce: 0 };
  let source: ReplySource = ["Hello from the model."];
  let served = 0;
  let atOnce = 0;
  const server = createServer((message, response) => {
    seen.mostAtOnce = Math.max(seen.mostAtOnce, ++atOnce);
    let open = true;
    const ended = () => {
      if (open) atOnce--;
      open = false;
    };
    response.once("finish", ended).once("close", ended);
    serve(message, response).catch(() => response.destroy());
  });

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await read(message);
    requests.push(request);
    const dialect = dialects[request.path.replace(/\?.*/, "")];
    if (dialect === undefined || request.method !== "POST") {
      return sendError(response, openai, 404, `Invalid URL (${request.method} ${request.path})`);
    }
    const key = dialect.keyOf(request.headers);
    if (key === undefined || (options.apiKey !== undefined && key !== options.apiKey)) {
      return sendError(response, dialect, 401, `Incorrect API key provided: ${key ?? ""}.`);
    }
    const wrong = dialect.refuse(request);
    if (wrong !== undefined) return sendError(response, dialect, 400, wrong);
    const reply = typeof source === "function" ? source(request) : (source[served++] ?? source.at(-1) ?? "");
    await answer(request, response, dialect, typeof reply === "string" ? { content: reply } : reply);
  }

  await new Promise<void>((done) => server.listen(options.port ?? 0, "127.0.0.1", () => done()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  const close = async (): Promise<void> => {
    server.closeAllConnections(); // those that hang would never end by themselves
    await new Promise<void>((done) => server.close(() => done()));
  };
  const reply = (next: ReplySource): void => {
    source = next;
    served = 0;
  };
  return Object.assign(seen, { url, openaiUrl: `${url}/v1`, reply, close, [Symbol.asyncDispose]: close });
}

async function read(message: IncomingMessage): Promise<ModelRequest> {
  const body = await text(message);
  const json: unknown = body.startsWith("{") ? JSON.parse(body) : {};
  const { method = "", url: path = "", headers } = message;
  return { method, path, headers, body, json: json as Json }; // it starts with a brace
}

async function answer(
  request: ModelRequest,
  response: ServerResponse,
  dialect: Dialect,
  reply: Exclude<ModelReply, string>,
): Promise<void> {
  if (reply.hang) return;
  if (reply.delay_ms) await delay(reply.delay_ms);
  const { status = 200, headers = {}, raw } = reply;
  if (status >= 400)
    return sendError(response, dialect, status, reply.message ?? "The server says no.", headers);
  if (raw || status >= 300) {
    response.writeHead(status, { "content-type": raw?.type ?? "text/plain", ...headers }).end(raw?.body);
    return;
  }
  const full = { content: "", tool_calls: [], ...reply, model: String(request.json["model"]) };
  const usage = {
    input: reply.usage?.input_tokens ?? Math.ceil(request.body.length / 4),
    cached: reply.usage?.cached_tokens ?? 0,
    output: reply.usage?.output_tokens ?? Math.ceil(full.content.length / 4) + 1,
  };
  if (request.json["stream"] !== true) return sendJson(response, 200, dialect.whole(full, usage), headers);
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", ...headers });
  const events = dialect.stream(full, usage, request.json);
  const sent = reply.midway ? events.slice(0, Math.ceil(events.length / 2)) : events;
  for (const [name, data] of sent) response.write(frame(name, data));
  if (reply.midway === undefined || reply.midway === "end") response.end();
  if (reply.midway === "error") response.end(frame("error", dialect.error(529, "Overloaded")));
  // Let what was written get out first: a destroyed socket drops what it still holds.
  if (reply.midway === "cut") setTimeout(() => response.destroy(), 20);
}

function frame(name: string | undefined, data: unknown): string {
  const payload = typeof data === "string" ? data : JSON.stringify(data);
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${payload}\n\n`;
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: Json,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

function sendError(
  response: ServerResponse,
  dialect: Dialect,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  sendJson(response, status, dialect.error(status, message), headers);
}
