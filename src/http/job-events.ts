import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import type { ReaderFrame } from "../runs/follow.ts";
import { checkedId } from "./jobs.ts";

export type JobEventsOptions = {
  followJob: (
    jobId: string,
    lastEventId: string | undefined,
    signal: AbortSignal,
  ) => Promise<AsyncGenerator<readonly ReaderFrame[], void>>;
  /** Who has not taken what was sent within this time is let go; whoever comes back finds what was missed. */
  readerPatienceMs?: number;
};

const CONTENT_TYPE = "text/event-stream; charset=utf-8";
/** Readers that one process serves; each holds a connection and some memory. */
const MOST_READERS = 1000;
/** Proxies cut a line on which nothing is said. */
const HEARTBEAT_MS = 15_000;
const PATIENCE_MS = 30_000;
/** So much is handed to a socket at once. */
const CHUNK_BYTES = 32_768;

/** `GET /jobs/{job_id}/events`: the frames of a job as server-sent events. */
export async function jobEventsPlugin(app: FastifyInstance, options: JobEventsOptions): Promise<void> {
  const { followJob, readerPatienceMs = PATIENCE_MS } = options;
  const readers = new Set<AbortController>();
  app.addHook("preClose", async () => {
    for (const reader of readers) reader.abort();
  });
  const path = "/jobs/:jobId/events";
  app.get<{ Params: { jobId: string } }>(path, async (request, reply) => {
    const jobId = checkedId(request.params.jobId);
    const { "last-event-id": after } = request.headers;
    if (readers.size >= MOST_READERS) {
      throw new AgentError("too_many_requests", "too many streams are being read", { retryAfterSeconds: 5 });
    }
    const reader = new AbortController();
    readers.add(reader);
    reply.raw.once("close", () => reader.abort());
    let batches: AsyncGenerator<readonly ReaderFrame[], void> | undefined;
    try {
      batches = await followJob(jobId, typeof after === "string" ? after : undefined, reader.signal);
      const first = await batches.next();
      // Nothing follows what the reader has: 204 is what makes an EventSource stop coming back.
      if (first.done) return await reply.code(204).send();
      if (request.method === "HEAD") return await reply.type(CONTENT_TYPE).send();
      reply.hijack();
      const line = { response: reply.raw, signal: reader.signal, patienceMs: readerPatienceMs };
      await write(line, first.value, batches);
    } finally {
      reader.abort();
      readers.delete(reader);
      await batches?.return();
    }
    return reply;
  });
}

type Line = { response: ServerResponse; signal: AbortSignal; patienceMs: number };

async function write(
  line: Line,
  first: readonly ReaderFrame[],
  rest: AsyncGenerator<readonly ReaderFrame[], void>,
): Promise<void> {
  const { response, signal } = line;
  response.writeHead(200, {
    "content-type": CONTENT_TYPE,
    "cache-control": "no-store",
    "x-accel-buffering": "no", // nginx would hold frames back
  });
  response.flushHeaders();
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(":\n\n");
  }, HEARTBEAT_MS);
  try {
    await send(line, first);
    for await (const frames of rest) await send(line, frames);
    if (!signal.aborted) response.end();
  } catch {
    // It went, or it was too slow, or the database is away: it comes back to where it was.
    response.destroy();
  } finally {
    clearInterval(heartbeat);
    if (signal.aborted) response.destroy();
  }
}

/** Readers of one stream are mostly at the same place: what is written to them is made once. */
const written = new WeakMap<ReaderFrame, { last: ReaderFrame; bytes: Buffer }>();

/** Waits for a slow reader, with a limit; nobody else waits for it. */
async function send(line: Line, frames: readonly ReaderFrame[]): Promise<void> {
  const first = frames[0];
  const last = frames.at(-1);
  if (first === undefined || last === undefined) return;
  let made = written.get(first);
  if (made?.last !== last) {
    made = { last, bytes: Buffer.from(frames.map(encode).join("")) };
    written.set(first, made);
  }
  for (let at = 0; at < made.bytes.length; at += CHUNK_BYTES) {
    await push(line, made.bytes.subarray(at, at + CHUNK_BYTES));
  }
}

async function push({ response, signal, patienceMs }: Line, chunk: Buffer): Promise<void> {
  signal.throwIfAborted();
  if (response.write(chunk)) return;
  await new Promise<void>((resolve, reject) => {
    const end = (error?: Error) => {
      clearTimeout(timer);
      response.off("drain", end);
      signal.removeEventListener("abort", gone);
      if (error) reject(error);
      else resolve();
    };
    const gone = () => end(new Error("the reader has gone"));
    const timer = setTimeout(() => end(new Error("the reader is too slow")), patienceMs);
    response.once("drain", end);
    signal.addEventListener("abort", gone, { once: true });
  });
}

/** JSON has no line breaks of its own, so a frame is one line of data. */
function encode({ id, type, text }: ReaderFrame): string {
  return `event: ${type}\n${id === undefined ? "" : `id: ${id}\n`}data: ${text}\n\n`;
}
