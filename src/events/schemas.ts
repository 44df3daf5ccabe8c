import { type Static, Type } from "typebox";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";

const jobId = Type.String({
  minLength: 1,
  maxLength: 256,
  description: "Names the job and its conversation; events of one job run in order of arrival.",
});
const runId = Type.String({ description: "Names one run of the job: a UUID given by this service." });
const interruptId = Type.String({ description: "Names one question of one wait; an answer repeats it." });
const argsDigest = Type.String({
  description: "SHA-256 of the arguments, so that an answer fits only them.",
});
const decision = Type.Enum(["approve", "edit", "reject", "respond"], {
  description: "Go on as proposed, go on with other args, do not, or answer in place of the tool.",
});

const atMost = (description: string) => Type.Optional(Type.Number({ exclusiveMinimum: 0, description }));
const limits = Type.Object(
  {
    steps: atMost("Steps of the graph."),
    seconds: atMost("Running time, without waiting."),
    tokens: atMost("Tokens sent and received."),
    tool_calls: atMost("Calls of tools."),
  },
  { description: "The smaller of event, definition and the operator's maximum wins." },
);

/** Data of the execute event. */
export const ExecuteData = Type.Object(
  {
    job_id: jobId,
    trace_id: Type.Optional(
      Type.String({
        description: "Trace to join, in any form; a UUID or 32 hex digits are used as they are.",
      }),
    ),
    agent_definition: Type.Optional(
      Type.Unknown({
        description:
          "What to run (/schemas/agent-definition.json). May be left out from a job's second event on.",
      }),
    ),
    agent: Type.Optional(
      Type.String({
        description: "Instead of a definition: `name` or `name@version` of an agent of the service.",
      }),
    ),
    input: Type.Optional(
      Type.Unknown({
        description: "A user message as string, or {messages: [{role, content}]} and state fields.",
      }),
    ),
    input_payload: Type.Optional(Type.Unknown({ description: "Older name of `input`." })),
    context: Type.Optional(
      Type.Unknown({ description: "Values for the run that are no part of its state." }),
    ),
    limits: Type.Optional(limits),
  },
  { description: "Runs one turn of a job." },
);
export type ExecuteData = Static<typeof ExecuteData>;

const Decision = Type.Object({
  interrupt_id: interruptId,
  decision,
  args: Type.Optional(Type.Unknown({ description: "With `edit`: the arguments to use instead." })),
  value: Type.Optional(Type.Unknown({ description: "With `respond`: the answer." })),
  comment: Type.Optional(Type.String({ description: "Why; the model sees it after a rejection." })),
  approver: Type.Optional(Type.String({ description: "Who decided." })),
  args_digest: Type.Optional(argsDigest),
});

/** Data of the resume event. */
export const ResumeData = Type.Object(
  {
    job_id: jobId,
    decisions: Type.Optional(
      Type.Array(Decision, { description: "Answers; the run goes on when the last interrupt has one." }),
    ),
    resume: Type.Optional(
      Type.Unknown({ description: "Instead of decisions, for a graph with one plain interrupt: its value." }),
    ),
  },
  { description: "Answers a run that waits for a person." },
);
export type ResumeData = Static<typeof ResumeData>;

/** Data of the cancel event. */
export const CancelData = Type.Object(
  {
    job_id: jobId,
    run_id: Type.Optional(
      Type.String({ description: "The run to cancel; without it, all of the job that are not final." }),
    ),
    reason: Type.Optional(Type.String({ description: "Why; repeated in the cancelled event." })),
  },
  { description: "Stops runs of a job." },
);
export type CancelData = Static<typeof CancelData>;

