import { randomUUID } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent } from "../support/approvals.ts";
import { chromiumPath, startChromium } from "../support/chromium.ts";
import { jobAt } from "../support/jobs.ts";
import { postEvent, postJson } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

if (chromiumPath === undefined)
  process.stderr.write("no Chromium here: the page is not tested in a browser\n");

const SECRET = "a key for links that is long enough";
const NASTY = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';

describe.skipIf(chromiumPath === undefined)("the page", { timeout: 60_000 }, () => {
  let service: TestService;
  let tools: ToolServer;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    const env = {
      EGRESS_ALLOW: "127.0.0.0/8",
      PUBLIC_URL: "http://127.0.0.1:1",
      APPROVAL_LINK_SECRET: SECRET,
    };
    [service, tools, browser] = await Promise.all([
      startTestService(env),
      startToolServer(),
      startChromium(),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([service?.close(), tools?.close()]);
  });
  beforeEach(async (test) => {
    tools.calls.splice(0);
    problems.length = 0;
    page = await browser.newPage({ viewport: { width: 360, height: 780 } });
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (line) => line.type() === "error" && problems.push(line.text()));
    test.onTestFinished(() => page.close());
  });

  const pay = [[{ name: "pay", args: { amount: 7 } }]];
  const start = async (data: Record<string, unknown>) => {
    const event = executeEvent({ job_id: `job ${randomUUID()}`, ...data });
    const { headers } = await postEvent(service.url, event);
    return { job: String(event.data["job_id"]), type: String(headers["ce-type"]) };
  };
  const open = async (job: string) => {
    await page.goto(`${service.url}/console#/jobs/${encodeURIComponent(job)}`);
    await page.getByRole("heading", { name: job }).waitFor();
  };

  it("leads from the list to a job that waits; approved there, its result comes without a reload", async () => {
    const { job } = await start({ agent_definition: callingAgent(tools.url, pay) });
    await page.goto(`${service.url}/console`);
    await page.getByLabel("Status").selectOption("waiting");
    await page.getByRole("link", { name: job }).click();
    await page.evaluate(() => Object.assign(globalThis, { isTheSamePage: true }));
    await page.getByLabel("Arguments").getByText('"amount": 7').waitFor();

    await page.getByRole("button", { name: "Approve" }).click();

    await page.locator("#result").getByText("done").waitFor();
    expect(await page.evaluate(() => "isTheSamePage" in globalThis)).toBe(true);
    expect(tools.calls).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it("shows what a job says and does while it does it, and lights the node at work", async () => {
    tools.answerAfter(1500);
    const job = `job ${randomUUID()}`;
    const event = executeEvent({ job_id: job, agent_definition: callingAgent(tools.url, pay, {}) });
    await postEvent(service.url, event, { headers: { prefer: "respond-async" } });
    await open(job);

    const timeline = page.getByLabel("What the job does");
    await timeline.getByText("pay is called").waitFor();
    await page.locator("svg.graph .lit, svg.graph .done").first().waitFor({ state: "attached" });
    expect(await page.locator("#result").count()).toBe(0); // it is still at work
    await page.locator("#result").getByText("done").waitFor();

    await timeline.getByText("The run has ended: completed.").waitFor();
    expect(await timeline.getByText("The run has ended").count()).toBe(1);
    expect(await timeline.locator("pre").last().textContent()).toBe("done");
    tools.answerAfter(0);
  });

  it("shows what was changed before it is sent, and the tool gets that", async () => {
    const { job } = await start({ agent_definition: callingAgent(tools.url, pay) });
    await open(job);
    await page.getByRole("button", { name: "Edit…" }).click();
    await page.getByLabel("New arguments").fill('{\n  "amount": 5\n}');

    const diff = await page.getByLabel("What you changed").textContent();
    await page.getByRole("button", { name: "Send edited" }).click();
    await page.locator("#result").waitFor();

    expect(diff).toContain('-   "amount": 7');
    expect(diff).toContain('+   "amount": 5');
    expect(tools.calls.map(({ body }) => JSON.parse(body))).toEqual([{ amount: 5 }]);
  });

  it("rejects by keyboard alone, with the comment", async () => {
    const { job } = await start({ agent_definition: callingAgent(tools.url, pay) });
    await open(job);
    await page.getByLabel("Comment").focus();
    await page.keyboard.type("too much");
    for (let presses = 0; presses < 10; presses++) {
      await page.keyboard.press("Tab");
      if ((await page.evaluate("document.activeElement.textContent")) === "Reject") break;
    }

    await page.keyboard.press("Enter");

    await page.locator("#result").waitFor();
    expect(tools.calls).toEqual([]);
    const [row] = await service.database.sql(
      "select i.decision from agent_executor.interrupts i join agent_executor.runs r using (run_id) where r.job_id = $1",
      [job],
    );
    expect(JSON.parse(String(row?.["decision"]))).toMatchObject({ decision: "reject", comment: "too much" });
  });

  it("shows what models say as text, whatever it is", async () => {
    const { job } = await start({ agent_definition: scripted(NASTY) });
    await open(job);

    expect(await page.locator("#result").textContent()).toBe(NASTY);
    expect(await page.title()).toBe("Agent Executor");
    expect(await page.locator("main img, main script").count()).toBe(0);
    expect(problems).toEqual([]);
  });

  it("cancels a run at work, and tries a failed one again", async () => {
    const job = `job ${randomUUID()}`;
    const agent_definition = scripted({ content: "x", delay_ms: 50_000 });
    const event = executeEvent({ job_id: job, agent_definition });
    await postEvent(service.url, event, { headers: { prefer: "respond-async" } });
    await open(job);

    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Retry from the input" }).click();
    await until(async () => (await jobAt(service.url, job)).runs.length === 2, { what: "the retry" });

    await postJson(`${service.url}/jobs/${encodeURIComponent(job)}/cancel`, {});
  });

  it("shows the steps and events of a run, and fits a phone", async () => {
    const { job } = await start({ agent_definition: callingAgent(tools.url, pay, {}) });
    await open(job);
    await page.getByText("Turn 1, attempt 1").click();

    await page.getByRole("cell", { name: "tools" }).waitFor();
    await page.getByText("dev.my-platform.agent.completed").waitFor();
    const overflow = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(overflow).toBeLessThanOrEqual(0);
    await page.getByRole("img", { name: "Graph of main" }).waitFor();
  });

  it("opens by a link on one question, which is decided in the name of the link and not by opening it", async () => {
    const { job } = await start({ agent_definition: callingAgent(tools.url, pay) });
    const [asked] = (await jobAt(service.url, job)).interrupts;
    const path = `${service.url}/jobs/${encodeURIComponent(job)}/interrupts/${asked?.interrupt_id}/links`;
    const { url } = (await postJson(path, { for: "ana@example.org" })).json() as { url: string };

    await page.goto(url.replace("http://127.0.0.1:1", service.url));
    await page.getByRole("button", { name: "Approve" }).waitFor();
    expect((await jobAt(service.url, job)).status).toBe("waiting");
    expect(page.url()).not.toContain("link=");
    await page.getByRole("button", { name: "Approve" }).click();

    await page.getByText("Decided: approve by ana@example.org.").waitFor();
    await until(async () => (await jobAt(service.url, job)).status === "completed", { what: "the end" });
  });
});
