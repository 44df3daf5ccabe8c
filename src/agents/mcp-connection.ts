import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { AgentError } from "../errors/agent-error.ts";
import type { McpServer } from "./mcp-servers.ts";
import { type SecretReader, secretHeaders } from "./secret-headers.ts";

const CONNECT_MS = 15_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const MAX_TOOLS = 500;

export type McpTool = { name: string; description: string; schema: Record<string, unknown> };
export type McpCall = {
  tool: string;
  args: Record<string, unknown>;
  milliseconds: number;
  /** Whether it may be made twice. */
  mayRepeat: boolean;
  idempotencyKey: string | undefined;
};

/** A server that knows it can tell a call that it gets a second time. */
const IDEMPOTENCY_KEY = "agent-executor/idempotency-key";

/** A call that came to no answer; `sent` is false only when the server cannot have seen it. */
export class McpFailure extends Error {
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

/** One server, connected when it is first needed and again after it was lost. All runs share it. */
export class McpConnection {
  readonly #name: string;
  readonly #server: McpServer;
  readonly #secret: SecretReader | undefined;
  #client: Promise<Client> | undefined;

  constructor(name: string, server: McpServer, secret: SecretReader | undefined) {
    this.#name = name;
    this.#server = server;
    this.#secret = secret;
  }

  /** Throws tool_unavailable, which may pass. */
  async tools(): Promise<McpTool[]> {
    try {
      return await this.#again(true, (client) => listTools(client));
    } catch (error) {
      if (error instanceof AgentError) throw error;
      const why = error instanceof Error ? error.message.slice(0, 200) : "";
      throw new AgentError("tool_unavailable", `the MCP server "${this.#name}" gives no tools: ${why}`);
    }
  }

  /** The server's answer, also one that says that the tool failed; else an McpFailure. */
  async call(
    { tool, args, milliseconds, mayRepeat, idempotencyKey }: McpCall,
    signal?: AbortSignal,
  ): Promise<CallToolResult> {
    const meta = idempotencyKey === undefined ? {} : { _meta: { [IDEMPOTENCY_KEY]: idempotencyKey } };
    const params = { name: tool, arguments: args, ...meta };
    const options = {
      timeout: milliseconds,
      maxTotalTimeout: milliseconds,
      ...(signal ? { signal } : {}),
    };
    const result = await this.#again(mayRepeat, (client) => client.callTool(params, undefined, options));
    return result as CallToolResult; // the SDK has checked it; the other form is of an old protocol
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.close().catch(() => undefined);
  }

  /** With a client that is there; one that turns out to be lost is replaced once, where that can do no harm. */
  async #again<T>(mayRepeat: boolean, work: (client: Client) => Promise<T>): Promise<T> {
    for (const isLast of [false, true]) {
      const client = await this.#connected();
      try {
        return await work(client);
      } catch (error) {
        const { isLost, sent } = judge(error);
        if (isLost) await this.#drop(client);
        if (!isLost || (sent && !mayRepeat) || isLast) throw failureOf(error, sent);
      }
    }
    throw new McpFailure("the server could not be reached", false);
  }

  async #connected(): Promise<Client> {
    this.#client ??= this.#connect();
    const connecting = this.#client;
    try {
      return await connecting;
    } catch (error) {
      if (this.#client === connecting) this.#client = undefined;
      if (error instanceof AgentError) throw error;
      throw new McpFailure(`the MCP server "${this.#name}" could not be reached`, false);
    }
  }

  async #connect(): Promise<Client> {
    const client = new Client({ name: "agent-executor", version: "1" });
    const transport = await transportTo(this.#server, this.#secret);
    try {
      await client.connect(transport, { timeout: CONNECT_MS });
    } catch (error) {
      await transport.close().catch(() => undefined);
      throw error;
    }
    client.onclose = () => void this.#drop(client);
    return client;
  }

  async #drop(client: Client): Promise<void> {
    const current = await this.#client?.catch(() => undefined);
    if (current === client) this.#client = undefined;
    client.onclose = () => undefined;
    await client.close().catch(() => undefined);
  }
}

async function transportTo(server: McpServer, secret: SecretReader | undefined): Promise<Transport> {
  if (server.kind === "stdio") {
    const { command, args, cwd } = server;
    // PATH, HOME and the like, and what the operator's file says: none of our own secrets.
    const env = { ...getDefaultEnvironment(), ...server.env };
    const place = cwd === undefined ? {} : { cwd };
    return new StdioClientTransport({
      ...{ command, args, env, stderr: "ignore", maxBufferSize: MAX_MESSAGE_BYTES },
      ...place,
    });
  }
  const { headers } = await secretHeaders(server.secrets, server.url, secret);
  const transport = new StreamableHTTPClientTransport(server.url, {
    requestInit: { headers: { ...server.headers, ...headers } },
    // What the operator listed is one place: its headers go nowhere else.
    fetch: async (url, init) => limited(await fetch(url, { ...init, redirect: "error" }), init?.method),
  });
  return transport as unknown as Transport; // its optional members are declared a little differently
}

/** An answer breaks off where it gets too long; the stream of a server's own messages has no end. */
function limited(response: Response, method = "GET"): Response {
  if (response.body === null || method === "GET") return response;
  let bytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > MAX_MESSAGE_BYTES) controller.error(new TypeError("the answer is too long"));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(count), { status, statusText, headers });
}

async function listTools(client: Client): Promise<McpTool[]> {
  const tools: McpTool[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor }, { timeout: CONNECT_MS });
    for (const { name, description = name, inputSchema } of page.tools) {
      tools.push({ name, description, schema: inputSchema });
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined && tools.length < MAX_TOOLS);
  return tools;
}

/** Codes of the system for a server that nothing has reached. */
const UNREACHED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
/** Of JSON-RPC, as the SDK numbers them. */
const [CLOSED, TIMED_OUT] = [-32_000, -32_001];

/** Whether the connection is gone, and whether the server may have seen what was sent over it. */
function judge(error: unknown): { isLost: boolean; sent: boolean } {
  const code = codeOf(error);
  const cause = error instanceof Error ? codeOf(error.cause) : undefined;
  // A server that was started anew does not know the session, and has done nothing for it.
  if (code === 404 || code === 400) return { isLost: true, sent: false };
  if (UNREACHED.has(String(cause))) return { isLost: true, sent: false };
  if (error instanceof Error && error.message === "Not connected") return { isLost: true, sent: false };
  if (error instanceof McpFailure) return { isLost: false, sent: error.sent };
  return { isLost: code === CLOSED || error instanceof TypeError, sent: true };
}

function failureOf(error: unknown, sent: boolean): unknown {
  if (error instanceof McpFailure || error instanceof AgentError) return error;
  const code = codeOf(error);
  if (code === TIMED_OUT) return new McpFailure("no answer in time", sent);
  if (code === CLOSED || error instanceof TypeError) return new McpFailure("the connection broke", sent);
  return new McpFailure(error instanceof Error ? error.message.slice(0, 1000) : "the call failed", sent);
}

function codeOf(thing: unknown): unknown {
  return typeof thing === "object" && thing !== null && "code" in thing ? thing.code : undefined;
}
