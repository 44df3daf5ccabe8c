/** A checkpoint in the words of the tables; blobs are the values of the channels that changed. */
export type CheckpointRows = {
  threadId: string;
  ns: string;
  id: string;
  parentId: string | undefined;
  /** JSON. */
  body: string;
  metadata: Readonly<Record<string, unknown>>;
  blobs: readonly BlobRow[];
};

type BlobRow = { channel: string; version: string; type: string; content: Uint8Array | undefined };

/**
 * CTEs that write checkpoints within a statement, if the CTE named by `gate` has a row. Arrays of base64 text:
 * both drivers write text arrays alike, bytea arrays they do not. `after` values stand before theirs.
 */
export function carried(gate: string, after: number): string {
  const $ = (place: number) => `$${after + place}`;
  return `
    kept_blobs as (
      insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
      select ${$(1)}, b.ns, b.channel, b.version, b.type, decode(b.content, 'base64')
        from ${gate}, unnest(${$(2)}::text[], ${$(3)}::text[], ${$(4)}::text[], ${$(5)}::text[], ${$(6)}::text[])
                        as b (ns, channel, version, type, content)
      on conflict do nothing),
    kept as (
      insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
      select ${$(1)}, c.ns, c.id, c.parent, c.body::jsonb, c.metadata::jsonb
        from ${gate}, unnest(${$(7)}::text[], ${$(8)}::text[], ${$(9)}::text[], ${$(10)}::text[], ${$(11)}::text[])
                        as c (ns, id, parent, body, metadata)
      on conflict (thread_id, checkpoint_ns, checkpoint_id)
        do update set checkpoint = excluded.checkpoint, metadata = excluded.metadata)`;
}

/** A CTE that adds to the metadata of a checkpoint that is written already: thread, id, and JSON. */
export function noting(gate: string, after: number): string {
  return `noted as (
    update checkpoints set metadata = metadata || $${after + 3}::jsonb from ${gate}
     where thread_id = $${after + 1} and checkpoint_ns = '' and checkpoint_id = $${after + 2})`;
}

/** The values for `carried`, and how much they are; `spent` is noted with the newest of the run's own graph. */
export function valuesOf(
  checkpoints: readonly CheckpointRows[],
  spent: object | undefined,
): { values: unknown[]; bytes: number } {
  const newest = checkpoints.findLast(({ ns }) => ns === "");
  const metadata = checkpoints.map((each) =>
    JSON.stringify(each === newest && spent ? { ...each.metadata, spent } : each.metadata),
  );
  const blobs = checkpoints.flatMap(({ ns, blobs: own }) => own.map((blob) => ({ ns, ...blob })));
  const bodies = checkpoints.map(({ body }) => body);
  const values = [
    checkpoints[0]?.threadId,
    blobs.map(({ ns }) => ns),
    blobs.map(({ channel }) => channel),
    blobs.map(({ version }) => version),
    blobs.map(({ type }) => type),
    blobs.map(({ content }) => base64(content)),
    checkpoints.map(({ ns }) => ns),
    checkpoints.map(({ id }) => id),
    checkpoints.map(({ parentId }) => parentId ?? null),
    bodies,
    metadata,
  ];
  const texts = [...bodies, ...metadata].reduce((sum, text) => sum + text.length, 0);
  return { values, bytes: texts + sizeOf(blobs.map(({ content }) => content)) };
}

export function sizeOf(parts: readonly (Uint8Array | undefined)[]): number {
  return parts.reduce((sum, part) => sum + (part?.byteLength ?? 0), 0);
}

export function base64(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
