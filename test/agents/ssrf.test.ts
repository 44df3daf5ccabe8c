import { createSocket } from "node:dgram";
import { promises as dns } from "node:dns";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { Toolbox } from "../../src/agents/toolbox.ts";
import { toldBy } from "./told.ts";
import { startToolServer, type ToolServer } from "./tool-server.ts";

/** What each name means, answer by answer; the last one stays. */
const zone: Record<string, string[]> = {
  "rebinds.test": ["127.0.0.2", "127.0.0.1"],
  "private.test": ["10.0.0.5"],
  "metadata.google.internal": ["169.254.169.254"],
  "metadata.goog": ["169.254.169.254"],
  "instance-data.ec2.internal": ["169.254.169.254"],
  "kubernetes.default.svc": ["10.96.0.1"],
  "127.0.0.1.nip.test": ["127.0.0.1"],
  "localtest.test": ["127.0.0.1"],
};

type NameServer = { port: number; asked: string[]; close(): Promise<void> };

/** A DNS server that speaks the protocol, and knows the zone above. */
async function startNameServer(): Promise<NameServer> {
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const question = query.subarray(12, at + 5);
    const isA = query.readUInt16BE(at + 1) === 1;
    const name = labels.join(".").toLowerCase();
    const times = asked.filter((each) => each === name).length;
    if (isA) asked.push(name);
    const answers = zone[name] ?? [];
    const ip = isA ? (answers[times] ?? answers.at(-1)) : undefined;
    const known = answers.length > 0;
    const head = Buffer.from([
      query[0] ?? 0,
      query[1] ?? 0,
      0x81,
      known ? 0x80 : 0x83,
      0,
      1,
      0,
      ip ? 1 : 0,
      0,
      0,
      0,
      0,
    ]);
    const record = ip
      ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...ip.split(".").map(Number)])
      : [];
    socket.send(Buffer.concat([head, question, Buffer.from(record)]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const close = () => new Promise<void>((done) => void socket.close(() => done()));
  return { port: socket.address().port, asked, close };
}

let names: NameServer;
let server: ToolServer;
let resolve: (host: string) => Promise<{ address: string; family: number }[]>;
beforeAll(async () => {
  names = await startNameServer();
  server = await startToolServer();
  const resolver = new dns.Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${names.port}`]);
  resolve = async (host) => (await resolver.resolve4(host)).map((address) => ({ address, family: 4 }));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await names.close();
});

/** What a model is told that asks for this URL. */
async function asked(url: string, allow: string[] = []): Promise<string> {
  const toolbox = new Toolbox({ egress: { allow: readEgressAllow(allow), resolve } });
  const tool = { name: "http_request", runtime: { type: "builtin" }, timeout_seconds: 5 };
  const [[text, status] = []] = await toldBy(toolbox, [tool], [{ name: "http_request", args: { url } }]);
  return `${status}: ${text}`;
}

const PORT = "{port}";

describe("a model that asks for what is inside gets none of it", () => {
  it.each([
    ["loopback", `http://127.0.0.1:${PORT}/`],
    ["loopback, short", `http://127.1:${PORT}/`],
    ["loopback, decimal", `http://2130706433:${PORT}/`],
    ["loopback, octal", `http://0177.0.0.01:${PORT}/`],
    ["loopback, hexadecimal", `http://0x7f000001:${PORT}/`],
    ["loopback, mixed bases", `http://0x7f.0.0x0.01:${PORT}/`],
    ["loopback, full-width digits", `http://１２７.０.０.１:${PORT}/`],
    ["loopback, with a trailing dot", `http://127.0.0.1.:${PORT}/`],
    ["loopback, percent-encoded", `http://%31%32%37.0.0.1:${PORT}/`],
    ["every address", `http://0.0.0.0:${PORT}/`],
    ["every address, short", `http://0:${PORT}/`],
    ["IPv6 loopback", `http://[::1]:${PORT}/`],
    ["IPv6 for every address", `http://[::]:${PORT}/`],
    ["IPv4 mapped to IPv6", `http://[::ffff:127.0.0.1]:${PORT}/`],
    ["IPv4 mapped, in hexadecimal", `http://[::ffff:7f00:1]:${PORT}/`],
    ["IPv4 in 6to4", `http://[2002:7f00:1::]:${PORT}/`],
    ["IPv4 behind NAT64", `http://[64:ff9b::7f00:1]:${PORT}/`],
    ["metadata", "http://169.254.169.254/latest/meta-data/"],
    ["metadata, decimal", "http://2852039166/"],
    ["metadata over IPv6", "http://[fd00:ec2::254]/"],
    ["metadata mapped to IPv6", "http://[::ffff:a9fe:a9fe]/"],
    ["metadata of Azure's wire server", "http://168.63.129.16/"],
    ["metadata of Alibaba", "http://100.100.100.200/"],
    ["metadata by its name", "http://metadata.google.internal/computeMetadata/v1/"],
    ["metadata by its name with a dot", "http://metadata.google.internal./"],
    ["metadata by its name in capitals", "http://METADATA.goog/"],
    ["metadata by AWS's name", "http://instance-data.ec2.internal/"],
    ["the cluster's API", "https://kubernetes.default.svc/"],
    ["a private address by a public name", "http://private.test/"],
    ["loopback by a name that holds it", `http://127.0.0.1.nip.test:${PORT}/`],
    ["loopback by any name", `http://localtest.test:${PORT}/`],
    ["private, class A", "http://10.0.0.1/"],
    ["private, class B", "http://172.16.0.1/"],
    ["private, class C", "http://192.168.0.1/"],
    ["link-local IPv6", "http://[fe80::1]/"],
  ])("%s: %s", async (_what, url) => {
    expect(await asked(url.replace(PORT, String(server.port)))).toMatch(/^error: egress_refused/);
    expect(server.seen).toEqual([]);
  });

  it.each([
    ["a user that looks like a host", `http://example.com@127.0.0.1:${PORT}/`],
    ["a user and a password", `http://a:b@127.0.0.1:${PORT}/`],
    ["a file", "file:///etc/passwd"],
    ["gopher", `gopher://127.0.0.1:${PORT}/_x`],
    ["a name with a zero", `http://127.0.0.1%00.example.com:${PORT}/`],
  ])("%s: %s", async (_what, url) => {
    expect(await asked(url.replace(PORT, String(server.port)))).toMatch(/^error: The arguments do not fit/);
    expect(server.seen).toEqual([]);
  });

  it("nor by a name that means something else when it is asked a second time", async () => {
    const url = `http://rebinds.test:${server.port}/`;

    // The first answer is allowed and nobody listens there; the second would be the server.
    const told = await asked(url, ["127.0.0.2"]);

    expect(told).toMatch(/^error: the connection failed \(ECONNREFUSED\); nothing was sent/);
    expect(names.asked.filter((name) => name === "rebinds.test")).toHaveLength(1);
    expect(server.seen).toEqual([]);
    // By now it means the refused one: what is asked anew is judged anew.
    expect(await asked(url, ["127.0.0.2"])).toMatch(/^error: egress_refused/);
  });

  it.each([301, 302, 303, 307, 308])("nor by a redirect with %d", async (status) => {
    await using door = await startToolServer();
    door.reply(
      (_request, response) => void response.writeHead(status, { location: `${server.url}/secret` }).end(),
    );

    const told = await asked(`http://127.0.0.1:${door.port}/`, [`127.0.0.1:${door.port}`]);

    expect(told).toMatch(new RegExp(`^error: HTTP ${status}.*redirects are not followed`));
    expect([door.seen.length, server.seen.length]).toEqual([1, 0]);
  });
});
