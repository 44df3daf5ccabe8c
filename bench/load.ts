import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { percentile } from "./statistics.ts";
import { anEvent, isAnswered } from "./work.ts";

export type Load = {
  requests: number;
  perSecond: number;
  p50: number;
  p99: number;
  errors: number;
  /** What the first wrong answer was. */
  firstError?: string;
};

/**
 * So many callers, each of which sends its next event when it has its answer. It shares the machine with
 * what it measures and takes about 0.1 ms of CPU a request: figures of the bare Fastify are its own limit.
 */
export async function applyLoad(url: string, callers: number, seconds: number): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const latencies: number[] = [];
  const failures: string[] = [];
  const begun = performance.now();
  const over = begun + seconds * 1000;
  const call = async () => {
    while (performance.now() < over) {
      const sent = performance.now();
      const failure = await sendEvent(url, agent);
      latencies.push(performance.now() - sent);
      if (failure === undefined) continue;
      failures.push(failure);
      await delay(10); // a server that is gone fails thousands of times a second
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  const took = (performance.now() - begun) / 1000;
  agent.destroy();
  return {
    requests: latencies.length,
    perSecond: latencies.length / took,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    errors: failures.length,
    ...(failures[0] !== undefined && { firstError: failures[0] }),
  };
}

/** Posts one event and waits for its answer; says what was wrong with it, if anything. */
export function sendEvent(url: string, agent?: Agent): Promise<string | undefined> {
  const { jobId, headers, body } = anEvent();
  return new Promise((done) => {
    const asked = request(url, { method: "POST", headers, ...(agent && { agent }) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.once("error", (error) => done(error.message));
      response.once("end", () => {
        const fine = response.statusCode === 200 && isAnswered(text, jobId);
        done(fine ? undefined : `${response.statusCode} ${text.slice(0, 300)}`);
      });
    });
    asked.setTimeout(30_000, () => asked.destroy(new Error("no answer in 30 s")));
    asked.once("error", (error) => done(error.message));
    asked.end(body);
  });
}
