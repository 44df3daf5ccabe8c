import type { Static } from "typebox";
import { type Condition, readCondition } from "./conditions.ts";
import { ENDS } from "./definition-checks.ts";
import type { NodeDefinition } from "./definition-nodes.ts";
import { invalid, type Report } from "./definition-problem.ts";
import type { Edge } from "./definition-schema.ts";
import { below, quote } from "./json.ts";
import type { Channel } from "./state-schema.ts";

export type SentEdge = Static<typeof Edge>;

/** By keys of nodes, START and END. */
export type EdgeDefinition = {
  from: string;
  to: string;
  path: string;
  /** From a router: the label. */
  label?: string;
  /** From any other node. */
  condition?: Condition;
  /** As it was sent, for drawings. */
  when?: string;
};

/** Edges by the keys of their nodes; conditions compiled. */
export function readEdge(
  { from, to, when }: SentEdge,
  path: string,
  nodes: readonly NodeDefinition[],
  channels: readonly Channel[],
): EdgeDefinition {
  const keyOf = (name: string) => nodes.find((node) => node.key === name || node.name === name)?.key ?? name;
  const edge: EdgeDefinition = { from: keyOf(from), to: keyOf(to), path };
  if (from === "END") throw invalid("nothing comes behind END", below(path, "from"));
  if (to === "START") throw invalid("nothing comes before START", below(path, "to"));
  const isRouter = nodes.some((node) => node.key === edge.from && node.type === "router");
  if (when === undefined) {
    if (isRouter) throw invalid("is missing: from a router each edge has a label", below(path, "when"));
    return edge;
  }
  if (isRouter) return { ...edge, when, label: when };
  const names = ["messages", ...channels.map(({ name }) => name)];
  return { ...edge, when, condition: readCondition(when, names, below(path, "when")) };
}

const isConditional = ({ label, condition }: EdgeDefinition) =>
  label !== undefined || condition !== undefined;

/** The edges that a pipeline needs and need not write: from START to where none leads, to END from where none goes. */
export function completed(
  edges: readonly EdgeDefinition[],
  nodes: readonly NodeDefinition[],
): EdgeDefinition[] {
  const begins = edges.some(({ from }) => from === "START");
  const touched = (key: string) => edges.some(({ from, to }) => from === key || to === key);
  const starts = begins
    ? []
    : nodes.filter(({ key }) => !edges.some(({ to }) => to === key) && (touched(key) || nodes.length === 1));
  const ends = nodes.filter(({ key }) => !edges.some(({ from }) => from === key));
  return [
    ...edges,
    ...starts.map(({ key, path }) => ({ from: "START", to: key, path })),
    ...ends.map(({ key, path }) => ({ from: key, to: "END", path })),
  ];
}

/** What would hang, never run, or run for ever. */
export function checkPipeline(
  nodes: readonly NodeDefinition[],
  sent: readonly EdgeDefinition[],
  report: Report,
): void {
  if (nodes.length > 1 && sent.length === 0) {
    report(
      invalid("is missing: say how the nodes follow each other, or make one the orchestrator", "/edges"),
    );
    return;
  }
  const edges = completed(sent, nodes);
  checkDoubles(sent, report);
  for (const { key, name, path, type } of nodes) {
    if (type !== "router" || sent.some(({ from }) => from === key)) continue;
    report(invalid(`the router ${quote(name)} has no edge to choose: give its outgoing edges labels`, path));
  }
  const reached = reachable("START", edges, "from", "to");
  const ending = reachable("END", edges, "to", "from");
  for (const { key, name, path } of nodes) {
    if (!reached.has(key)) report(invalid(`${quote(name)} is never reached from START`, path));
    else if (!ending.has(key)) report(invalid(`from ${quote(name)} no way leads to END`, path));
  }
  const endless = cycleOf(edges.filter((edge) => !isConditional(edge)));
  if (endless !== undefined) {
    report(
      invalid("closes a loop without any condition, which could never end: give it a `when`", endless.path),
    );
  }
}

function checkDoubles(edges: readonly EdgeDefinition[], report: Report): void {
  edges.forEach((edge, i) => {
    const same = (other: EdgeDefinition) =>
      other.from === edge.from && other.to === edge.to && other.when === edge.when;
    if (edges.findIndex(same) < i) report(invalid("is there twice", edge.path));
  });
}

function reachable(
  from: string,
  edges: readonly EdgeDefinition[],
  near: "from" | "to",
  far: "from" | "to",
): Set<string> {
  // By place first: a dense definition would be walked for a second otherwise, with the event loop.
  const steps = new Map<string, string[]>();
  for (const edge of edges) {
    const known = steps.get(edge[near]);
    if (known === undefined) steps.set(edge[near], [edge[far]]);
    else known.push(edge[far]);
  }
  const seen = new Set([from]);
  for (const place of seen) for (const next of steps.get(place) ?? []) seen.add(next);
  return seen;
}

