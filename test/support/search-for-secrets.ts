import { Redis } from "ioredis";
import { serviceUrl } from "./environment.ts";
import { testimonies, Witness } from "./witness.ts";

/**
 * The last word on secrets: what all test files saw, and the frames that they left in Redis, searched for
 * the secrets of all of them. Throws where one was shown, which fails the run.
 */
export async function searchForSecrets(folder: string): Promise<string> {
  const { secrets, searched, hits } = testimonies(folder);
  const inRedis = new Witness();
  for (const secret of secrets) inRedis.know(secret);
  const frames = await searchFrames(inRedis);
  const all = [...hits, ...inRedis.hits];
  if (all.length > 0) throw new Error(`secrets were shown:\n${all.join("\n")}`);
  const kinds = Object.entries({ ...searched, "frames left in Redis": frames });
  const sizes = kinds.map(([kind, size]) => `${(size / 2 ** 20).toFixed(1)} MiB of ${kind}`).join(", ");
  return `secrets: none of ${secrets.length} shown in ${sizes}`;
}

async function searchFrames(witness: Witness): Promise<number> {
  const redis = new Redis(serviceUrl("redis"));
  let size = 0;
  try {
    for await (const keys of redis.scanStream({ match: "langgraph:log:*", count: 1000 })) {
      for (const key of keys as string[]) {
        for (const [, fields] of await redis.xrange(key, "-", "+")) {
          const frame = fields.join(" ");
          size += frame.length;
          witness.see("frames", frame);
        }
      }
    }
    return size;
  } finally {
    redis.disconnect();
  }
}
