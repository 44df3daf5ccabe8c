import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

export async function seeDoctor(args: readonly string[], { checks, print }: CliTools): Promise<void> {
  const asJson = args[0] === "--json";
  if (args.length > (asJson ? 1 : 0)) throw new UsageError("doctor takes --json, or nothing");
  const { examine, lineOf } = await import("./doctor.ts");
  const findings = await examine(await checks());
  const sick = findings.filter(({ ok }) => !ok).length;
  if (asJson) print(JSON.stringify({ ok: sick === 0, checks: findings }, null, 2));
  else for (const finding of findings) print(lineOf(finding));
  if (sick > 0) throw new Error(`${sick} of ${findings.length} checks found a problem`);
}
