import http from "node:http";
import https from "node:https";

/** What became of one attempt to hand an event to a target. */
export type PostResult =
  | { kind: "taken" }
  /** The target will never take it. */
  | { kind: "refused"; reason: string }
  | { kind: "later"; reason: string; retryAfterSeconds?: number };

export type Poster = {
  post(headers: Record<string, string>, body: string): Promise<PostResult>;
  close(): void;
};

// Final for a Knative sender too; a 3xx is not followed and, as all else, tried again.
const FINAL_REFUSALS = new Set([400, 401, 403, 405, 410, 413, 415, 422]);

/** Posts to one URL over connections that stay open, with a limit on the whole exchange. */
export function postTo(url: URL, timeoutSeconds: number): Poster {
  const { request, Agent } = url.protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const timeoutMs = timeoutSeconds * 1000;

  const post = (headers: Record<string, string>, body: string) =>
    new Promise<PostResult>((resolve) => {
      const length = String(Buffer.byteLength(body));
      const outgoing = request(url, {
        method: "POST",
        agent,
        headers: { ...headers, "content-length": length },
      });
      const timer = setTimeout(() => {
        resolve({ kind: "later", reason: `no answer within ${timeoutSeconds} s` });
        outgoing.destroy();
      }, timeoutMs);
      outgoing.on("error", (error) => {
        clearTimeout(timer);
        resolve({ kind: "later", reason: "code" in error ? String(error.code) : "connection failed" });
      });
      outgoing.on("response", (response) => {
        clearTimeout(timer);
        resolve(judge(response.statusCode ?? 0, response.headers["retry-after"]));
        discard(response);
      });
      outgoing.end(body);
    });
  return { post, close: () => agent.destroy() };
}

/** The answer's body means nothing to us, but the connection is only usable again once it is read. */
function discard(response: http.IncomingMessage): void {
  let seen = 0;
  response.on("error", () => undefined); // the status was all we needed
  response.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > 65_536) response.destroy();
  });
}

function judge(status: number, retryAfter: string | undefined): PostResult {
  if (status >= 200 && status < 300) return { kind: "taken" };
  const reason = `status ${status}`;
  if (FINAL_REFUSALS.has(status)) return { kind: "refused", reason };
  const seconds = Number(retryAfter);
  if (Number.isFinite(seconds) && seconds > 0) return { kind: "later", reason, retryAfterSeconds: seconds };
  const date = Date.parse(retryAfter ?? "");
  if (Number.isNaN(date)) return { kind: "later", reason };
  return { kind: "later", reason, retryAfterSeconds: Math.max(0, (date - Date.now()) / 1000) };
}
