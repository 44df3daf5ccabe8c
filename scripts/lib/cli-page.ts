import { EXIT_CODES } from "../../src/cli/exit.ts";
import { helpOf } from "../../src/cli/run.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { table } from "./table.ts";

const INTRO = `# The command line

<!-- Printed from src/cli/verbs.ts by \`npm run docs\`. -->

\`npm run build\` makes \`dist/cli.js\`, which is \`agent-executor\`: \`node dist/cli.js\`, or \`npm link\` once and then by its name. In
the image: \`/nodejs/bin/node dist/cli.js\`.

On a terminal it prints text and colours (\`NO_COLOR\` says no), elsewhere JSON, one value a line; \`--json\` and \`--plain\` choose.
What went wrong is on standard error, in one sentence that says what to do.

\`jobs\`, \`approve\`, \`reject\` and \`trace\` talk to a service over HTTP: \`--url\` or \`AGENT_EXECUTOR_URL\`, with \`--token\` or
\`AGENT_EXECUTOR_TOKEN\` where it asks for one; \`send\` takes the latter too. \`db\`, \`outbox\` and \`doctor\` read the service's own variables
([configuration.md](configuration.md)) and go to its database: an embedded one is locked while its service runs.`;

export function cliPage(): string {
  const codes = table(["Exit code", "Means"], Object.entries(EXIT_CODES));
  const parts = Object.entries(verbs).map(([name, verb]) =>
    [`## ${name}`, ["```text", ...helpOf(verb), "```"].join("\n")].join("\n\n"),
  );
  return `${[INTRO, codes, ...parts].join("\n\n")}\n`;
}
