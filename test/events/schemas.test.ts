import { Value } from "typebox/value";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/errors/agent-error.ts";
import { type CompletedData, eventData, type FailedData } from "../../src/events/schemas.ts";

const usage = {
  input_tokens: 1,
  output_tokens: 2,
  total_tokens: 3,
  model_calls: 1,
  tool_calls: 0,
  steps: 2,
  seconds: 0.5,
};
const completed: CompletedData = {
  job_id: "a",
  run_id: "r",
  result: { output: "done", status: "completed", files: {} },
  usage,
  definition_hash: "h",
};
const failed: FailedData = {
  job_id: "a",
  run_id: "r",
  error: new AgentError("unknown_tool", "no such tool").toWire(),
  usage,
};

describe("the schemas of event data", () => {
  it.each([
    [
      "execute",
      eventData.in.execute,
      { job_id: "a", agent: "name@1", input: "hi", limits: { steps: 5 }, more: 1 },
    ],
    ["resume", eventData.in.resume, { job_id: "a", decisions: [{ interrupt_id: "i", decision: "approve" }] }],
    ["plain resume", eventData.in.resume, { job_id: "a", resume: null }],
    ["cancel", eventData.in.cancel, { job_id: "a" }],
    ["completed", eventData.out.completed, completed],
    ["failed", eventData.out.failed, failed],
    [
      "interrupted",
      eventData.out.interrupted,
      {
        job_id: "a",
        run_id: "r",
        interrupts: [{ interrupt_id: "i", kind: "tool", allowed: ["reject"], message: "?" }],
        usage,
      },
    ],
    ["cancelled", eventData.out.cancelled, { job_id: "a", run_id: "r", reason: "" }],
  ])("take what the contract shows: %s", (_, schema, value) => {
    expect([...Value.Errors(schema, value)]).toEqual([]);
  });

  it("name what an approval node shows, beside what a tool asks with", () => {
    const { items } = eventData.out.interrupted.properties.interrupts;

    expect(Object.keys(items.properties)).toEqual(expect.arrayContaining(["tool", "args", "value"]));
  });

  it.each([
    ["an execute without job_id", eventData.in.execute, {}],
    ["an empty job_id", eventData.in.cancel, { job_id: "" }],
    [
      "an unknown decision",
      eventData.in.resume,
      { job_id: "a", decisions: [{ interrupt_id: "i", decision: "maybe" }] },
    ],
    ["an unknown error code", eventData.out.failed, { ...failed, error: { ...failed.error, code: "oops" } }],
    [
      "a completed run that is not",
      eventData.out.completed,
      { ...completed, result: { output: 1, status: "failed" } },
    ],
  ])("refuse %s", (_, schema, value) => {
    expect(Value.Check(schema, value)).toBe(false);
  });

  it("describe every property, for OpenAPI and docs/events.md are printed from them", () => {
    const missing: string[] = [];
    const visit = (schema: object, path: string): void => {
      const { properties = {}, items } = schema as { properties?: Record<string, object>; items?: object };
      for (const [name, property] of Object.entries(properties)) {
        if (!("description" in property)) missing.push(`${path}/${name}`);
        visit(property, `${path}/${name}`);
      }
      if (items) visit(items, `${path}/items`);
    };

    for (const [name, schema] of Object.entries({ ...eventData.in, ...eventData.out })) visit(schema, name);

    expect(missing).toEqual([]);
  });
});
