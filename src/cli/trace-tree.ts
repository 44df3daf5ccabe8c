import type { Trace, TracedAttempt, TracedRun } from "../runs/trace.ts";
import { colourOf, type Paint, tame } from "./paint.ts";
import { usageLine } from "./show-job.ts";

type Node = { text: string; children?: Node[] };

/** A trace as a tree of lines; times are those of the first event and then what went by since. */
export function treeLines({ job_id, owner, runs }: Trace, paint: Paint): string[] {
  const whose = owner === null ? "" : `  of ${tame(owner)}`;
  const root = {
    text: `${paint("bold", tame(job_id))}${whose}`,
    children: runs.map((run) => runNode(run, paint)),
  };
  return [root.text, ...branches(root.children, "")];
}

function branches(nodes: readonly Node[], indent: string): string[] {
  return nodes.flatMap(({ text, children = [] }, i) => {
    const isLast = i === nodes.length - 1;
    const own = `${indent}${isLast ? "└─" : "├─"} ${text}`;
    return [own, ...branches(children, `${indent}${isLast ? "   " : "│  "}`)];
  });
}

function runNode(run: TracedRun, paint: Paint): Node {
  const since = (moment: string | null) => paint("dim", after(run.accepted_at, moment));
  const traceId = run.traceparent?.split("-")[1];
  const head = [
    `run ${run.seq}  ${run.run_id}  ${paint(colourOf(run.status), run.status)}`,
    ...(run.usage === null ? [] : [usageLine(run.usage)]),
    ...(traceId === undefined ? [] : [paint("dim", `trace ${traceId}`)]),
  ];
  return {
    text: head.join("  "),
    children: [
      { text: `accepted ${run.accepted_at}${whoDid(run, /^run\.(accepted|retried)$/)}` },
      ...run.events.map(({ kind, source, event_id, at }) => ({
        text: `${since(at)} event ${kind}  ${tame(source)}  ${tame(event_id)}`,
      })),
      ...run.attempts.map((attempt) => attemptNode(attempt, since, paint)),
      ...run.log
        .filter(({ type }) => type === "run.cancel_requested")
        .map(({ at, who }) => ({
          text: `${since(at)} ${paint("yellow", "cancel asked for")} by ${tame(who)}`,
        })),
      ...run.decisions.map((each) => decisionNode(each, run.status === "waiting", since, paint)),
      ...run.deliveries.map((each) => deliveryNode(each, since, paint)),
    ],
  };
}

function whoDid({ log }: TracedRun, type: RegExp): string {
  const who = log.find((entry) => type.test(entry.type))?.who;
  return who === undefined ? "" : `  by ${tame(who)}`;
}

type Since = (moment: string | null) => string;

function attemptNode(
  { attempt, worker, began_at, ended_at, end, steps, tools }: TracedAttempt,
  since: Since,
  paint: Paint,
): Node {
  const how = end === null ? paint("cyan", "at work") : end === "taken over" ? paint("yellow", end) : end;
  const stepNodes = steps.map(
    ({ step, nodes, within, started_at, ended_at: done, tokens, model_calls, tool_calls }) => ({
      at: done,
      text: [
        `${since(done)} step ${step}  ${tame([...within, nodes.join(", ")].join(" › "))}  ${duration(started_at, done)}`,
        ...(model_calls > 0 ? [`${model_calls} model calls, ${tokens} tokens`] : []),
        ...(tool_calls > 0 ? [`${tool_calls} tool calls`] : []),
      ].join("  "),
    }),
  );
  const toolNodes = tools.map(({ tool, state, began_at: begun, ended_at: done }) => {
    const took = begun === null || done === null ? "" : `  ${duration(begun, done)}`;
    const shown = state === "done" ? "done" : paint("yellow", "begun, outcome unknown");
    return {
      at: done ?? begun ?? "",
      text: `${since(done ?? begun)} tool ${paint("cyan", tame(tool ?? "?"))}  ${shown}${took}`,
    };
  });
  return {
    text: `${since(began_at)} attempt ${attempt}  ${tame(worker ?? "")}  ${how} ${since(ended_at)}`,
    children: [...stepNodes, ...toolNodes].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)),
  };
}

function decisionNode(
  each: TracedRun["decisions"][number],
  isOpen: boolean,
  since: Since,
  paint: Paint,
): Node {
  const about = `${tame(each.message)}${each.tool === null ? "" : `  ${paint("cyan", tame(each.tool))}`}`;
  if (each.decision === null && !isOpen) return { text: `${paint("dim", "never answered")}  ${about}` };
  if (each.decision === null) {
    const until = each.expires_at === null ? "" : `, until ${each.expires_at}`;
    return { text: `${paint("yellow", `open question${until}`)}  ${about}  ${each.interrupt_id}` };
  }
  const by = each.decided_by === null ? "" : ` by ${tame(each.decided_by)}`;
  return { text: `${since(each.decided_at)} decision ${paint("bold", each.decision)}${by}  ${about}` };
}

function deliveryNode(each: TracedRun["deliveries"][number], since: Since, paint: Paint): Node {
  const kind = each.type.split(".").at(-1) ?? each.type;
  const tries = each.attempts > 1 ? `, ${each.attempts} tries` : "";
  const state =
    each.delivered_at !== null
      ? paint("green", `delivered${tries}`)
      : each.parked_at !== null
        ? paint("red", `parked: ${tame(each.last_error ?? "")}`)
        : paint(
            "yellow",
            `on its way${tries}${each.last_error === null ? "" : `: ${tame(each.last_error)}`}`,
          );
  return {
    text: `${since(each.delivered_at ?? each.parked_at ?? each.created_at)} ${kind} → ${tame(each.target)}  ${state}`,
  };
}

function after(start: string, moment: string | null): string {
  if (moment === null) return "";
  const seconds = (Date.parse(moment) - Date.parse(start)) / 1000;
  return `${seconds < 0 ? "" : "+"}${seconds.toFixed(3)} s`;
}

function duration(from: string | null, to: string): string {
  return from === null ? "" : `${Math.max(0, Date.parse(to) - Date.parse(from))} ms`;
}
