import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import type { FrameLog } from "../streaming/frame-log.ts";
import type { RedisAddress } from "../streaming/redis-link.ts";

export type Streams = {
  frames: FrameLog;
  /** Whether readers can be reached now, and whether they ever could. */
  state(): { isUp: boolean; wasUp: boolean };
  close(): Promise<void>;
};

/** In Redis where there is one, so that every process can serve every reader; else in this process. */
export async function openStreams({ redis, streams: limits }: Config, log: Logger): Promise<Streams> {
  if (redis === undefined) {
    const { LocalLog } = await import("../streaming/local-log.ts");
    const up = { isUp: true, wasUp: true };
    return { frames: new LocalLog(limits), state: () => up, close: async () => undefined };
  }
  const { RedisLog } = await import("../streaming/redis-log.ts");
  const frames = new RedisLog({ address: redisAddress(redis), limits, log });
  return { frames, state: () => frames.state(), close: () => frames.close() };
}

/** What to connect to, asked at each connection. */
export function redisAddress({
  caFile,
  ...server
}: NonNullable<Config["redis"]>): () => Promise<RedisAddress> {
  return async () => ({ ...server, ca: await authorities(caFile) });
}

/** Read at each connection: the file may be a mounted secret that changes. */
async function authorities(file: string | undefined): Promise<readonly string[] | undefined> {
  if (file === undefined) return undefined;
  const { readCertificates, withUsualRoots } = await import("../delivery/trust.ts");
  return withUsualRoots(readCertificates(await readFile(file, "utf8"), "REDIS_CACERT"));
}
