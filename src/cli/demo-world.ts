import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { CommandFailed } from "./exit.ts";

/** The shop and the receiver of results: what lies outside the service, and counts. */
export type World = {
  url: string;
  /** Resolves when that charge has arrived; its answer waits long enough to be cut. */
  callOf(step: number, say: (step: number) => void): Promise<void>;
  result(say: (step: number, again: boolean) => void): Promise<void>;
  calls(): { step: number; requests: number; effects: number }[];
  results(): number;
  close(): Promise<void>;
};

const ANSWER_MS = 250;
const PATIENCE_MS = 60_000;

export async function startWorld(): Promise<World> {
  const requests: { step: number; key: string }[] = [];
  const results = new Set<string>();
  const closing = new AbortController();
  let told = 0;
  let look = () => {};
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => "");
    if (request.url === "/charge") {
      requests.push({
        step: Number(JSON.parse(body || "{}").step),
        key: headerOf(request, "idempotency-key"),
      });
      look();
      await delay(ANSWER_MS, undefined, { signal: closing.signal }).catch(() => undefined);
      response.setHeader("content-type", "application/json").end('{"charged":true}');
      return;
    }
    results.add(headerOf(request, "ce-id"));
    response.writeHead(202).end();
    look();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo; // it listens on TCP

  /** Says what is new, and waits until it is enough. */
  async function until(isEnough: () => boolean, say: (step: number, again: boolean) => void): Promise<void> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const changed = new Promise<void>((resolve, reject) => {
        look = resolve;
        late.onabort = () => reject(new CommandFailed(`nothing happened for ${PATIENCE_MS / 1000} s`));
      });
      for (; told < requests.length; told++) {
        const { step = 0, key } = requests[told] ?? {};
        say(
          step,
          requests.slice(0, told).some((before) => before.key === key),
        );
      }
      if (isEnough()) return;
      await changed;
    }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    callOf: (step, say) => until(() => requests.some((request) => request.step === step), say),
    result: (say) => until(() => results.size > 0, say),
    calls: () => {
      const steps = [...new Set(requests.map(({ step }) => step))].toSorted((a, b) => a - b);
      return steps.map((step) => {
        const keys = requests.filter((request) => request.step === step).map(({ key }) => key);
        return { step, requests: keys.length, effects: new Set(keys).size };
      });
    },
    results: () => results.size,
    close: () =>
      new Promise((done) => {
        closing.abort();
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

function headerOf({ headers }: IncomingMessage, name: string): string {
  return String(headers[name] ?? "");
}
