import { randomUUID } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import process from "node:process";
import { json } from "node:stream/consumers";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { mcpToolServer, type SeenCall } from "./mcp-tools.ts";

export type McpTestServer = AsyncDisposable & {
  url: string;
  port: number;
  /** Calls of tools, in order. */
  seen: SeenCall[];
  headers: IncomingHttpHeaders[];
};

/** An MCP server over streamable HTTP, with sessions. */
export async function startMcpServer(port = 0): Promise<McpTestServer> {
  const seen: McpTestServer["seen"] = [];
  const headers: IncomingHttpHeaders[] = [];
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const server = createServer(async (request, response) => {
    headers.push(request.headers);
    const id = String(request.headers["mcp-session-id"] ?? "");
    const body = request.method === "POST" ? await json(request) : undefined;
    const known = sessions.get(id);
    if (known) return await known.handleRequest(request, response, body);
    if (id !== "") return void response.writeHead(404).end();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (session) => void sessions.set(session, transport),
    });
    await mcpToolServer(seen).connect(transport as never); // its optional members are declared differently
    await transport.handleRequest(request, response, body);
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", () => done()));
  const { port: taken } = server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://127.0.0.1:${taken}/mcp`,
    port: taken,
    seen,
    headers,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

/** How one is started over standard input and output. */
export const mcpStdioCommand = {
  command: process.execPath,
  args: ["--import", "tsx", resolve(import.meta.dirname, "mcp-stdio.ts")],
};
