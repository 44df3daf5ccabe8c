import { eventData } from "../../src/events/schemas.ts";
import { eventExamples } from "./event-examples.ts";
import { table } from "./table.ts";

const PREFIX = "dev.my-platform.agent";

type Schema = {
  description?: string;
  type?: string;
  enum?: readonly unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: readonly string[];
  items?: Schema;
};

const INTRO = `# Events

<!-- Printed from src/events/schemas.ts and scripts/lib/event-examples.ts by \`npm run docs\`. -->

CloudEvents 1.0, in and out. In: \`POST /\` in binary, structured or batched mode. Out: to \`K_SINK\` in binary mode, or as
the answer to the request. \`EVENT_TYPE_PREFIX\` changes the start of every type. The examples are in structured mode:

\`\`\`sh
curl -i localhost:8080 -H 'content-type: application/cloudevents+json' -d @event.json
\`\`\`

- **Known by \`source\` and \`id\`**: a copy of an event starts nothing; it joins the run or gets its stored answer.
- **\`job_id\` is the conversation**: the events of a job run in order of arrival, each a turn of the same thread.
- **Results have one id for ever**: a UUID made of run and outcome. A redelivery has the same id and the same bytes, so a
  receiver that remembers ids sees each once. \`causationid\` is the id of the execute event, \`subject\` the job.
- **\`traceparent\`** of the event goes on in the run and in the result.
- Fields beyond these are allowed and kept out of the way. What is refused with \`400\` and what becomes a \`failed\` event:
  [errors.md](errors.md).`;

export function eventsPage(): string {
  const part = (title: string, kinds: Readonly<Record<string, unknown>>) => [
    `## ${title}`,
    ...Object.entries(kinds).map(([kind, schema]) => section(kind, schema as Schema)), // TypeBox hides the keywords
  ];
  return `${[INTRO, ...part("In", eventData.in), ...part("Out", eventData.out)].join("\n\n")}\n`;
}

function section(kind: string, schema: Schema): string {
  const example = eventExamples[kind];
  const { data, ...attributes } = example ?? {};
  const event = { specversion: "1.0", type: `${PREFIX}.${kind}`, ...attributes, data };
  const rows = fields(schema, "").map(([name, type, need, about]) => [`\`${name}\``, type, need, about]);
  return [
    `### \`${PREFIX}.${kind}\``,
    schema.description ?? "",
    table(["Field of data", "Type", "", "Meaning"], rows),
    ["```json", JSON.stringify(event, null, 2), "```"].join("\n"),
  ].join("\n\n");
}

type FieldRow = [name: string, type: string, need: string, about: string];

function fields(schema: Schema, path: string): FieldRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = `${path}${key}`;
    const need = schema.required?.includes(key) ? "always" : "";
    const row: FieldRow = [name, typeOf(field), need, field.description ?? ""];
    const inner = field.items ?? field;
    return [row, ...fields(inner, field.items === undefined ? `${name}.` : `${name}[].`)];
  });
}

function typeOf({ type, enum: values, const: only, items }: Schema): string {
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (values !== undefined && values.length <= 6) return values.map((value) => `\`${value}\``).join(", ");
  if (type === "array") return `list of ${items?.type ?? "any"}`;
  return type ?? "any";
}
