import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { bytesOf, type Fields, numberOf, readFields, textOf } from "./protobuf.ts";

export type SeenSpan = {
  traceId: string;
  spanId: string;
  parentId: string;
  name: string;
  kind: "internal" | "server" | "client" | "producer" | "consumer" | "unspecified";
  startMs: number;
  durationMs: number;
  attributes: Record<string, unknown>;
  links: { traceId: string; spanId: string }[];
  isError: boolean;
  resource: Record<string, unknown>;
};

export type Collector = {
  url: string;
  spans: SeenSpan[];
  requests: number;
  /** From now on each export gets this status, or no answer at all. */
  answer(status: number | "never"): void;
  close(): Promise<void>;
};

/** A collector that speaks OTLP over HTTP, in protobuf. */
export async function startCollector(): Promise<Collector> {
  const seen = { spans: [] as SeenSpan[], requests: 0 };
  let status: number | "never" = 200;
  const server = createServer(async (request, response) => {
    const body = await buffer(request).catch(() => Buffer.alloc(0));
    seen.requests++;
    if (status === "never") return;
    if (request.url !== "/v1/traces" || request.headers["content-type"] !== "application/x-protobuf") {
      response.writeHead(415).end();
      return;
    }
    if (status === 200) {
      const isZipped = request.headers["content-encoding"] === "gzip";
      seen.spans.push(...readRequest(isZipped ? gunzipSync(body) : body));
    }
    response.writeHead(status, { "content-type": "application/x-protobuf" }).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return Object.assign(seen, {
    url: `http://127.0.0.1:${port}`,
    answer: (next: number | "never") => {
      status = next;
    },
    close: () =>
      new Promise<void>((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  });
}

function readRequest(body: Buffer): SeenSpan[] {
  return nested(readFields(body), 1).flatMap((ofResource) => {
    const [resource] = nested(ofResource, 1);
    const attributes = resource === undefined ? {} : readAttributes(resource, 1);
    return nested(ofResource, 2).flatMap((ofScope) =>
      nested(ofScope, 2).map((each) => readSpan(each, attributes)),
    );
  });
}

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;

function readSpan(span: Fields, resource: Record<string, unknown>): SeenSpan {
  const [started, ended] = [nanoseconds(span, 7), nanoseconds(span, 8)];
  const [status] = nested(span, 15);
  return {
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parentId: hex(span, 4),
    name: textOf(span, 5),
    kind: KINDS[numberOf(span, 6)] ?? "unspecified",
    startMs: Number(started / 1000n) / 1000,
    durationMs: Number((ended - started) / 1000n) / 1000,
    attributes: readAttributes(span, 9),
    links: nested(span, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    isError: status !== undefined && numberOf(status, 3) === 2,
    resource,
  };
}

function readAttributes(fields: Fields, number: number): Record<string, unknown> {
  const pairs = nested(fields, number).map((pair) => {
    const [value] = nested(pair, 2);
    return [textOf(pair, 1), value === undefined ? undefined : readValue(value)];
  });
  return Object.fromEntries(pairs);
}

function readValue(value: Fields): unknown {
  if (value.has(1)) return textOf(value, 1);
  if (value.has(2)) return numberOf(value, 2) === 1;
  if (value.has(3)) return numberOf(value, 3);
  if (value.has(4)) return bytesOf(value, 4)[0]?.readDoubleLE();
  return nested(value, 5).flatMap((list) => nested(list, 1).map(readValue));
}

const nested = (fields: Fields, number: number) => bytesOf(fields, number).map(readFields);
const hex = (fields: Fields, number: number) => bytesOf(fields, number)[0]?.toString("hex") ?? "";
const nanoseconds = (fields: Fields, number: number) => bytesOf(fields, number)[0]?.readBigUInt64LE() ?? 0n;
