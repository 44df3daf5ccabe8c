import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

export type ToolCall = {
  path: string;
  key: string;
  body: string;
  /** Whose trace the call belongs to, as it says. */
  traceparent?: string | string[] | undefined;
};

export type ToolServer = {
  url: string;
  calls: ToolCall[];
  /** By idempotency key: how often each call arrived. */
  counts(): Map<string, number>;
  /** Called, and waited for, before a call is answered that came before. */
  beforeRepeat(look: (key: string) => Promise<void>): void;
  /** From now on each call is answered so long after it came. */
  answerAfter(ms: number): void;
  close(): Promise<void>;
};

/** The outside world of the agents: it remembers every call with its idempotency key. */
export async function startToolServer(): Promise<ToolServer> {
  const calls: ToolCall[] = [];
  const seen = new Set<string>();
  const closing = new AbortController();
  let slowness = 0;
  let look: (key: string) => Promise<void> = async () => undefined;
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => "");
    const key = String(request.headers["idempotency-key"]);
    const { traceparent } = request.headers;
    calls.push({ path: request.url ?? "", key, body, ...(traceparent !== undefined && { traceparent }) });
    if (seen.has(key)) await look(key);
    seen.add(key);
    if (slowness > 0) await delay(slowness, undefined, { signal: closing.signal }).catch(() => undefined);
    response
      .setHeader("content-type", "application/json")
      .end(JSON.stringify({ ok: true, nth: calls.length }));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    beforeRepeat: (next) => {
      look = next;
    },
    answerAfter: (ms) => {
      slowness = ms;
    },
    counts: () => {
      const counts = new Map<string, number>();
      for (const { key } of calls) counts.set(key, (counts.get(key) ?? 0) + 1);
      return counts;
    },
    close: () =>
      new Promise((done) => {
        closing.abort();
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** An agent of so many steps, each with three tool calls that write to the world. */
export function workingAgent(toolUrl: string, steps: number, delayMs = 0): Record<string, unknown> {
  const tools = ["first", "second", "third"];
  const runtime = (tool: string) => ({
    type: "http",
    method: "POST",
    url: `${toolUrl}/${tool}`,
    body: { step: "{step}" },
  });
  const calls = (step: number) => tools.map((name) => ({ name, args: { step } }));
  const responses = Array.from({ length: steps }, (_, step) => ({
    tool_calls: calls(step),
    delay_ms: delayMs,
  }));
  return {
    tool_definitions: tools.map((name) => ({
      name,
      description: `does the ${name} thing`,
      input_schema: { type: "object", properties: { step: { type: "integer" } }, required: ["step"] },
      runtime: runtime(name),
      effect: "write",
      on_unknown: "retry",
    })),
    nodes: [
      {
        type: "agent",
        name: "worker",
        tools,
        model: { provider: "scripted", model: "x", responses: [...responses, "all done"] },
      },
    ],
  };
}
