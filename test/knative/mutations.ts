import type { Manifest } from "./manifests.ts";

type Node = Record<string, unknown>;

/** Sets the value at a path of the first manifest of a kind; "-" adds to a list, `undefined` takes away. */
export function change(
  bundle: readonly Manifest[],
  kind: string,
  path: string,
  value: unknown,
  name = "",
): void {
  const manifest = bundle.find((each) => each.kind === kind && (name === "" || each.name === name));
  const keys = path.split("/").map((key) => key.replaceAll("~1", "/"));
  const last = keys.pop();
  let node: unknown = manifest?.body;
  for (const key of keys) node = isNode(node) ? node[key] : undefined;
  if (!isNode(node) || last === undefined) throw new Error(`there is no ${path} in a ${kind} ${name}`);
  if (Array.isArray(node))
    node.splice(last === "-" ? node.length : Number(last), 1, ...[value].flatMap(given));
  else if (value === undefined) delete node[last];
  else node[last] = value;
}

const given = (value: unknown) => (value === undefined ? [] : [value]);
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;
