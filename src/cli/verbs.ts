import type { Database } from "../postgres/database.ts";
import type { Check } from "./doctor.ts";
import { UsageError } from "./usage.ts";

/** What the composition lends to the command line. */
export type CliTools = {
  /** The database that the service would use; the caller closes it. */
  openDatabase(): Promise<Database>;
  /** One for each dependency that is configured. */
  checks(): Promise<readonly Check[]>;
  print(line: string): void;
};

export type Verb = {
  usage: string;
  does: string;
  run(args: readonly string[], tools: CliTools): Promise<void>;
};

export const verbs: Readonly<Record<string, Verb>> = {
  validate: {
    usage: "validate <definition.json|.yaml|->",
    does: "checks an agent definition and says all that is wrong, and where",
    run: async ([file], tools) => await (await import("./definitions.ts")).validate(file, tools),
  },
  graph: {
    usage: "graph <definition.json|.yaml|->",
    does: "draws an agent definition, as Mermaid",
    run: async ([file], tools) => await (await import("./definitions.ts")).drawGraph(file, tools),
  },
  schema: {
    usage: "schema",
    does: "prints the JSON Schema of agent definitions",
    run: async (_args, { print }) => {
      const { definitionJsonSchema } = await import("../agents/definition.ts");
      print(JSON.stringify(definitionJsonSchema(), null, 2));
    },
  },
  send: {
    usage: "send <event.json|-> <http://… | nats://…>",
    does: "sends an event through either door and prints what comes of it",
    run: async ([file, url], { print }) => {
      const [{ sendEvent }, { readInput }] = await Promise.all([import("./send.ts"), import("./input.ts")]);
      const event = await readInput(file);
      if (url === undefined) throw new UsageError("send takes the service's URL, or that of NATS");
      await sendEvent(event, url, print);
    },
  },
  doctor: {
    usage: "doctor [--json]",
    does: "looks at each dependency that is configured, and says what to do about those that are ill",
    run: seeDoctor,
  },
  outbox: {
    usage: "outbox list | redrive (<event id> | --all)",
    does: "shows results that were not taken, or sends parked ones again",
    run: async ([what, which], tools) => {
      if (what === "list") await listOutbox(tools);
      else if (what === "redrive") await redriveOutbox(which, tools);
      else throw new UsageError("outbox takes list or redrive");
    },
  },
};

async function seeDoctor(args: readonly string[], { checks, print }: CliTools): Promise<void> {
  const asJson = args[0] === "--json";
  if (args.length > (asJson ? 1 : 0)) throw new UsageError("doctor takes --json, or nothing");
  const { examine, lineOf } = await import("./doctor.ts");
  const findings = await examine(await checks());
  const sick = findings.filter(({ ok }) => !ok).length;
  if (asJson) print(JSON.stringify({ ok: sick === 0, checks: findings }, null, 2));
  else for (const finding of findings) print(lineOf(finding));
  if (sick > 0) throw new Error(`${sick} of ${findings.length} checks found a problem`);
}

const LIST_LIMIT = 1000;

async function listOutbox({ openDatabase, print }: CliTools): Promise<void> {
  const { listUndelivered } = await import("../delivery/outbox.ts");
  const db = await openDatabase();
  try {
    for (const row of await listUndelivered(db, LIST_LIMIT)) print(JSON.stringify(row));
  } finally {
    await db.close();
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function redriveOutbox(which: string | undefined, { openDatabase, print }: CliTools): Promise<void> {
  if (which === undefined || (which !== "--all" && !UUID.test(which))) {
    throw new UsageError("outbox redrive takes the id of an event, or --all");
  }
  const { redriveParked } = await import("../delivery/outbox.ts");
  const db = await openDatabase();
  try {
    const count = await redriveParked(db, which === "--all" ? undefined : which);
    print(`${count} ${count === 1 ? "event" : "events"} will be sent again`);
  } finally {
    await db.close();
  }
}
