import { createHash, randomBytes } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The same UUID for the same namespace and name (RFC 9562, 5.5). */
export function uuidV5(namespace: string, name: string): string {
  if (!UUID.test(namespace)) throw new TypeError("the namespace of a version 5 UUID must be a UUID");
  const hash = createHash("sha1");
  hash.update(Buffer.from(namespace.replaceAll("-", ""), "hex")).update(name, "utf8");
  return format(hash.digest(), 5);
}

let lastMs = -1;
let counter = 0;

/** A UUID that sorts by time (RFC 9562, 5.7), also among those of one millisecond in this process. */
export function uuidV7(now: number = Date.now()): string {
  const random = randomBytes(16);
  // 42 bits count within a millisecond; they start below half, so that they cannot run over.
  counter = now === lastMs ? counter + 1 : random.readUIntBE(0, 6) % 2 ** 41;
  lastMs = now;
  random.writeUIntBE(now, 0, 6);
  random.writeUInt16BE(Math.floor(counter / 2 ** 30), 6);
  random.writeUInt32BE(counter % 2 ** 30, 8);
  return format(random, 7);
}

/** Puts version and variant into 16 bytes, over whatever stood in their bits. */
function format(bytes: Buffer, version: number): string {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex", 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