const count = (description: string) => Type.Integer({ minimum: 0, description });
const usage = Type.Object(
  {
    input_tokens: count("Tokens sent to models."),
    output_tokens: count("Tokens that models wrote."),
    total_tokens: count("Both."),
    model_calls: count("Calls of models."),
    tool_calls: count("Calls of tools."),
    steps: count("Steps of the graph, those of sub-agents included."),
    seconds: Type.Number({ minimum: 0, description: "Running time, without waiting." }),
    cost_usd: Type.Optional(
      Type.Number({ minimum: 0, description: "Where the prices of the model are known." }),
    ),
  },
  { description: "Counted over every attempt and resume of the run." },
);

/** Data of the completed event. */
export const CompletedData = Type.Object(
  {
    job_id: jobId,
    run_id: runId,
    result: Type.Object(
      {
        output: Type.Unknown({ description: "Content of the last message." }),
        status: Type.Literal("completed", { description: "Always `completed`." }),
        structured: Type.Optional(Type.Unknown({ description: "Output by the definition's output_schema." })),
        files: Type.Optional(Type.Unknown({ description: "Files the agent left, by path." })),
        todos: Type.Optional(Type.Unknown({ description: "The agent's list of tasks." })),
        state: Type.Optional(Type.Unknown({ description: "Fields of the definition's state_schema." })),
      },
      { description: "What the run came to." },
    ),
    usage,
    definition_hash: Type.String({ description: "SHA-256 of the definition that ran, as canonical JSON." }),
  },
  { description: "The run is done." },
);
export type CompletedData = Static<typeof CompletedData>;

const code = Type.Unsafe<ErrorCode>(
  Type.String({
    enum: Object.keys(catalogue),
    description: "What went wrong; docs/errors.md lists the codes.",
  }),
);

/** Data of the failed event. */
export const FailedData = Type.Object(
  {
    job_id: jobId,
    run_id: runId,
    error: Type.Object(
      {
        code,
        message: Type.String({ description: "One line for people, at most 2 KiB." }),
        type: Type.String({ description: "The code as a class name, for consumers of the Python service." }),
        retryable: Type.Boolean({ description: "Whether the same job may succeed later." }),
        path: Type.Optional(Type.String({ description: "JSON pointer to the part at fault." })),
      },
      { description: "Why the run failed." },
    ),
    partial: Type.Optional(Type.Unknown({ description: "What there was when a limit ended the run." })),
    usage,
  },
  { description: "The run ended without a result." },
);
export type FailedData = Static<typeof FailedData>;

const Interrupt = Type.Object({
  interrupt_id: interruptId,
  kind: Type.String({ description: "What asks: a tool, an approval node or the graph itself." }),
  tool: Type.Optional(Type.String({ description: "The tool that would be called." })),
  args: Type.Optional(Type.Unknown({ description: "The arguments it would be called with." })),
  value: Type.Optional(Type.Unknown({ description: "What an approval node shows, or a graph asks with." })),
  args_digest: Type.Optional(argsDigest),
  allowed: Type.Array(decision, { description: "The decisions that are taken." }),
  message: Type.String({ description: "The question, for people." }),
  expires_at: Type.Optional(Type.String({ description: "When the default decision is taken (RFC 3339)." })),
});

/** Data of the interrupted event. */
export const InterruptedData = Type.Object(
  {
    job_id: jobId,
    run_id: runId,
    interrupts: Type.Array(Interrupt, { description: "The open questions; resume answers them." }),
    usage,
  },
  { description: "The run waits for a person." },
);
export type InterruptedData = Static<typeof InterruptedData>;

/** Data of the cancelled event. */
export const CancelledData = Type.Object(
  {
    job_id: jobId,
    run_id: runId,
    reason: Type.String({ description: "The reason that the cancel gave." }),
  },
  { description: "The run was stopped." },
);
export type CancelledData = Static<typeof CancelledData>;

/** The seven event types by the last word of their type; OpenAPI and docs/events.md are printed from here. */
export const eventData = {
  in: { execute: ExecuteData, resume: ResumeData, cancel: CancelData },
  out: {
    completed: CompletedData,
    failed: FailedData,
    interrupted: InterruptedData,
    cancelled: CancelledData,
  },
} as const;
