import { catalogue, type ErrorCode } from "../errors/catalogue.ts";

export type Json = Record<string, unknown>;

export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const json = (schema: Json): Json => ({ "application/json": { schema } });

/** One answer for each status that these errors share, with their meanings as its description. */
export function refusals(...codes: ErrorCode[]): Record<string, Json> {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) {
    const { status, means } = catalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${means}`]);
  }
  const answers = [...byStatus].map(([status, lines]) => [
    String(status),
    { description: lines.join("\n\n"), content: json(ref("Error")) },
  ]);
  return Object.fromEntries(answers);
}

export const timestamp: Json = { type: "string", format: "date-time" };
export const nullable = (schema: Json): Json => ({ anyOf: [schema, { type: "null" }] });
export const jobIdParameter: Json = {
  name: "job_id",
  in: "path",
  required: true,
  schema: { type: "string" },
};
