import type { VaultApi } from "./api.ts";
import { isMissing, VaultFailure } from "./failure.ts";
import type { Session } from "./session.ts";

export type KvOptions = { session: Session; api: VaultApi; mount: string; prefix: string };

/** The newest version of a KV v2 secret; undefined where there is none, or where it was deleted. */
export async function readKv(
  { session, api, mount, prefix }: KvOptions,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const path = `${mount}/data/${prefix}/${name}`;
  const envelope = await session
    .use(path, (token) => api.read(token, path))
    .catch((error: unknown) => {
      if (isMissing(error)) return undefined; // also a deleted version: its envelope comes with 404
      throw error;
    });
  if (envelope === undefined) return undefined;
  const { data } = (envelope.data ?? {}) as { data?: unknown };
  if (typeof data !== "object" || data === null) {
    throw new VaultFailure(`${path} holds no fields: is VAULT_KV_MOUNT a KV engine of version 2?`);
  }
  return data as Record<string, unknown>;
}
