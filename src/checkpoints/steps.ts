import type { Queryable } from "../postgres/database.ts";

/** One step of a run's graph, as its checkpoints tell it. */
export type StepView = {
  /** The graph inside the graph: names of the nodes that lead there, outermost first; empty for the run's own. */
  within: string[];
  step: number;
  nodes: string[];
  attempt: number;
  started_at: string | null;
  ended_at: string;
  /** What was used while it went on, siblings in other branches included. */
  tokens: number;
  model_calls: number;
  tool_calls: number;
};

type Usage = { total_tokens: number; model_calls: number; tool_calls: number };
type Seen = Record<string, unknown>;
type Row = {
  ns: string;
  step: number;
  attempt: number;
  ts: string;
  usage: Usage | null;
  seen: Seen | null;
  began: string | null;
  usageBefore: Usage | null;
  seenBefore: Seen | null;
};

/** More than a run may have by default; whoever looks at a longer one sees its newest. */
const MOST = 2000;

// The parent may be of the turn before, whose usage is not ours.
const STEPS = `
  select c.checkpoint_ns as ns, (c.metadata ->> 'step')::int as step, (c.metadata ->> 'attempt')::int as attempt,
         c.checkpoint ->> 'ts' as ts, c.metadata -> 'usage' as usage, c.checkpoint -> 'versions_seen' as seen,
         p.checkpoint ->> 'ts' as began, p.checkpoint -> 'versions_seen' as "seenBefore",
         case when p.metadata ->> 'run_id' = $2 then p.metadata -> 'usage' end as "usageBefore"
    from checkpoints c
    left join checkpoints p on p.thread_id = c.thread_id and p.checkpoint_ns = c.checkpoint_ns
                           and p.checkpoint_id = c.parent_checkpoint_id
   where c.thread_id = $1 and c.metadata ->> 'run_id' = $2 and c.metadata ->> 'source' = 'loop'
   order by (c.metadata ->> 'attempt')::int desc, c.checkpoint_id desc limit ${MOST}`;

/** What a run has done so far, in order. */
export async function stepsOfRun(db: Queryable, jobId: string, runId: string): Promise<StepView[]> {
  const rows = await db.query<Row>("steps-of-run", STEPS, [jobId, runId]);
  return rows
    .reverse()
    .map(toStep)
    .filter(({ nodes }) => nodes.length > 0);
}

function toStep({ ns, step, attempt, ts, began, ...row }: Row): StepView {
  const used = (name: keyof Usage) => Math.max(0, (row.usage?.[name] ?? 0) - (row.usageBefore?.[name] ?? 0));
  return {
    within: ns === "" ? [] : ns.split("|").map((part) => part.split(":", 1)[0] ?? part),
    step,
    nodes: ranBetween(row.seenBefore ?? {}, row.seen ?? {}),
    attempt,
    started_at: began,
    ended_at: ts,
    tokens: used("total_tokens"),
    model_calls: used("model_calls"),
    tool_calls: used("tool_calls"),
  };
}

/**
 * A node has run when it has seen other versions of its channels; LangGraph's own marks are no nodes.
 * One that was sent its input by `Send` sees no channels: where nothing else ran, it was such a one.
 */
function ranBetween(before: Seen, after: Seen): string[] {
  const nodes = Object.keys(after).filter((node) => !node.startsWith("__"));
  const hasMoved = (node: string) => JSON.stringify(after[node]) !== JSON.stringify(before[node]);
  const moved = nodes.filter(hasMoved);
  if (moved.length > 0 || hasMoved("__start__")) return moved;
  return nodes.filter((node) => Object.keys(after[node] ?? {}).length === 0);
}
