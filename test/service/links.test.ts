import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent, type Interrupt } from "../support/approvals.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { get, postEvent, postJson } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";

const SECRET = "a key for links that is long enough";

let service: TestService;
let tools: ToolServer;
let issuer: Issuer;
beforeAll(async () => {
  [tools, issuer] = await Promise.all([startToolServer(), startIssuer()]);
  service = await startTestService({
    ...{
      EGRESS_ALLOW: "127.0.0.0/8",
      PUBLIC_URL: "https://agents.example.org",
      APPROVAL_LINK_SECRET: SECRET,
    },
    ...{ OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: issuer.audience },
  });
});
afterAll(async () => {
  await Promise.all([service.close(), tools.close()]);
  await issuer[Symbol.asyncDispose]();
});
beforeEach(() => tools.calls.splice(0));

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const alice = async () => bearer(await issuer.token({ sub: "alice" }));

/** A job of alice's that asks two things at once. */
async function waiting(approval: Record<string, unknown> = {}) {
  const calls = [
    { name: "pay", args: { amount: 7 } },
    { name: "pay", args: { amount: 8 } },
  ];
  const agent_definition = callingAgent(tools.url, [calls], { approval });
  const event = executeEvent({ job_id: randomUUID(), agent_definition });
  const reply = await postEvent(service.url, event, await alice());
  const { interrupts } = reply.json() as { interrupts: Interrupt[] };
  const [asked, other] = interrupts;
  if (asked === undefined || other === undefined) throw new Error("it asks for less than two things");
  const job = String(event.data["job_id"]);
  return { job, asked, other, path: `${service.url}/jobs/${job}` };
}

async function linkFor({ path, asked }: { path: string; asked: Interrupt }, body: unknown = { for: "bob" }) {
  const reply = await postJson(`${path}/interrupts/${asked.interrupt_id}/links`, body, await alice());
  const { url = "" } = reply.json() as { url?: string };
  return { reply, url, token: url === "" ? "" : (new URL(url).searchParams.get("link") ?? "") };
}

const approve = (id: string) => ({ decisions: [{ interrupt_id: id, decision: "approve" }] });

describe("a link to a question", () => {
  it("decides that question in the name it was made for, once", async () => {
    const job = await waiting();
    const { token, url } = await linkFor(job);

    const first = await postJson(`${job.path}/resume`, approve(job.asked.interrupt_id), bearer(token));
    const reject = { decisions: [{ interrupt_id: job.asked.interrupt_id, decision: "reject" }] };
    const second = await postJson(`${job.path}/resume`, reject, bearer(token));

    expect(url).toMatch(/^https:\/\/agents\.example\.org\/console\?link=[\w.-]+#\/approve\//);
    expect([first.status, second.status]).toEqual([202, 409]);
    const shown = await get(`${job.path}/interrupts/${job.asked.interrupt_id}`, bearer(token));
    expect(shown.json()).toMatchObject({ decision: "approve", decided_by: "bob" });
  });

  it("opens the page and decides nothing by that", async () => {
    const job = await waiting();
    const { token } = await linkFor(job);

    const page = await get(`${service.url}/console?link=${token}`);

    expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'sha256-/);
    const shown = await get(`${job.path}/interrupts/${job.asked.interrupt_id}`, bearer(token));
    expect(shown.json()).not.toHaveProperty("decision");
  });

  it("opens nothing else: neither the job, nor its other question, nor the list, nor another job", async () => {
    const [job, another] = [await waiting(), await waiting()];
    const { token } = await linkFor(job);

    const replies = [
      await get(job.path, bearer(token)),
      await get(`${service.url}/jobs`, bearer(token)),
      await get(`${job.path}/interrupts/${job.other.interrupt_id}`, bearer(token)),
      await get(`${another.path}/interrupts/${another.asked.interrupt_id}`, bearer(token)),
      await postJson(`${job.path}/resume`, approve(job.other.interrupt_id), bearer(token)),
      await postJson(`${another.path}/resume`, approve(another.asked.interrupt_id), bearer(token)),
      await postJson(`${job.path}/resume`, { resume: "yes" }, bearer(token)),
      await postJson(`${job.path}/cancel`, {}, bearer(token)),
      await postJson(`${job.path}/interrupts/${job.asked.interrupt_id}/links`, { for: "eve" }, bearer(token)),
      await postEvent(service.url, executeEvent(), bearer(token)),
    ];

    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 403));
    expect(tools.calls).toEqual([]);
  });

  it.each([
    ["signed with another key", { secret: "another key for links, long enough", typ: undefined, exp: "1h" }],
    ["over", { secret: SECRET, typ: undefined, exp: "-1h" }],
  ])("is refused when it is %s", async (_, { secret, exp }) => {
    const job = await waiting();
    const token = await new SignJWT({ job: job.job, int: job.asked.interrupt_id, dig: job.asked.args_digest })
      .setProtectedHeader({ alg: "HS256", typ: "agent-executor-approval+jwt" })
      .setSubject("eve")
      .setIssuer("agent-executor-service")
      .setAudience("agent-executor-approvals")
      .setExpirationTime(exp)
      .sign(new TextEncoder().encode(secret));

    const reply = await postJson(`${job.path}/resume`, approve(job.asked.interrupt_id), bearer(token));

    expect([reply.status, reply.text]).toEqual([401, expect.stringContaining("unauthenticated")]);
  });

  it("is no token of the issuer, and a token of the issuer is no link", async () => {
    const job = await waiting();
    const theirs = await issuer.token({ sub: "eve" });

    const reply = await postJson(`${job.path}/resume`, approve(job.asked.interrupt_id), bearer(theirs));

    expect(reply.status).toBe(403);
    expect((await get(`${service.url}/console?link=${theirs}`)).status).toBe(401);
    expect((await get(`${service.url}/console`)).status).toBe(401);
  });
});

describe("making a link", () => {
  it("is for those the question asks, where it names them", async () => {
    const job = await waiting({ approvers: ["bob", "finance"] });

    expect((await linkFor(job, { for: "eve" })).reply.status).toBe(403);
    const { token } = await linkFor(job, { for: "finance" });
    const reply = await postJson(`${job.path}/resume`, approve(job.asked.interrupt_id), bearer(token));
    expect(reply.status).toBe(202);
  });

  it("ends with the time to decide", async () => {
    const job = await waiting({ expires_in_seconds: 300 });

    const { reply } = await linkFor(job, { for: "bob", expires_in_seconds: 604_800 });

    expect((reply.json() as { expires_at: string }).expires_at).toBe(job.asked.expires_at);
  });

  it.each([[{}], [{ for: "" }], [{ for: "bob", expires_in_seconds: 1 }], [["bob"]], [{ for: 7 }]])(
    "is refused for %j",
    async (body) => {
      expect((await linkFor(await waiting(), body)).reply.status).toBe(400);
    },
  );

  it("is for the owner alone", async () => {
    const job = await waiting();
    const eve = bearer(await issuer.token({ sub: "eve" }));

    const reply = await postJson(
      `${job.path}/interrupts/${job.asked.interrupt_id}/links`,
      { for: "eve" },
      eve,
    );

    expect(reply.status).toBe(403);
  });
});
