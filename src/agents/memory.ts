import type { Queryable } from "../postgres/database.ts";
import type { MemoryScope } from "./builtin-names.ts";
import { type Args, ArgumentProblem } from "./templates.ts";
import { failed, succeeded, type ToolOutcome, type ToolWork } from "./tool-outcome.ts";

const MAX_VALUE_BYTES = 64 * 1024;
const MAX_ENTRIES = 1000;
const MAX_LISTED = 200;

type Place = { db: Queryable | undefined; jobId: string | undefined; scope: MemoryScope };

/** Whose memory it is: the job's own, which goes with it, or that of everybody's jobs who owns this one. */
const SCOPE = `
  select case when $2 = 'job' then 'job:' || job_id else 'owner:' || coalesce(owner, '') end as scope,
         case when $2 = 'job' then job_id end as job_id
    from jobs where job_id = $1`;

const GET = `with s as (${SCOPE}) select m.value from memory m join s on s.scope = m.scope where m.key = $3`;

const FORGET = `with s as (${SCOPE}) delete from memory m using s where m.scope = s.scope and m.key = $3`;

/** Gives a row unless the memory is full. The count may be off by calls that run at the same time. */
const PUT = `
  with s as (${SCOPE}), n as (select count(*) as entries from memory m join s on s.scope = m.scope
                               where m.key <> $3)
  insert into memory (scope, job_id, key, value)
  select s.scope, s.job_id, $3, $4 from s, n where n.entries < $5
  on conflict (scope, key) do update set value = excluded.value, updated_at = now()
  returning key`;

const LIST = `
  with s as (${SCOPE})
  select m.key from memory m join s on s.scope = m.scope
   where left(m.key, length($3)) = $3 order by m.key limit $4`;

type MemoryTool = "memory_get" | "memory_put" | "memory_list";

export function memoryWork(name: MemoryTool, args: Args, place: Place): ToolWork {
  const { db, jobId } = place;
  const key = String(args[name === "memory_list" ? "prefix" : "key"] ?? "");
  if (key.includes("\0")) throw new ArgumentProblem("a key must hold no zero character");
  if (db === undefined || jobId === undefined) return async () => failed("there is no memory outside a job");
  const values = [jobId, place.scope, key] as const;
  switch (name) {
    case "memory_get":
      return async () => {
        const [row] = await db.query<{ value: string }>("memory-get", GET, values);
        return row === undefined ? succeeded("nothing is remembered under this key") : succeeded(row.value);
      };
    case "memory_put":
      return () => put(db, values, args["value"]);
    case "memory_list":
      return async () => {
        const rows = await db.query<{ key: string }>("memory-list", LIST, [...values, MAX_LISTED]);
        return succeeded({ keys: rows.map((row) => row.key), more: rows.length === MAX_LISTED });
      };
  }
}

async function put(
  db: Queryable,
  values: readonly [string, string, string],
  value: unknown,
): Promise<ToolOutcome> {
  if (value === null || value === undefined) {
    await db.query("memory-forget", FORGET, values);
    return succeeded("forgotten");
  }
  const text = JSON.stringify(value).replaceAll("\\u0000", "");
  if (Buffer.byteLength(text) > MAX_VALUE_BYTES) {
    return failed(`the value is longer than ${MAX_VALUE_BYTES} bytes; nothing was remembered`);
  }
  const rows = await db.query("memory-put", PUT, [...values, text, MAX_ENTRIES]);
  if (rows.length > 0) return succeeded("remembered");
  return failed(`${MAX_ENTRIES} entries are remembered already; forget some by putting null`);
}
