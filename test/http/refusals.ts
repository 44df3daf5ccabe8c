import { expect } from "vitest";
import { catalogue, type ErrorCode } from "../../src/errors/catalogue.ts";

type Answer = { status: number; headers: Record<string, unknown> } & ({ text: string } | { body: string });

/** What every refusal of this service must be, whoever wrote it: ours, Fastify or Node. */
export function expectRefusal(answer: Answer, code: ErrorCode, ...secrets: string[]): void {
  const text = "text" in answer ? answer.text : answer.body;
  const { status } = catalogue[code];
  expect([answer.status, text]).toEqual([status, expect.stringContaining(`"${code}"`)]);
  const { error, ...rest } = JSON.parse(text) as { error: Record<string, unknown> };
  expect(rest).toEqual({});
  expect(error).toEqual({
    code,
    message: expect.any(String),
    ...(error["path"] ? { path: error["path"] } : {}),
  });
  expect(answer.headers["content-type"]).toMatch(/^application\/json/);
  expect(Buffer.byteLength(text)).toBeLessThan(768);
  expect(text).not.toMatch(/[\r\n]| at .+:\d+|node_modules|src\//);
  for (const secret of secrets) expect(text).not.toContain(secret);
  if (status === 429 || status === 503) expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
}
