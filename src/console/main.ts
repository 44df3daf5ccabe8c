import { ApiError, useToken } from "./api.ts";
import { approveView } from "./approve-view.ts";
import { button, h, notify } from "./dom.ts";
import { jobView } from "./job-view.ts";
import { listView } from "./list-view.ts";

const main = document.getElementById("main") ?? document.body;
let leaving = new AbortController();

/** `#/` is the list, `#/jobs/<id>` a job, `#/approve/<job>/<interrupt>` a question of one. */
function show(): void {
  leaving.abort();
  leaving = new AbortController();
  notify("");
  const { signal } = leaving;
  const fail = (error: unknown) => {
    if (!signal.aborted) sayProblem(error);
  };
  const [, view, job = "", rest = ""] = /^#\/(jobs|approve)\/([^/]+)\/?(.*)$/.exec(location.hash) ?? [];
  if (view === "jobs") jobView(main, decodeURIComponent(job), signal, fail);
  else if (view === "approve") approveView(main, decodeURIComponent(job), rest, signal, fail);
  else listView(main, signal, fail);
  main.focus();
}

function sayProblem(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) askForToken();
  else notify(error instanceof Error ? error.message : String(error));
}

function askForToken(): void {
  leaving.abort(); // nothing is asked for again until there is one
  const field = h("input", { type: "password", "aria-label": "Bearer token", autocomplete: "off" });
  const enter = () => {
    useToken(field.value);
    show();
  };
  main.replaceChildren(
    h("h1", {}, "Who are you?"),
    h("p", {}, "This service asks for a bearer token. It stays in this tab."),
    h(
      "form",
      {
        class: "row",
        submit: (event) => {
          event.preventDefault();
          enter();
        },
      },
      field,
      button("Go on", enter, "main"),
    ),
  );
  field.focus();
}

addEventListener("hashchange", show);
show();
