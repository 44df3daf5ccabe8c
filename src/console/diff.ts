import { h } from "./dom.ts";

export type Line = { kind: "same" | "gone" | "new"; text: string };

/** Longer texts are shown as gone and new, whole: the table below grows with the square. */
const MOST_LINES = 400;

/** What changed between two texts, line by line: the longest common part stays. */
export function diffLines(before: string, after: string): Line[] {
  const a = before.split("\n");
  const b = after.split("\n");
  if (a.length > MOST_LINES || b.length > MOST_LINES) return [...as("gone", a), ...as("new", b)];
  const common = commonLengths(a, b);
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ kind: "same", text: left });
      i++;
      j++;
    } else if (right === undefined || (left !== undefined && at(common, i + 1, j) >= at(common, i, j + 1))) {
      lines.push({ kind: "gone", text: left ?? "" });
      i++;
    } else {
      lines.push({ kind: "new", text: right });
      j++;
    }
  }
  return lines;
}

const as = (kind: Line["kind"], texts: string[]): Line[] => texts.map((text) => ({ kind, text }));
const at = (table: number[][], i: number, j: number): number => table[i]?.[j] ?? 0;

/** For each pair of places, how many lines are common from there on. */
function commonLengths(a: string[], b: string[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    const row = table[i] ?? [];
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] =
        a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1));
    }
  }
  return table;
}

const SIGN = { same: "  ", gone: "- ", new: "+ " };

export function diffView(before: string, after: string): HTMLElement {
  const lines = diffLines(before, after).map(({ kind, text }) =>
    h("span", { class: kind }, `${SIGN[kind]}${text}\n`),
  );
  return h("pre", { class: "diff", "aria-label": "What you changed" }, ...lines);
}
