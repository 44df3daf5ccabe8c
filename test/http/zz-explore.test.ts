import { it } from "vitest";
import { startTestService } from "../support/service.ts";
import { sendRaw, RawConnection } from "../support/raw-http.ts";
import { get } from "../support/post.ts";

it("explore", async () => {
  const s = await startTestService({ MAX_BODY_BYTES: "65536", BODY_TIMEOUT_SECONDS: "1", MAX_IN_FLIGHT_REQUESTS: "2" });
  const show = async (name: string, ...parts: any[]) => {
    try {
      const r = await sendRaw(s.url, parts, { timeoutMs: 4000 });
      console.log(name, "=>", r.status, JSON.stringify(r.headers), r.body.slice(0, 300));
    } catch (e) { console.log(name, "=> ERR", (e as Error).message.slice(0, 300)); }
  };
  const H = "Host: x\r\n";
  for (const m of ["GET","PUT","DELETE","PATCH","HEAD","TRACE","PROPFIND","OPTIONS","CONNECT"]) await show(m, `${m} / HTTP/1.1\r\n${H}Connection: close\r\nContent-Length: 0\r\n\r\n`);
  await show("PUT json bad", `PUT / HTTP/1.1\r\n${H}Content-Type: application/json\r\nContent-Length: 4\r\n\r\n{bad`);
  await show("PUT xml", `PUT / HTTP/1.1\r\n${H}Content-Type: application/xml\r\nContent-Length: 4\r\n\r\n{bad`);
  await show("POST health", `POST /health HTTP/1.1\r\n${H}Content-Type: application/json\r\nContent-Length: 4\r\n\r\n{bad`);
  await show("POST jobs/x", `POST /jobs/x HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`);
  await show("jobs/%", `GET /jobs/% HTTP/1.1\r\n${H}\r\n`);
  await show("POST jobs/%", `POST /jobs/% HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`);
  await show("jobs/10k", `GET /jobs/${"a".repeat(10000)} HTTP/1.1\r\n${H}\r\n`);
  for (const id of ["%00", "%01", "%ED%A0%80", "a%2Fb", "%E2%82%AC", "..", "%2e%2e", "%25", "%FF"]) await show("id " + id, `GET /jobs/${id} HTTP/1.1\r\n${H}\r\n`);
  await show("OPTIONS *", `OPTIONS * HTTP/1.1\r\n${H}\r\n`);
  await show("GET abs", `GET http://x/ HTTP/1.1\r\n${H}\r\n`);
  await show("431", `GET / HTTP/1.1\r\n${H}x: ${"a".repeat(20000)}\r\n\r\n`);
  await show("TE+CL", `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
  await show("garbage", `garbage\r\n\r\n`);
  await show("no host", `GET /health HTTP/1.1\r\n\r\n`);
  await show("expect foo", `POST / HTTP/1.1\r\n${H}Expect: foo\r\nContent-Length: 0\r\n\r\n`);
  await show("expect", `POST / HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 999999\r\n\r\n`);
  await show("10", `GET /health HTTP/1.0\r\n\r\n`);
  await show("http2", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`);
  await show("upgrade", `GET /health HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`);
  await show("upgrade POST", `POST / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n`);
  await show("empty", `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`);
  await show("dup ct", `POST / HTTP/1.1\r\n${H}Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n`);
  await show("ct bad", `POST / HTTP/1.1\r\n${H}Content-Type: ;;\r\nContent-Length: 0\r\n\r\n`);
  await show("ct empty", `POST / HTTP/1.1\r\n${H}Content-Type: \r\nContent-Length: 0\r\n\r\n`);
  await show("chunked bad", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\nzz\r\n`);
  await show("slow", `POST / HTTP/1.1\r\n${H}Content-Length: 10\r\n\r\n`, "a", { pauseMs: 1500}, "b");
  await show("too large", `POST / HTTP/1.1\r\n${H}Content-Length: 10000000\r\n\r\n`);
  await show("semicolon", `POST /;a=1 HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`);
  await show("//", `POST // HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`);
  await show("slash health", `GET /health/ HTTP/1.1\r\n${H}\r\n`);
  await show("utf8 url", `GET /jobs/\xe2\x82\xac HTTP/1.1\r\n${H}\r\n`);
  console.log((await get(s.url + "/openapi.json")).text.length);
  await s.close();
});
