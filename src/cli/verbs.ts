import type { CliTools } from "./tools.ts";

export type Verb = {
  usage: string;
  does: string;
  /** What may stand behind it, for the completion of shells. */
  words?: readonly string[];
  options?: readonly (readonly [option: string, does: string])[];
  examples?: readonly string[];
  /** Each verb lives in a file of its own, which is read when it is used. */
  run(args: readonly string[], tools: CliTools): Promise<void>;
};

const SERVICE = [
  ["--url <url>", "the service; else AGENT_EXECUTOR_URL, else http://127.0.0.1:8080"],
  ["--token <token>", "a bearer token; else AGENT_EXECUTOR_TOKEN"],
] as const;
const OUTPUT = [
  ["--json", "prints JSON; so it is wherever the output is no terminal"],
  ["--plain", "prints text for people there too"],
] as const;
const SHELLS = ["bash", "zsh", "fish"];

export const verbs: Readonly<Record<string, Verb>> = {
  dev: {
    usage: "dev [--port <port>]",
    does: "starts the service for development, with its log in words",
    options: [
      ["--port <port>", "the port to listen on; else PORT, else 8080"],
      ["--json", "the log as it is"],
    ],
    examples: ["agent-executor dev", "PG_HOST=localhost agent-executor dev --port 9000"],
    run: async (args, tools) => await (await import("./dev.ts")).dev(args, tools),
  },
  run: {
    usage: "run <definition> --input <json|text|@file|->",
    does: "runs an agent once, prints all that happens and the result",
    options: [
      ["--input <input>", "JSON, or a text as the user's message; @file and - read it"],
      ["--job <id>", "the job's id; with --url a known one continues its conversation"],
      ...SERVICE.slice(1),
      ["--url <url>", "runs it there; else in this process, on an embedded Postgres"],
      ...OUTPUT,
    ],
    examples: [
      "agent-executor run examples/hello.agent.json --input 'Hi!'",
      `agent-executor run agent.json --input '{"messages":[{"role":"user","content":"Hi!"}]}' --json`,
      "agent-executor run agent.json --input @question.txt --url https://agents.example.com",
    ],
    run: async (args, tools) => await (await import("./run-definition.ts")).runDefinition(args, tools),
  },
  validate: {
    usage: "validate <definition.json|.yaml|->",
    does: "checks an agent definition and says all that is wrong, and where",
    examples: ["agent-executor validate examples/hello.agent.json"],
    run: async (args, tools) => await (await import("./definitions.ts")).validate(args, tools),
  },
  graph: {
    usage: "graph <definition.json|.yaml|->",
    does: "draws an agent definition, as Mermaid",
    examples: ["agent-executor graph examples/review-pipeline.agent.json"],
    run: async (args, tools) => await (await import("./definitions.ts")).drawGraph(args, tools),
  },
  schema: {
    usage: "schema",
    does: "prints the JSON Schema of agent definitions",
    examples: ["agent-executor schema > agent.schema.json"],
    run: async (args, tools) => await (await import("./definitions.ts")).schema(args, tools),
  },
  send: {
    usage: "send <event.json|-> <http://… | nats://…>",
    does: "sends an event through either door and prints what comes of it",
    examples: [
      "agent-executor send examples/hello.event.json http://127.0.0.1:8080",
      "agent-executor send examples/hello.event.json nats://127.0.0.1:4222",
    ],
    run: async (args, tools) => await (await import("./send.ts")).send(args, tools),
  },
  jobs: {
    usage: "jobs list | show <job> | tail <job> | cancel <job> | retry <job>",
    does: "shows jobs, follows one as it runs, ends it or tries it again",
    words: ["list", "show", "tail", "cancel", "retry"],
    options: [
      ["--status, --since, --until, --limit, --after", "list: which jobs, and which page of them"],
      ["--run <run id>", "cancel, retry: that run; else all that are not final, or the newest"],
      ["--reason <text>", "cancel: repeated in the cancelled event"],
      ["--from input|checkpoint", "retry: begin anew (default), or go on where it stopped"],
      ...SERVICE,
      ...OUTPUT,
    ],
    examples: [
      "agent-executor jobs list --status failed --limit 20",
      "agent-executor jobs tail first-job",
      "agent-executor jobs cancel first-job --reason 'wrong customer'",
      "agent-executor jobs retry first-job --from checkpoint",
    ],
    run: async (args, tools) => await (await import("./jobs.ts")).jobs(args, tools),
  },
  approve: {
    usage: "approve <job> [interrupt]",
    does: "lets a run go on that waits for a person",
    options: [
      ["--args <json>", "go on with these arguments instead"],
      ["--value <json|text>", "the answer to a plain question"],
      ["--comment <text>", "why"],
      ["--approver <name>", "who decides, where the service asks for no tokens"],
      ...SERVICE,
      ...OUTPUT,
    ],
    examples: ["agent-executor approve payment-7", `agent-executor approve payment-7 --args '{"amount": 5}'`],
    run: async (args, tools) => await (await import("./decide.ts")).decide("approve", args, tools),
  },
  reject: {
    usage: "reject <job> [interrupt]",
    does: "refuses what a run asks; it goes on without",
    options: [
      ["--comment <text>", "why; the model reads it"],
      ["--approver <name>", "who decides, where the service asks for no tokens"],
      ...SERVICE,
      ...OUTPUT,
    ],
    examples: ["agent-executor reject payment-7 --comment 'ask the customer first'"],
    run: async (args, tools) => await (await import("./decide.ts")).decide("reject", args, tools),
  },
  trace: {
    usage: "trace <job>",
    does: "prints the tree of a job: events, attempts, steps, tools, decisions, deliveries",
    options: [["--database", "asks the configured database instead of a service"], ...SERVICE, ...OUTPUT],
    examples: ["agent-executor trace first-job", "agent-executor trace first-job --database --json"],
    run: async (args, tools) => await (await import("./trace.ts")).trace(args, tools),
  },
  outbox: {
    usage: "outbox list | redrive (<event id> | --all)",
    does: "shows results that were not taken, or sends parked ones again",
    words: ["list", "redrive"],
    examples: ["agent-executor outbox list", "agent-executor outbox redrive --all"],
    run: async (args, tools) => await (await import("./outbox.ts")).outbox(args, tools),
  },
  db: {
    usage: "db migrate | doctor | prune [--days <days>]",
    does: "makes the tables, looks for what is stuck in them, deletes what is old",
    words: ["migrate", "doctor", "prune"],
    options: [["--days <days>", "prune: jobs that ended longer ago; else RETENTION_DAYS"], ...OUTPUT],
    examples: ["agent-executor db doctor", "agent-executor db prune --days 30"],
    run: async (args, tools) => await (await import("./db.ts")).db(args, tools),
  },
  doctor: {
    usage: "doctor [--json]",
    does: "looks at each dependency that is configured, and says what to do about those that are ill",
    options: [["--json", "prints JSON"]],
    examples: ["agent-executor doctor"],
    run: async (args, tools) => await (await import("./see-doctor.ts")).seeDoctor(args, tools),
  },
  demo: {
    usage: "demo crash",
    does: "starts a run, kills its worker midway, and shows it finish once",
    words: ["crash"],
    options: OUTPUT,
    examples: ["agent-executor demo crash"],
    run: async (args, tools) => await (await import("./demo.ts")).demo(args, tools),
  },
  completion: {
    usage: "completion bash | zsh | fish",
    does: "prints a script that completes words in that shell",
    words: SHELLS,
    examples: ["source <(agent-executor completion bash)", "agent-executor completion fish | source"],
    run: async (args, tools) => await (await import("./completion.ts")).completion(args, tools, verbs),
  },
};
