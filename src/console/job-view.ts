import { api, asCurl } from "./api.ts";
import { approvalCard, copyText } from "./approvals.ts";
import { button, h, moment, notify, pretty, status } from "./dom.ts";
import { followFrames } from "./frames.ts";
import { GraphView } from "./graph.ts";
import { runsView } from "./runs-view.ts";
import { Timeline } from "./timeline.ts";
import type { Frame, Job } from "./types.ts";

const EVERY_MS = 2000;
const LIVE = new Set(["queued", "running", "waiting"]);
/** Frames after which the job itself is another than before. */
const TURNS = new Set(["on_interrupt", "on_restart", "end", "gap"]);

/** One job: what it asks, what it does, what came of it. */
export function jobView(
  main: HTMLElement,
  jobId: string,
  signal: AbortSignal,
  fail: (error: unknown) => void,
): void {
  const head = h("div");
  const asks = h("div");
  const outcome = h("div");
  const runs = h("div");
  const drawing = h("div", { class: "scroll" });
  const timeline = new Timeline();
  let graph: GraphView | undefined;
  let shown = "";
  const place = { lastId: "" };
  let following = false;
  let isPlayed = false;

  main.replaceChildren(
    ...[head, asks, outcome, h("h2", {}, "Graph"), drawing, h("h2", {}, "Timeline"), timeline.element, runs],
  );

  const load = async (): Promise<void> => {
    const job = await api.job(jobId);
    if (signal.aborted) return;
    // One that has ended is played once; one that lives is followed again, for its next run streams too.
    if (LIVE.has(job.status) || !isPlayed) follow();
    // What has not changed is left alone: someone may be typing in it.
    const state = JSON.stringify(job);
    if (state === shown) return;
    shown = state;
    head.replaceChildren(...header(job, again));
    asks.replaceChildren(...job.interrupts.map((asked) => approvalCard(jobId, asked, again)));
    outcome.replaceChildren(...outcomeOf(job));
    runs.replaceChildren(await runsView(job));
    if (job.status !== "running") graph?.dark();
  };
  const again = (): void => void load().catch(fail);

  function follow(): void {
    if (following) return;
    following = true;
    followFrames(jobId, take, place, signal)
      .catch(fail)
      .finally(() => {
        following = false;
        isPlayed = true;
      });
  }

  function take(frame: Frame): void {
    timeline.take(frame);
    const { node, within } = frame.data;
    const outer = Array.isArray(within) ? within[0] : node;
    if (typeof outer === "string") {
      if (frame.event_type === "on_state_update") graph?.done(outer);
      else graph?.light(outer);
    }
    if (TURNS.has(frame.event_type)) again();
  }

  // Drawn first: what the stream tells of is lit in it.
  drawGraph(jobId, drawing)
    .then((view) => {
      graph = view;
    })
    .catch(fail)
    .finally(again);
  const timer = setInterval(() => {
    if (!document.hidden) again();
  }, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** A job without a stored definition has no graph to draw. */
async function drawGraph(jobId: string, into: HTMLElement): Promise<GraphView | undefined> {
  const found = await api.definition(jobId).catch(() => undefined);
  if (found === undefined) {
    into.replaceChildren(h("p", { class: "quiet" }, "No definition is stored with this job."));
    return undefined;
  }
  const view = new GraphView(found.definition);
  into.replaceChildren(
    view.element,
    h("details", {}, h("summary", {}, "Definition"), h("pre", {}, pretty(found.definition))),
  );
  return view;
}

function header(job: Job, again: () => void): HTMLElement[] {
  const act = (what: Promise<unknown>, said: string) =>
    what.then(
      () => {
        notify(said);
        again();
      },
      (error: unknown) => notify(error instanceof Error ? error.message : String(error)),
    );
  const newest = job.runs.at(-1);
  const canRetry = newest && (newest.status === "failed" || newest.status === "cancelled");
  const retry = (from: string) =>
    act(api.retry(job.job_id, newest?.run_id ?? "", from), "It is tried again.");
  return [
    h("h1", {}, job.job_id),
    h(
      "div",
      { class: "row" },
      status(job.status),
      job.definition?.name ? h("span", {}, job.definition.name) : undefined,
      job.usage
        ? h(
            "span",
            { class: "quiet" },
            `${job.usage.total_tokens} tokens, ${job.usage.tool_calls} tool calls`,
          )
        : undefined,
      LIVE.has(job.status)
        ? button("Cancel", () => act(api.cancel(job.job_id), "It is being cancelled."))
        : undefined,
      canRetry ? button("Retry from the input", () => retry("input")) : undefined,
      canRetry ? button("Retry from the last checkpoint", () => retry("checkpoint")) : undefined,
      button("Copy as curl", () => copyText(asCurl("GET", job.job_id, ""))),
    ),
    h("p", { class: "quiet" }, `Accepted ${moment(job.runs[0]?.accepted_at)}`),
  ];
}

function outcomeOf({ result, error }: Job): HTMLElement[] {
  if (error) {
    const where = error.path ? ` at ${error.path}` : "";
    return [h("h2", {}, "Error"), h("pre", { class: "failed" }, `${error.code}${where}: ${error.message}`)];
  }
  if (!result) return [];
  const value = result.structured ?? result.output;
  return [h("h2", {}, "Result"), h("pre", { id: "result" }, pretty(value))];
}
