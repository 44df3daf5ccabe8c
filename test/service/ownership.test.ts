import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectRefusal } from "../http/refusals.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { get, postEvent, postJson, type Reply, send } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

let issuer: Issuer;
let service: TestService;
let settings: Record<string, string>;
beforeAll(async () => {
  issuer = await startIssuer();
  settings = { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: issuer.audience, OIDC_OPERATORS: "root" };
  service = await startTestService(settings);
});
afterAll(async () => {
  await service.close();
  await issuer[Symbol.asyncDispose]();
});

const as = async (sub: string) => ({ headers: { authorization: `Bearer ${await issuer.token({ sub })}` } });
const cancelEvent = (job_id: string, id: string = randomUUID()) => ({
  id,
  source: "tests",
  type: "dev.my-platform.agent.cancel",
  data: { job_id },
});
const runIdOf = async (event: { id: string }) =>
  (await service.database.sql("select run_id from agent_executor.runs where event_id = $1", [event.id]))[0]?.[
    "run_id"
  ];
const runsOf = async (job_id: string) =>
  await service.database.sql("select status from agent_executor.runs where job_id = $1", [job_id]);

describe("a job that someone started", () => {
  /** A finished job of alice's, with something in it that is nobody else's business. */
  const aJob = async () => {
    const event = executeEvent({ agent_definition: scripted("alice's secret") });
    const reply = await postEvent(service.url, event, await as("alice"));
    expect(reply.status).toBe(200);
    return { event, job_id: String(event.data["job_id"]) };
  };
  /** Everything that can be done to a job over HTTP. */
  const doings: [
    string,
    (event: Awaited<ReturnType<typeof aJob>>["event"], who: string) => Promise<Reply>,
  ][] = [
    ["reading", async (e, who) => get(`${service.url}/jobs/${e.data["job_id"]}`, await as(who))],
    [
      "reading of its head",
      async (e, who) => send("HEAD", `${service.url}/jobs/${e.data["job_id"]}`, undefined, await as(who)),
    ],
    [
      "reading of its definition",
      async (e, who) => get(`${service.url}/jobs/${e.data["job_id"]}/definition`, await as(who)),
    ],
    [
      "reading of a run",
      async (e, who) =>
        get(`${service.url}/jobs/${e.data["job_id"]}/runs/${await runIdOf(e)}`, await as(who)),
    ],
    [
      "cancelling by path",
      async (e, who) =>
        postJson(`${service.url}/jobs/${e.data["job_id"]}/cancel`, {}, { ...(await as(who)) }),
    ],
    [
      "cancelling by event",
      async (e, who) => postEvent(service.url, cancelEvent(String(e.data["job_id"])), await as(who)),
    ],
    [
      "its next turn",
      async (e, who) => postEvent(service.url, executeEvent({ job_id: e.data["job_id"] }), await as(who)),
    ],
    ["a copy of its event", async (e, who) => postEvent(service.url, e, await as(who))],
    [
      "a copy of its event under another job's name",
      async (e, who) => postEvent(service.url, executeEvent({}, e.id), await as(who)),
    ],
    [
      "a cancel event with the id of its event",
      async (e, who) => postEvent(service.url, cancelEvent(String(e.data["job_id"]), e.id), await as(who)),
    ],
  ];

  it.each(doings)("is closed to others for %s, and open to its owner and to operators", async (_, doing) => {
    const { event, job_id } = await aJob();

    const stranger = await doing(event, "bob");
    const before = (await runsOf(job_id)).length;
    const owner = await doing(event, "alice");
    const operator = await doing(event, "root");

    expect(stranger.status).toBe(403);
    if (stranger.text !== "") expectRefusal(stranger, "forbidden", "alice", job_id);
    expect(before).toBe(1);
    expect([owner.status, operator.status]).toEqual([200, 200]);
  });

  it("stays out of the lists of others", async () => {
    const { job_id } = await aJob();
    const listed = async (who: string) => {
      const { jobs } = (await get(`${service.url}/jobs?limit=200`, await as(who))).json() as {
        jobs: { job_id: string }[];
      };
      return jobs.some((job) => job.job_id === job_id);
    };

    expect(await Promise.all([listed("alice"), listed("bob"), listed("root")])).toEqual([true, false, true]);
  });

  it("makes a batch fail whole that touches it", async () => {
    const { job_id } = await aJob();
    const own = executeEvent();
    const batch = [own, executeEvent({ job_id })].map((event) => ({ specversion: "1.0", ...event }));
    const { headers } = await as("bob");
    const type = "application/cloudevents-batch+json";

    const reply = await send("POST", service.url, JSON.stringify(batch), {
      headers: { ...headers, "content-type": type },
    });

    expectRefusal(reply, "forbidden", job_id);
    expect(await runsOf(String(own.data["job_id"]))).toEqual([]);
  });

  it("refuses a copy by someone else also while it runs, and the owner's wait goes on", async () => {
    const event = executeEvent({ agent_definition: scripted({ content: "late", delay_ms: 1500 }) });
    const answer = postEvent(service.url, event, await as("alice"));
    const running = async () => (await runsOf(String(event.data["job_id"])))[0]?.["status"] === "running";
    await until(running, { what: "the run to start" });

    const copy = await postEvent(service.url, event, await as("bob"));
    const cancel = await postEvent(service.url, cancelEvent(String(event.data["job_id"])), await as("bob"));

    expect([copy.status, cancel.status]).toEqual([403, 403]);
    expect((await answer).json()).toMatchObject({ result: { output: "late" } });
  });

  it("belongs to one of many who start it at once over two processes, and only that one's turns run", async () => {
    const second = await startOn(service.database, settings);
    const job_id = randomUUID();
    const people = Array.from({ length: 12 }, (_, i) => `person-${i % 3}`);

    const replies = await Promise.all(
      people.map(async (who, i) => {
        const event = executeEvent({ job_id, agent_definition: scripted(who) });
        const reply = await postEvent(i % 2 ? second.url : service.url, event, await as(who));
        return { who, status: reply.status };
      }),
    );

    const [job] = await service.database.sql("select owner from agent_executor.jobs where job_id = $1", [
      job_id,
    ]);
    for (const { who, status } of replies)
      expect([who, status]).toEqual([who, who === job?.["owner"] ? 200 : 403]);
    expect(await runsOf(job_id)).toHaveLength(4);
    await second.close();
  });
});

describe("a job from before callers were told apart", () => {
  it("is the operators' alone", async () => {
    const open = await startOn(service.database);
    const event = executeEvent();
    await postEvent(open.url, event);
    await open.close();
    const url = `${service.url}/jobs/${event.data["job_id"]}`;

    expect((await get(url, await as("alice"))).status).toBe(403);
    expect(
      (await postEvent(service.url, executeEvent({ job_id: event.data["job_id"] }), await as("alice")))
        .status,
    ).toBe(403);
    expect((await get(url, await as("root"))).status).toBe(200);
  });
});
