import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postTo } from "../../src/delivery/post.ts";
import { certificatesIn, readCertificates, withUsualRoots } from "../../src/delivery/trust.ts";
import { executeEvent } from "../support/agents.ts";
import { type Certificate, makeAuthority } from "../support/certificates.ts";
import { postEvent } from "../support/post.ts";
import { startTestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const ours = makeAuthority("Ours");
const theirs = makeAuthority("Theirs");

type TlsSink = { url: string; events: string[]; close(): void };

async function tlsSink(certificate: Certificate): Promise<TlsSink> {
  const events: string[] = [];
  const server: Server = createServer(certificate, (request, response) => {
    events.push(String(request.headers["ce-id"]));
    request.resume().on("end", () => response.writeHead(202).end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `https://127.0.0.1:${port}/`, events, close };
}

/** What one POST ends in. */
async function postOnce(url: string, ca: readonly string[] | undefined): Promise<unknown> {
  const poster = postTo(new URL(url), { timeoutSeconds: 5, ca });
  try {
    return await poster.post(JSON.stringify({ id: "1", datacontenttype: "application/json", data: {} }));
  } finally {
    poster.close();
  }
}
const trusting = (pem: string) => withUsualRoots(readCertificates(pem, "K_CA_CERTS"));

describe("a sink behind TLS", () => {
  let sink: TlsSink;
  beforeAll(async () => {
    sink = await tlsSink(ours.issue());
  });
  afterAll(() => sink.close());

  it("takes the event when its authority is among those of K_CA_CERTS, in whatever order", async () => {
    for (const pem of [ours.ca, `${theirs.ca}\n${ours.ca}`, `# a comment\n${ours.ca}${theirs.ca}`]) {
      expect(await postOnce(sink.url, trusting(pem))).toEqual({ kind: "taken" });
    }
  });

  it.each<[string, () => readonly string[] | undefined]>([
    ["nothing is given", () => undefined],
    ["another authority is given", () => trusting(theirs.ca)],
  ])("is not trusted when %s: it is tried again later, with a reason that says what to do", async (_, ca) => {
    const before = sink.events.length;

    expect(await postOnce(sink.url, ca())).toEqual({
      kind: "later",
      reason: expect.stringMatching(/^certificate not trusted: its CA belongs in K_CA_CERTS \([A-Z_]+\)$/),
    });
    expect(sink.events).toHaveLength(before);
  });

  it.each<[string, () => Certificate, string]>([
    ["that has expired", () => ours.issue({ days: -1 }), "certificate expired (CERT_HAS_EXPIRED)"],
    [
      "for another name",
      () => ours.issue({ names: ["DNS:elsewhere.example"] }),
      "certificate is for another host name (ERR_TLS_CERT_ALTNAME_INVALID)",
    ],
  ])("with a certificate %s is not trusted", async (_, certificate, reason) => {
    const other = await tlsSink(certificate());

    expect(await postOnce(other.url, trusting(ours.ca))).toEqual({ kind: "later", reason });

    expect(other.events).toEqual([]);
    other.close();
  });

  it("that speaks no TLS is said to", async () => {
    const plain = createPlainServer().listen(0, "127.0.0.1");
    await once(plain, "listening");
    const { port } = plain.address() as { port: number };

    const result = await postOnce(`https://127.0.0.1:${port}/`, undefined);

    expect(result).toEqual({ kind: "later", reason: "no TLS is spoken there (EPROTO)" });
    plain.close();
  });
});

describe("trusted certificates", () => {
  it("come beside the usual ones, not in their place", () => {
    const usual = withUsualRoots([]);

    expect(usual.length).toBeGreaterThan(50);
    expect(withUsualRoots([ours.ca])).toHaveLength(usual.length + 1);
  });

  it.each([
    ["nothing to read", "not PEM", "K_CA_CERTS holds no certificate in PEM form"],
    ["a private key", ours.issue().key, "K_CA_CERTS holds no certificate in PEM form"],
    [
      "one that is broken",
      `${ours.ca}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`,
      "K_CA_CERTS: certificate 2 of 2 cannot be read",
    ],
  ])("are refused when there is %s, without a word of what it was", (_, pem, message) => {
    expect(() => readCertificates(pem, "K_CA_CERTS")).toThrow(new Error(message));
  });

  it("are read from all files of a folder that hold some; no folder is no certificate", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bundles-"));
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "a.pem"), ours.ca + theirs.ca);
    writeFileSync(join(folder, "b.crt"), ours.ca);
    writeFileSync(join(folder, "note.txt"), "nothing here");

    expect(await certificatesIn(folder)).toHaveLength(3);
    expect(await certificatesIn(join(folder, "missing"))).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

describe("the service with a sink behind TLS", () => {
  const resultOf = async (env: Record<string, string>, expected: number) => {
    const sink = await tlsSink(ours.issue());
    const service = await startTestService({
      K_SINK: sink.url,
      K_SINK_TIMEOUT: "2",
      SINK_DEADLINE_SECONDS: "1",
      ...env,
    });
    const event = executeEvent();
    const reply = await postEvent(service.url, event);
    const read = async () => {
      const [row] = await service.database.sql(
        "select delivered_at is not null as delivered, parked_at is not null as parked, last_error, attempts from agent_executor.outbox",
      );
      return row?.["delivered"] || row?.["last_error"] ? row : undefined;
    };
    const row = await until(read, { what: "an attempt" });
    await service.close();
    sink.close();
    expect(reply.status).toBe(expected);
    return row;
  };

  it("delivers with K_CA_CERTS as PEM text", async () => {
    expect(await resultOf({ K_CA_CERTS: ours.ca }, 200)).toMatchObject({ delivered: true });
  });

  it("keeps the result with a clear reason, and for another try, when it has another authority", async () => {
    const row = await resultOf({ K_CA_CERTS: theirs.ca }, 503);

    expect(row).toMatchObject({ delivered: false, parked: false });
    expect(row["last_error"]).toContain("its CA belongs in K_CA_CERTS");
  });

  it("does not start with a K_CA_CERTS that is none", async () => {
    await expect(startTestService({ K_SINK: "https://sink.example", K_CA_CERTS: "no PEM" })).rejects.toThrow(
      "K_CA_CERTS holds no certificate in PEM form",
    );
  });
});
