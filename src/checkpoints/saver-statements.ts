import type { Fenced } from "./run-writer.ts";

const WRITES = `, written as (
    insert into checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob)
    select $3, $4, $5, $6, w.idx, w.channel, w.type, decode(w.content, 'base64')
      from fence, unnest($7::integer[], $8::text[], $9::text[], $10::text[]) as w (idx, channel, type, content)
    on conflict (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)`;

export const ADD_WRITES: Fenced = {
  name: "saver-writes",
  rest: `${WRITES} do nothing) select 1 from fence`,
  isResult: true,
};

export const REPLACE_WRITES: Fenced = {
  name: "saver-replace-writes",
  rest: `${WRITES}
      do update set channel = excluded.channel, type = excluded.type, blob = excluded.blob)
  select 1 from fence`,
};

export const FORGET: Fenced = {
  name: "saver-forget",
  rest: `,
    blobs as (delete from checkpoint_blobs using fence where thread_id = $3),
    writes as (delete from checkpoint_writes using fence where thread_id = $3),
    roots as (delete from checkpoints using fence where thread_id = $3)
  select 1 from fence`,
};
