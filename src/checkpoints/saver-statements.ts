import { FENCE } from "./fence.ts";

// Arrays of base64 text: both drivers write text arrays alike, bytea arrays they do not.
export const PUT = `
  with ${FENCE}, blobs as (
    insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    select $3, $4, b.channel, b.version, b.type, decode(b.content, 'base64')
      from fence, unnest($5::text[], $6::text[], $7::text[], $8::text[]) as b (channel, version, type, content)
    on conflict do nothing)
  insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
  select $3, $4, $9, $10, $11::jsonb, $12::jsonb from fence
  on conflict (thread_id, checkpoint_ns, checkpoint_id)
    do update set checkpoint = excluded.checkpoint, metadata = excluded.metadata
  returning 1`;

const WRITES = `
  with ${FENCE}, written as (
    insert into checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob)
    select $3, $4, $5, $6, w.idx, w.channel, w.type, decode(w.content, 'base64')
      from fence, unnest($7::integer[], $8::text[], $9::text[], $10::text[]) as w (idx, channel, type, content)
    on conflict (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)`;
export const ADD_WRITES = `${WRITES} do nothing) select 1 from fence`;
export const REPLACE_WRITES = `${WRITES}
      do update set channel = excluded.channel, type = excluded.type, blob = excluded.blob)
  select 1 from fence`;

export const FORGET = `
  with ${FENCE},
    blobs as (delete from checkpoint_blobs using fence where thread_id = $3),
    writes as (delete from checkpoint_writes using fence where thread_id = $3),
    roots as (delete from checkpoints using fence where thread_id = $3)
  select 1 from fence`;
