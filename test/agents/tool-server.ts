import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export type SeenRequest = { method: string; url: string; headers: IncomingHttpHeaders; body: string };
type Reply = (request: SeenRequest, response: ServerResponse) => void;
export type ToolServer = AsyncDisposable & {
  url: string;
  port: number;
  /** Everything that arrived, in order. */
  seen: SeenRequest[];
  reply(next: Reply): void;
};

const OK: Reply = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
};

/** A server for tools to call, which remembers what it was sent. */
export async function startToolServer(): Promise<ToolServer> {
  const seen: SeenRequest[] = [];
  let reply = OK;
  const server = createServer(async (message, response) => {
    const { method = "", url = "", headers } = message;
    const request = { method, url, headers, body: await text(message) };
    seen.push(request);
    reply(request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    reply: (next) => {
      reply = next;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = await startToolServer();
  await server[Symbol.asyncDispose]();
  return server.port;
}

export const answer =
  (status: number, body = "", headers: Record<string, string> = {}): Reply =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "text/plain", ...headers }).end(body);
  };
