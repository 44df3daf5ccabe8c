/** One event of each type, as docs/events.md shows it; a test checks their data against the schemas. */
type Example = { id: string; source: string; data: Record<string, unknown> } & Record<string, unknown>;

const RUN = "01a1ff18-718e-739a-880b-13fd095b0f6b";
const QUESTION = "5f0c9c57-0f3e-5d29-9a53-5f7a5c9b8c11";
const DIGEST = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
const HASH = "c7f2e6c73d1a937946c0cde26ce90e96efda7e5c5c8ed4edcd4e9653d4f58828";
const usage = {
  ...{ input_tokens: 212, output_tokens: 48, total_tokens: 260, model_calls: 2, tool_calls: 1, steps: 4 },
  seconds: 1.84,
};

const sent = { source: "shop" };
const ours = {
  source: "agent-executor-service",
  subject: "refund-7",
  time: "2026-01-31T12:00:04.211Z",
  datacontenttype: "application/json",
  causationid: "refund-7-1",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

export const eventExamples: Readonly<Record<string, Example>> = {
  execute: {
    ...{ id: "refund-7-1", ...sent },
    data: {
      job_id: "refund-7",
      agent_definition: {
        name: "refunds",
        nodes: [
          {
            type: "agent",
            name: "clerk",
            model: { provider: "openai", model: "gpt-4o-mini" },
            system_prompt: "You decide on refunds.",
          },
        ],
      },
      input: "The parcel never arrived.",
      limits: { seconds: 60, tokens: 20_000 },
    },
  },
  resume: {
    ...{ id: "refund-7-2", ...sent },
    data: {
      job_id: "refund-7",
      decisions: [
        {
          interrupt_id: QUESTION,
          decision: "approve",
          args_digest: DIGEST,
          comment: "checked with the carrier",
        },
      ],
    },
  },
  cancel: {
    ...{ id: "refund-7-3", ...sent },
    data: { job_id: "refund-7", reason: "the customer withdrew" },
  },
  completed: {
    ...{ id: "8a6d2a6e-7f5b-5b7e-9d0f-4b8a8f0f7a51", ...ours },
    data: {
      job_id: "refund-7",
      run_id: RUN,
      result: { output: "Refunded 12 EUR.", status: "completed" },
      usage,
      definition_hash: HASH,
    },
  },
  failed: {
    ...{ id: "0d1c3a52-2d63-5e0e-8a39-1f2b6a4f0c02", ...ours },
    data: {
      job_id: "refund-7",
      run_id: RUN,
      error: {
        code: "unknown_tool",
        message: '"refnd" is no tool of this definition (did you mean "refund"?)',
        type: "UnknownToolError",
        retryable: false,
        path: "/nodes/0/tools/0",
      },
      usage: { ...usage, input_tokens: 0, output_tokens: 0, total_tokens: 0, model_calls: 0, tool_calls: 0 },
    },
  },
  interrupted: {
    ...{ id: "c0b7c2f4-98d8-5f68-8a6f-2a7f3d0a9f10", ...ours },
    data: {
      job_id: "refund-7",
      run_id: RUN,
      interrupts: [
        {
          interrupt_id: QUESTION,
          kind: "tool",
          tool: "refund",
          args: { amount: 12, currency: "EUR" },
          args_digest: DIGEST,
          allowed: ["approve", "edit", "reject"],
          message: "Refund this?",
          expires_at: "2026-02-01T12:00:04.211Z",
        },
      ],
      usage,
    },
  },
  cancelled: {
    ...{ id: "6b0f7a57-1c1d-5f6a-b0d4-9c3e2b1a0f77", ...ours },
    data: { job_id: "refund-7", run_id: RUN, reason: "the customer withdrew", usage },
  },
};