/** An edge that closes a cycle, if there is one. */
function cycleOf(edges: readonly EdgeDefinition[]): EdgeDefinition | undefined {
  return edges.find(({ from, to }) => reachable(to, edges, "from", "to").has(from));
}

/** Levels of delegation below the orchestrator. */
const MAX_DEPTH = 3;

/** Who delegates to whom, by keys. Without edges between nodes the orchestrator delegates to all. */
export function readDelegation(
  nodes: readonly NodeDefinition[],
  edges: readonly EdgeDefinition[],
  report: Report,
): Map<string, string[]> {
  const [boss] = nodes.filter(({ type }) => type === "orchestrator").map(({ key }) => key);
  const between = edges.filter(({ from, to }) => !ENDS.includes(from) && !ENDS.includes(to));
  const down = between.filter(({ to }) => to !== boss);
  for (const edge of edges) checkDelegation(edge, boss, down, report);
  const others = nodes.map(({ key }) => key).filter((key) => key !== boss);
  if (between.length === 0) return new Map([[boss ?? "", others]]);
  const delegates = new Map<string, string[]>();
  for (const { from, to } of between) delegates.set(from, [...new Set([...(delegates.get(from) ?? []), to])]);
  checkLevels(nodes, boss ?? "", delegates, report);
  return delegates;
}

function checkDelegation(
  edge: EdgeDefinition,
  boss: string | undefined,
  down: readonly EdgeDefinition[],
  report: Report,
): void {
  const { from, to, path, when } = edge;
  if (when !== undefined) {
    report(invalid("an orchestrator decides by itself when it delegates", below(path, "when")));
  }
  if (from === "START" ? to !== boss : to === "END" && from !== boss) {
    report(invalid("with an orchestrator a run begins and ends there", path));
  } else if (to === boss && from !== "START") {
    report(invalid("nobody delegates to the orchestrator: answers go back to it anyway", below(path, "to")));
  } else if (down.includes(edge) && reachable(to, down, "from", "to").has(from)) {
    report(invalid("closes a circle of delegation", path));
  }
}

function checkLevels(
  nodes: readonly NodeDefinition[],
  boss: string,
  delegates: ReadonlyMap<string, readonly string[]>,
  report: Report,
): void {
  let level = [boss];
  const reached = new Set(level);
  for (let depth = 1; depth <= nodes.length && level.length > 0; depth++) {
    level = [...new Set(level.flatMap((key) => delegates.get(key) ?? []))];
    for (const key of level) reached.add(key);
    const [deep] = level;
    if (depth === MAX_DEPTH + 1 && deep !== undefined) {
      const node = nodes.find(({ key }) => key === deep);
      report(
        invalid(
          `${quote(deep)} is more than ${MAX_DEPTH} levels below the orchestrator`,
          node?.path ?? "/nodes",
        ),
      );
    }
  }
  for (const { key, name, path } of nodes) {
    if (!reached.has(key)) report(invalid(`nobody may delegate to ${quote(name)}`, path));
  }
}

/**
 * Which nodes wait for several others. Sources that always run together are a join: the node waits for
 * each. Where that cannot be told (alternatives, loops) it waits until nothing else is under way.
 */
export function meetings(edges: readonly EdgeDefinition[]): {
  joins: Map<string, string[]>;
  deferred: Set<string>;
} {
  const joins = new Map<string, string[]>();
  const deferred = new Set<string>();
  const rootOf = rootsOf(edges);
  for (const to of new Set(edges.map((edge) => edge.to))) {
    if (to === "END") continue;
    const incoming = edges.filter((edge) => edge.to === to && edge.from !== "START");
    if (incoming.length < 2) continue;
    const sources = incoming.filter((edge) => !isConditional(edge)).map(({ from }) => from);
    const together = sources.length === incoming.length && new Set(sources.map(rootOf)).size === 1;
    if (together) joins.set(to, sources);
    else deferred.add(to);
  }
  return { joins, deferred };
}

/** The place of which a node is the certain consequence: it runs once whenever that does. */
function rootsOf(edges: readonly EdgeDefinition[]): (key: string) => string {
  const known = new Map<string, string>([["START", "START"]]);
  const find = (key: string, open: ReadonlySet<string>): string => {
    const before = known.get(key);
    if (before !== undefined) return before;
    if (open.has(key)) return key;
    const incoming = edges.filter(({ to }) => to === key);
    const inside = new Set([...open, key]);
    const roots = new Set(incoming.map((edge) => (isConditional(edge) ? key : find(edge.from, inside))));
    const [only] = roots;
    const root = roots.size === 1 && only !== undefined ? only : key;
    known.set(key, root);
    return root;
  };
  return (key) => find(key, new Set());
}
