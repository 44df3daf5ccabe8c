import { createServer } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Egress, type EgressOptions, type EgressRequest, kindOf } from "../../src/agents/egress.ts";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { answer, startToolServer, type ToolServer } from "./tool-server.ts";

let server: ToolServer;
beforeAll(async () => {
  server = await startToolServer();
});
beforeEach(() => {
  server.seen.length = 0;
});
afterAll(() => server[Symbol.asyncDispose]());

type Addresses = Awaited<ReturnType<NonNullable<EgressOptions["resolve"]>>>;
const v4 = (address: string) => ({ address, family: 4 });
const v6 = (address: string) => ({ address, family: 6 });

/** Only what the operator lists, and only names of this zone. */
function egress(allow: string[] = [], zone: Record<string, Addresses> = {}): Egress {
  const resolve = async (host: string) => {
    const found = zone[host];
    if (found === undefined) throw Object.assign(new Error(host), { code: "ENOTFOUND" });
    return found;
  };
  return new Egress({ allow: readEgressAllow(allow), resolve });
}

function request(url: string, changes: Partial<EgressRequest> = {}): EgressRequest {
  return {
    ...{ method: "GET", url: new URL(url), headers: {}, body: undefined, signal: undefined },
    ...{ seconds: 5, maxBytes: 1000, endsOnceSent: false },
    ...changes,
  };
}

const outcome = (way: Egress, url: string, changes: Partial<EgressRequest> = {}) =>
  way.send(request(url, changes)).then(
    ({ status }) => status,
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );

describe("what is not public is not reached", () => {
  it.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.8.9.10/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://0x7f.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://198.18.0.1/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://１２７.0.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:808:808::]/",
    "http://[2001:0:1::]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::808:808]/",
    "http://[100::1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[4000::1]/",
    "https://10.0.0.1:8443/",
    "ftp://93.184.216.34/",
    "file:///etc/passwd",
  ])("%s", async (url) => {
    expect(await outcome(egress(), url)).toBe("egress_refused");
  });

  it.each([
    ["localhost", [v4("127.0.0.1")]],
    ["localhost.", [v4("127.0.0.1")]],
    ["metadata.google.internal", [v4("169.254.169.254")]],
    ["mixed.test", [v4("93.184.216.34"), v4("10.0.0.1")]],
    ["mixed6.test", [v4("93.184.216.34"), v6("::1")]],
    ["scoped.test", [v6("fe80::1%eth0")]],
    ["mapped.test", [v6("::ffff:10.0.0.1")]],
  ])("%s, by what its name means", async (host, addresses) => {
    expect(await outcome(egress([], { [host]: addresses }), `http://${host}/`)).toBe("egress_refused");
  });

  it.each(["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"])(
    "but %s is public",
    (address) => {
      expect(kindOf(address)).toBe("unicast"); // and not asked: tests reach no public server
    },
  );
});

describe("what the operator lists is reached", () => {
  const zone = { "tools.test": [v4("127.0.0.1")] };
  const at = (host: string) => `http://${host}:${server.port}/`;

  it.each([
    [["127.0.0.1"], "127.0.0.1"],
    [["127.0.0.0/8"], "127.0.0.1"],
    [["10.0.0.0/8", "127.0.0.1/32"], "127.0.0.1"],
    [["127.0.0.0/8"], "tools.test"],
    [["127.0.0.1"], "tools.test"],
    [["tools.test"], "tools.test"],
    [["Tools.TEST"], "tools.test"],
    [["127.0.0.0/8"], "[::ffff:127.0.0.1]"],
  ])("%j: %s", async (allow, host) => {
    expect(await outcome(egress(allow, zone), at(host))).toBe(200);
    expect(server.seen[0]?.headers.host).toBe(new URL(at(host)).host);
  });

  it("by its port too", async () => {
    expect(await outcome(egress([`tools.test:${server.port}`], zone), at("tools.test"))).toBe(200);
    expect(await outcome(egress([`127.0.0.1:${server.port}`], zone), at("127.0.0.1"))).toBe(200);
    expect(await outcome(egress(["tools.test:1"], zone), at("tools.test"))).toBe("egress_refused");
    expect(await outcome(egress(["tools.test:80"], zone), at("tools.test"))).toBe("egress_refused");
    expect(await outcome(egress(["other.test"], zone), at("tools.test"))).toBe("egress_refused");
    expect(await outcome(egress(["127.0.0.2", "127.0.0.4/30"], zone), at("127.0.0.1"))).toBe(
      "egress_refused",
    );
  });

  it.each([
    "10.0.0.0/33",
    "10.0.0/8",
    "a/b",
    "::1/129",
    "h:0",
    "h:70000",
    "a b",
    "http://h",
    "*",
    "user@h",
    "h:",
  ])("but %j is no way to list it", (item) => {
    expect(() => readEgressAllow([item])).toThrow(`EGRESS_ALLOW: ${JSON.stringify(item)}`);
  });

  it.each(["h", "h:80", "[::1]", "[::1]:80", "::1", "fd00::/8", "10.0.0.0/8", "a-b.c_d.test"])(
    "%j is one",
    (item) => {
      expect(() => readEgressAllow([item])).not.toThrow();
    },
  );
});

