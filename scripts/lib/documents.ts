import { accepted } from "../../src/config/values.ts";
import { type Variable, variables } from "../../src/config/variables.ts";
import { type Actor, catalogue, type ErrorCode, type ErrorKind } from "../../src/errors/catalogue.ts";
import { cliPage } from "./cli-page.ts";
import { definitionTables } from "./definition-tables.ts";
import { eventsPage } from "./events-page.ts";
import { table } from "./table.ts";

/** A file that is printed from the code: all of it, or the part between its markers. */
type PrintedDocument = { readonly path: string; render(current: string): string };

export const documents: readonly PrintedDocument[] = [
  { path: ".env.example", render: envExample },
  { path: "README.md", render: (current) => between("config", current, configSummary()) },
  { path: "docs/configuration.md", render: (current) => between("config", current, configTables()) },
  { path: "docs/errors.md", render: errorsPage },
  { path: "docs/definitions.md", render: (current) => between("schema", current, definitionTables()) },
  { path: "docs/events.md", render: eventsPage },
  { path: "docs/cli.md", render: cliPage },
];

/** Replaces what stands between `<!-- name:start -->` and `<!-- name:end -->`. */
export function between(name: string, current: string, printed: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const from = current.indexOf(start);
  const to = current.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the markers ${start} and ${end} are missing`);
  return `${current.slice(0, from + start.length)}\n${printed}\n${current.slice(to)}`;
}

function envExample(): string {
  const lines = [
    "# Printed from src/config/variables.ts by `npm run docs`. Copy it to .env and uncomment what you need.",
  ];
  for (const [group, rows] of byGroup()) {
    if (group === "platform") continue; // nobody sets these by hand
    lines.push("", `# --- ${title(group)} ---`);
    for (const row of rows) lines.push(...envLines(row));
  }
  return `${lines.join("\n")}\n`;
}

function envLines(row: Variable): string[] {
  const unset = row.unset === undefined ? "" : ` Without it: ${row.unset}.`;
  const takes = accepted(row) === "text" ? "" : ` Takes ${accepted(row)}.`;
  return [`# ${row.description}${takes}${unset}`, `#${row.name}=${row.default ?? ""}`];
}

function configSummary(): string {
  const rows = [...byGroup()].flatMap(([group, inGroup]) => [
    [`**${title(group)}**`, "", ""],
    ...inGroup.map((row) => [`\`${row.name}\``, initial(row), row.description]),
  ]);
  return table(["Variable", "Default", "Meaning"], rows);
}

function configTables(): string {
  const parts = [...byGroup()].map(([group, inGroup]) => {
    const rows = inGroup.map((row) => [`\`${row.name}\``, accepted(row), initial(row), row.description]);
    return `### ${title(group)}\n\n${table(["Variable", "Takes", "Default", "Meaning"], rows)}`;
  });
  return parts.join("\n\n");
}

function byGroup(): Map<string, Variable[]> {
  const groups = new Map<string, Variable[]>();
  for (const row of variables) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  return groups;
}

const title = (group: string) => group.charAt(0).toUpperCase() + group.slice(1);

function initial(row: Variable): string {
  const value = String(row.default ?? "");
  return row.unset ?? (value === "" ? "" : `\`${value}\``);
}

const ACTORS: Record<Actor, string> = {
  sender: "the sender",
  later: "nobody: retry later",
  us: "the operator",
};

const AFTER_ACCEPTANCE =
  "The event was accepted, so nothing here refuses it: the outcome is a `failed` event with the code under " +
  "`data.error.code`. The status counts only where an HTTP answer itself carries the error.";

/** The catalogue is in this order; a section begins with its first code. */
const SECTIONS: readonly { readonly first: ErrorCode; readonly title: string; readonly about: string }[] = [
  {
    first: "invalid_event",
    title: "At the door",
    about: "The request is answered with this status and the body `{error: {code, message}}`.",
  },
  { first: "invalid_definition", title: "In the definition or the input", about: AFTER_ACCEPTANCE },
  { first: "model_refused", title: "In the run", about: AFTER_ACCEPTANCE },
];

function errorsPage(): string {
  const codes = Object.entries<ErrorKind>(catalogue);
  const starts = SECTIONS.map(({ first }) => codes.findIndex(([code]) => code === first));
  const sections = SECTIONS.map((section, i) => {
    const rows = codes.slice(starts[i], starts[i + 1]).map(errorRow);
    const head = ["Code", "Status", "Who must act", "What happened", "What to do"];
    return `## ${section.title}\n\n${section.about}\n\n${table(head, rows)}`;
  });
  const intro =
    "# Errors\n\n<!-- Printed from src/errors/catalogue.ts by `npm run docs`. -->\n\n" +
    "Codes are part of the contract: they are added, never renamed. `retryable` is true where a later retry " +
    "of the same bytes can succeed.";
  return `${[intro, ...sections].join("\n\n")}\n`;
}

function errorRow([code, kind]: [string, ErrorKind]): string[] {
  return [`\`${code}\``, String(kind.status), ACTORS[kind.actor], kind.means, kind.fix];
}
