import { pause } from "../lifetime/pause.ts";

/** One thing that the service depends on. */
export type Check = {
  name: string;
  /** Says in a few words what is there; throws when it is not as it must be. */
  look(): Promise<string>;
  /** What to do about a failure, unless the failure itself knows better. */
  fix: string;
};

/** A failure that knows its fix. */
export class Problem extends Error {
  readonly fix: string;

  constructor(what: string, fix: string) {
    super(what);
    this.fix = fix;
  }
}

export type Finding = { name: string; ok: boolean; detail: string; fix?: string; ms: number };

const LONGEST_MS = 8000;

/** All at once: what is away must not keep the others waiting. */
export async function examine(checks: readonly Check[], withinMs = LONGEST_MS): Promise<Finding[]> {
  return await Promise.all(
    checks.map(async ({ name, look, fix }) => {
      const startedAt = performance.now();
      const ms = () => Math.round(performance.now() - startedAt);
      const tooLate = pause(withinMs).then(() => {
        throw new Error(`no answer within ${withinMs / 1000} s`);
      });
      tooLate.catch(() => undefined); // the other one may have come first
      try {
        return { name, ok: true, detail: await Promise.race([look(), tooLate]), ms: ms() };
      } catch (error) {
        const detail = messageOf(error);
        return { name, ok: false, detail, fix: error instanceof Problem ? error.fix : fix, ms: ms() };
      }
    }),
  );
}

/** One line each. */
export function lineOf({ name, ok, detail, fix }: Finding): string {
  const line = `${ok ? "ok     " : "problem"}  ${name.padEnd(14)} ${detail}`;
  return (fix === undefined ? line : `${line}. Fix: ${fix}`).replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}

/** Node's errors of several addresses have a text only inside. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message || ("code" in error ? String(error.code) : error.name);
}
