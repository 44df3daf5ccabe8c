import { readFile } from "node:fs/promises";
import type { Redis } from "ioredis";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { FrameLog } from "../streaming/frame-log.ts";
import type { RedisAddress } from "../streaming/redis-link.ts";

export type Streams = {
  frames: FrameLog;
  usesRedis: boolean;
  /** The connection while it is up, for others who have small things to ask; absent where there is no Redis. */
  redis: (() => Redis | undefined) | undefined;
  /** Whether readers can be reached now, and whether they ever could. */
  state(): { isUp: boolean; wasUp: boolean };
  close(): Promise<void>;
};

/** In Redis where there is one, so that every process can serve every reader; else in this process. */
export async function openStreams(
  config: Config,
  secrets: Secrets | undefined,
  log: Logger,
): Promise<Streams> {
  const limits = config.streams;
  const address = config.redis ? redisAddress(config.redis) : addressByVault(config, secrets);
  if (address === undefined) {
    const { LocalLog } = await import("../streaming/local-log.ts");
    const up = { isUp: true, wasUp: true };
    const frames = new LocalLog(limits);
    return { frames, usesRedis: false, redis: undefined, state: () => up, close: async () => undefined };
  }
  const { RedisLog } = await import("../streaming/redis-log.ts");
  const frames = new RedisLog({ address, limits, log });
  if (config.redis === undefined) secrets?.on("redis", () => frames.reconnect());
  return {
    ...{ frames, usesRedis: true, redis: () => frames.connection },
    ...{ state: () => frames.state(), close: () => frames.close() },
  };
}

/** Where Redis is by Vault; undefined where that names none, which production does not get past. */
function addressByVault({ redisCaFile: caFile }: Config, secrets: Secrets | undefined) {
  if (secrets?.values.redis === undefined) return undefined;
  return async (): Promise<RedisAddress> => {
    const { host, port, password } = secrets.values.redis ?? { host: "", port: 0 };
    return { host, port, password, tls: caFile !== undefined, ca: await authorities(caFile) };
  };
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
