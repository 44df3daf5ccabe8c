import { api } from "./api.ts";
import { button, h, moment, status } from "./dom.ts";
import type { JobList } from "./types.ts";

const STATUSES = ["", "waiting", "running", "queued", "failed", "completed", "cancelled"];
const EVERY_MS = 3000;

/** All jobs, newest first; those that wait for a person are one click away. */
export function listView(main: HTMLElement, signal: AbortSignal, fail: (error: unknown) => void): void {
  const choice = h(
    "select",
    { "aria-label": "Status" },
    ...STATUSES.map((each) => h("option", { value: each }, each || "any status")),
  );
  const rows = h("tbody");
  const more = button("Older", () => load(true));
  let next: string | null = null;
  let pages = 1;

  async function load(older = false): Promise<void> {
    const query = new URLSearchParams({ limit: "50" });
    if (choice.value !== "") query.set("status", choice.value);
    if (older && next !== null) query.set("after", next);
    const page = await api.jobs(query);
    if (signal.aborted) return;
    if (older) pages++;
    else rows.replaceChildren();
    next = page.next;
    more.hidden = next === null;
    rows.append(...page.jobs.map(row));
    if (rows.children.length === 0)
      rows.append(h("tr", {}, h("td", { colspan: "5" }, "There are no jobs here.")));
  }

  choice.addEventListener("change", () => {
    pages = 1;
    load().catch(fail);
  });
  main.replaceChildren(
    h("h1", {}, "Jobs"),
    h("div", { class: "row" }, h("label", {}, "Show ", choice)),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ...["Job", "Agent", "Status", "Accepted", "Ended"].map(heading))),
        rows,
      ),
    ),
    more,
  );
  load().catch(fail);
  const timer = setInterval(() => {
    // Who has gone back in time is left there.
    if (pages === 1 && !document.hidden) load().catch(fail);
  }, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

const heading = (text: string): HTMLElement =>
  h("th", { scope: "col", class: text === "Ended" ? "wide" : "" }, text);

function row({ job_id, status: name, agent, accepted_at, settled_at }: JobList["jobs"][number]): HTMLElement {
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: `#/jobs/${encodeURIComponent(job_id)}` }, job_id)),
    h("td", {}, agent ?? ""),
    h("td", {}, status(name)),
    h("td", {}, moment(accepted_at)),
    h("td", { class: "wide" }, moment(settled_at)),
  );
}
