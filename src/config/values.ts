import { cut, type Env, type Findings } from "./findings.ts";
import { isLink } from "./names.ts";
import { type Given, type Variable, variables } from "./variables.ts";

/** Each variable as its row says; what is not usable is a problem. */
export function readRows(env: Env, { problems }: Findings): Given {
  const values: Record<string, unknown> = {};
  for (const row of variables) {
    const raw = env[row.name] ?? "";
    const value = row.writeOnly ? raw.replace(/[\r\n]+$/, "") : raw.trim();
    const isSet = value.trim() !== "" && !isLink(row.name, value);
    values[row.name] = isSet ? parse(row, value) : row.default;
    if (isSet && values[row.name] === undefined) {
      // A URL with an "@" may hold a password.
      const shown = row.writeOnly || /:.*@/.test(value) ? "the value" : JSON.stringify(cut(value));
      problems.push(`${row.name}: ${shown} is not usable; expected ${accepted(row)}`);
    }
  }
  return values as Given; // each value was parsed by its row, is its default, or is missing where it may be
}

function parse(row: Variable, value: string): unknown {
  const word = value.toLowerCase();
  if (row.enum) return row.enum.includes(word) ? word : undefined;
  if (row.type === "boolean") return word === "true" ? true : word === "false" ? false : undefined;
  if (row.type === "integer") {
    const { minimum = -Infinity, maximum = Infinity } = row;
    return /^-?\d+$/.test(value) && +value >= minimum && +value <= maximum ? +value : undefined;
  }
  const items = value.split(",").map((item) => item.trim());
  const fits = (text: string) => new RegExp(row.pattern ?? "").test(text);
  if (row.type === "array") return items.every(row.pattern ? fits : isHttpUrl) ? items : undefined;
  if (row.format && !isHttpUrl(value)) return undefined;
  return fits(value) ? value : undefined;
}

/** In words what `parse` takes; for messages and documents. */
export function accepted(row: Variable): string {
  const url = "absolute http or https URL, without user and password";
  if (row.enum) return `one of ${row.enum.join(", ")}`;
  if (row.type === "boolean") return "true or false";
  if (row.type === "integer") return `a whole number from ${row.minimum} to ${row.maximum}`;
  if (row.type === "array") return `a comma-separated list, each ${row.expects ?? `an ${url}`}`;
  return row.format ? `an ${url}` : (row.expects ?? "text");
}

function isHttpUrl(value: string): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === "" && password === "";
}
