import { api, asCurl } from "./api.ts";
import { copyText } from "./approvals.ts";
import { button, h, moment, pretty, status } from "./dom.ts";
import type { Job, RunDetails, Step } from "./types.ts";

/** The runs of a job; steps and events of each are read when someone opens it. */
export async function runsView(job: Job): Promise<HTMLElement> {
  const newestFirst = [...job.runs].reverse();
  return h("section", {}, h("h2", {}, "Runs"), ...newestFirst.map((run) => runView(job.job_id, run)));
}

function runView(
  jobId: string,
  { run_id, seq, status: name, attempt, settled_at }: Job["runs"][number],
): HTMLElement {
  const inside = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
  const details = h(
    "details",
    { class: "card" },
    h("summary", {}, `Turn ${seq}, attempt ${attempt} `, status(name), ` ${moment(settled_at)}`),
    inside,
  );
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    api.run(jobId, run_id).then(
      (run) => inside.replaceChildren(...detailsOf(jobId, run)),
      (error: unknown) => inside.replaceChildren(h("p", { class: "failed" }, String(error))),
    );
  });
  return details;
}

function detailsOf(jobId: string, run: RunDetails): HTMLElement[] {
  return [
    h(
      "p",
      { class: "row" },
      button("Copy as curl", () => copyText(asCurl("GET", jobId, `/runs/${run.run_id}`))),
    ),
    stepsTable(run.steps),
    h("h3", {}, "In"),
    h("pre", {}, pretty({ source: run.source, id: run.event_id, ...asObject(run.request) })),
    ...run.events.flatMap(({ event, target, attempts, delivered_at, last_error }) => [
      h("h3", {}, `Out to ${target}`),
      h(
        "p",
        { class: "quiet" },
        delivered_at
          ? `Delivered ${moment(delivered_at)}.`
          : `Not delivered after ${attempts} attempts. ${last_error ?? ""}`,
      ),
      h("pre", {}, pretty(event)),
    ]),
  ];
}

function stepsTable(steps: Step[]): HTMLElement {
  const columns = ["Step", "Nodes", "Took", "Tokens", "Tool calls"];
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...columns.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...steps.map(stepRow)),
    ),
  );
}

function stepRow({ step, within, nodes, started_at, ended_at, tokens, tool_calls }: Step): HTMLElement {
  const took = started_at ? `${new Date(ended_at).getTime() - new Date(started_at).getTime()} ms` : "";
  const cells = [`${step}`, [...within, nodes.join(", ")].join(" › "), took, `${tokens}`, `${tool_calls}`];
  return h("tr", {}, ...cells.map((text) => h("td", {}, text)));
}

const asObject = (value: unknown): object => (typeof value === "object" && value !== null ? value : {});
