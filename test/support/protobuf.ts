/** A message by its field numbers, each with all its values: numbers for varints, bytes for all else. */
export type Fields = Map<number, (bigint | Buffer)[]>;

/** Reads one message of protobuf's wire format; throws at what is none. */
export function readFields(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error("a varint is cut off");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error("a field is cut off");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const type = tag & 7;
    const value =
      type === 0
        ? varint()
        : type === 1
          ? take(8)
          : type === 5
            ? take(4)
            : type === 2
              ? take(Number(varint()))
              : undefined;
    if (value === undefined) throw new Error(`wire type ${type} is not known`);
    const number = tag >> 3;
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

export function bytesOf(fields: Fields, number: number): Buffer[] {
  return (fields.get(number) ?? []).filter((value): value is Buffer => typeof value !== "bigint");
}

export function textOf(fields: Fields, number: number): string {
  return bytesOf(fields, number)[0]?.toString("utf8") ?? "";
}

export function numberOf(fields: Fields, number: number): number {
  const [value] = fields.get(number) ?? [];
  return typeof value === "bigint" ? Number(value) : 0;
}
