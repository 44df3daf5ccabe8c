import { svg } from "./dom.ts";

type Edge = { from: string; to: string; label: string };
type Shape = { nodes: string[]; edges: Edge[] };
type Place = { x: number; y: number };

const WIDTH = 130;
const HEIGHT = 34;
const GAP = { x: 60, y: 22 };

/** The graph of a definition, drawn from left to right, with the nodes that are at work lit. */
export class GraphView {
  readonly element: SVGElement;
  readonly #boxes = new Map<string, SVGElement>();

  constructor(definition: unknown) {
    const shape = readShape(definition);
    const places = arrange(shape);
    const right = Math.max(...[...places.values()].map(({ x }) => x), 0) + WIDTH + 10;
    const bottom = Math.max(...[...places.values()].map(({ y }) => y), 0) + HEIGHT + 10;
    this.element = svg("svg", {
      class: "graph",
      width: `${right}`,
      viewBox: `0 0 ${right} ${bottom}`,
      role: "img",
      "aria-label": `Graph of ${shape.nodes.join(", ")}`,
    });
    for (const edge of shape.edges) this.element.append(...drawEdge(edge, places));
    for (const [name, place] of places) {
      const box = drawNode(name, place);
      this.#boxes.set(name, box);
      this.element.append(box);
    }
  }

  light(node: string): void {
    this.#boxOf(node)?.setAttribute("class", "lit");
  }

  done(node: string): void {
    this.#boxOf(node)?.setAttribute("class", "done");
  }

  /** What a lone agent does goes on inside it, in nodes that its definition does not name. */
  #boxOf(node: string): SVGElement | undefined {
    const [only] = this.#boxes.size === 1 ? this.#boxes.values() : [];
    return this.#boxes.get(node) ?? only;
  }

  dark(): void {
    for (const box of this.#boxes.values())
      if (box.getAttribute("class") === "lit") box.setAttribute("class", "done");
  }
}

/** Takes what it understands: a definition was stored before it was checked. */
function readShape(definition: unknown): Shape {
  const { nodes: given, edges: drawn } = asRecord(definition);
  const list = Array.isArray(given) ? given.map(asRecord) : [];
  const nameOf = (node: Record<string, unknown>, at: number) =>
    String(node["id"] ?? node["name"] ?? `node ${at + 1}`);
  const nodes = list.map(nameOf);
  const edges = (Array.isArray(drawn) ? drawn.map(asRecord) : []).map(({ from, to, when }) => ({
    from: String(from),
    to: String(to),
    label: when === undefined ? "" : String(when),
  }));
  const chief = list.findIndex(({ type }) => type === "orchestrator");
  if (edges.length === 0 && chief >= 0) {
    const from = nodes[chief] ?? "";
    edges.push(...nodes.filter((each) => each !== from).map((to) => ({ from, to, label: "" })));
  }
  for (const end of edges.flatMap(({ from, to }) => [from, to])) if (!nodes.includes(end)) nodes.push(end);
  return { nodes: [...new Set(nodes)], edges };
}

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

/** Each node one column behind the last before it; edges that lead back are left out of account. */
function arrange({ nodes, edges }: Shape): Map<string, Place> {
  const column = new Map<string, number>();
  const visit = (node: string, depth: number, above: ReadonlySet<string>): void => {
    if (above.has(node) || (column.get(node) ?? -1) >= depth) return;
    column.set(node, depth);
    for (const { from, to } of edges) if (from === node) visit(to, depth + 1, new Set([...above, node]));
  };
  const roots = nodes.filter((node) => !edges.some(({ to, from }) => to === node && from !== node));
  for (const root of roots.length > 0 ? roots : nodes.slice(0, 1)) visit(root, 0, new Set());
  const filled = new Map<number, number>();
  const places = new Map<string, Place>();
  for (const node of nodes) {
    const depth = column.get(node) ?? 0;
    const row = filled.get(depth) ?? 0;
    filled.set(depth, row + 1);
    places.set(node, { x: 5 + depth * (WIDTH + GAP.x), y: 5 + row * (HEIGHT + GAP.y) });
  }
  return places;
}

function drawNode(name: string, { x, y }: Place): SVGElement {
  const short = name.length > 18 ? `${name.slice(0, 17)}…` : name;
  return svg(
    "g",
    {},
    svg("title", {}, name),
    svg("rect", { x: `${x}`, y: `${y}`, width: `${WIDTH}`, height: `${HEIGHT}`, rx: "8" }),
    svg("text", { x: `${x + WIDTH / 2}`, y: `${y + HEIGHT / 2}` }, short),
  );
}

function drawEdge({ from, to, label }: Edge, places: Map<string, Place>): SVGElement[] {
  const [a, b] = [places.get(from), places.get(to)];
  if (!a || !b) return [];
  const [x1, y1, x2, y2] = [a.x + WIDTH, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2];
  const bend = x2 > x1 ? (x2 - x1) / 2 : 60;
  const line = svg("path", { d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
  if (label === "") return [line];
  const short = label.length > 22 ? `${label.slice(0, 21)}…` : label;
  const at = { x: `${(x1 + x2) / 2}`, y: `${(y1 + y2) / 2 - 9}` };
  return [line, svg("text", { ...at, class: "label" }, svg("title", {}, label), short)];
}