describe("a connection", () => {
  it("goes to the address that was checked, although the name means another a moment later", async () => {
    let asked = 0;
    const resolve = async () => [v4(asked++ === 0 ? "127.0.0.1" : "10.0.0.1")];
    const way = new Egress({ allow: readEgressAllow(["127.0.0.1"]), resolve });
    expect(await outcome(way, `http://rebind.test:${server.port}/`)).toBe(200);
    expect(asked).toBe(1);
    expect(await outcome(way, `http://rebind.test:${server.port}/`)).toBe("egress_refused");
    expect(server.seen).toHaveLength(1);
  });

  it("follows no redirect", async () => {
    server.reply(answer(302, "", { location: "http://169.254.169.254/" }));
    const { status, headers } = await egress(["127.0.0.1"]).send(request(server.url));
    expect([status, headers.location]).toEqual([302, "http://169.254.169.254/"]);
    server.reply(answer(200));
  });

  it("is not trusted without a certificate", async () => {
    const sent = await outcome(egress(["127.0.0.1"]), server.url.replace("http:", "https:"));
    expect(sent).toMatchObject({ sent: false, message: expect.stringContaining("the connection failed") });
  });

  it("that upgrades or talks another protocol is a failure", async () => {
    const foreign = createServer((socket) => {
      socket.once("data", () =>
        socket.end("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      );
    });
    await new Promise<void>((done) => foreign.listen(0, "127.0.0.1", () => done()));
    const { port } = foreign.address() as { port: number };
    expect(await outcome(egress(["127.0.0.1"]), `http://127.0.0.1:${port}/`)).toMatchObject({ sent: true });
    foreign.close();
  });
});

describe("a name", () => {
  it("that nobody knows, or that has no address, is a failure before anything was sent", async () => {
    const sent = await outcome(egress([], { "empty.test": [] }), "http://unknown.test/");
    expect(sent).toMatchObject({ sent: false, message: expect.stringContaining("ENOTFOUND") });
    expect(await outcome(egress([], { "empty.test": [] }), "http://empty.test/")).toMatchObject({
      sent: false,
    });
  });

  it("that takes for ever is given up, by time and by abort", async () => {
    const way = new Egress({ allow: readEgressAllow([]), resolve: () => new Promise(() => {}) });
    expect(await outcome(way, "http://slow.test/", { seconds: 0.05 })).toMatchObject({ sent: false });
    const abort = new AbortController();
    const sent = outcome(way, "http://slow.test/", { signal: abort.signal });
    abort.abort("enough");
    expect(await sent).toBe("enough");
  });
});

describe("an abort", () => {
  const hanging = () => server.reply(() => undefined);

  it("cuts a request that may be cut", async () => {
    hanging();
    const abort = new AbortController();
    const sent = outcome(egress(["127.0.0.1"]), server.url, { signal: abort.signal });
    await expect.poll(() => server.seen.length).toBe(1);
    abort.abort("enough");
    expect(await sent).toBe("enough");
  });

  it("does not cut one that ends once it is sent", async () => {
    let go = () => {};
    server.reply((seen, response) => {
      go = () => answer(201)(seen, response);
    });
    const abort = new AbortController();
    const sent = outcome(egress(["127.0.0.1"]), server.url, { signal: abort.signal, endsOnceSent: true });
    await expect.poll(() => server.seen.length).toBe(1);
    abort.abort("enough");
    go();
    expect(await sent).toBe(201);
  });
});
