import { once } from "node:events";
import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { postEvent, type Reply, send } from "../support/post.ts";
import { RawConnection } from "../support/raw-http.ts";
import { startTestService, type TestService } from "../support/service.ts";

const GRANT = ["webhook-allowed-origin", "webhook-allowed-rate"];

describe("the webhook handshake", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ MAX_IN_FLIGHT_REQUESTS: "1" });
  });
  afterAll(() => service.close());
  const options = (headers: Record<string, string> = {}, path = "/", body?: string): Promise<Reply> =>
    send("OPTIONS", service.url + path, body, { headers });

  it("says what the path takes, and grants nothing to those who do not ask", async () => {
    for (const headers of [{}, { "webhook-request-rate": "120" }]) {
      const reply = await options(headers);

      expect([reply.status, reply.text, reply.headers.allow]).toEqual([200, "", "POST, OPTIONS"]);
      expect(reply.headers["content-type"]).toBeUndefined();
      for (const name of GRANT) expect(reply.headers).not.toHaveProperty(name);
    }
  });

  it.each([
    ["a sender", { "webhook-request-origin": "eventemitter.example.com" }],
    [
      "a sender with a rate",
      { "webhook-request-origin": "eventemitter.example.com", "webhook-request-rate": "120" },
    ],
    ["nonsense", { "webhook-request-origin": "ü".repeat(100), "webhook-request-rate": "-1; many" }],
  ])("lets %s send from anywhere at any rate, and repeats nothing of what it said", async (_who, headers) => {
    const reply = await options(headers);

    expect([reply.status, reply.text, reply.headers.allow]).toEqual([200, "", "POST, OPTIONS"]);
    expect(GRANT.map((name) => reply.headers[name])).toEqual(["*", "*"]);
  });

  it("never calls a callback: it could be anyone's", async () => {
    const called: string[] = [];
    const victim = createServer((request, response) => {
      called.push(request.url ?? "");
      response.end();
    }).listen(0, "127.0.0.1");
    await once(victim, "listening");
    const { port } = victim.address() as { port: number };

    const reply = await options({
      "webhook-request-origin": "a.example.com",
      "webhook-request-callback": `http://127.0.0.1:${port}/grant?id=1`,
    });

    expect(GRANT.map((name) => reply.headers[name])).toEqual(["*", "*"]);
    expect((await postEvent(service.url, executeEvent())).status).toBe(200); // a whole run later
    expect(called).toEqual([]);
    victim.close();
    await once(victim, "close");
  });

  it("is not CORS: a page of another origin is not let in", async () => {
    const reply = await options({ origin: "https://page.example", "access-control-request-method": "POST" });

    expect(Object.keys(reply.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("is given with a query, with a body, and for the server as a whole", async () => {
    const origin = { "webhook-request-origin": "a.example.com" };
    using line = await RawConnection.open(service.url);
    await line.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");

    expect((await options(origin, "/?a=%zz")).headers["webhook-allowed-origin"]).toBe("*");
    expect((await options({ ...origin, "content-type": "application/json" }, "/", "{bad")).status).toBe(200);
    expect(await line.read()).toMatchObject({ status: 200, headers: { allow: "POST, OPTIONS" } });
  });

  it("is given while no event can be taken", async () => {
    using busy = await RawConnection.open(service.url);
    await busy.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");

    expect((await options({ "webhook-request-origin": "a.example.com" })).status).toBe(200);
  });
});
