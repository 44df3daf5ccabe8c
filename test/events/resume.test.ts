import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/errors/agent-error.ts";
import { readResume } from "../../src/events/resume.ts";

const ID = "8b6c1f0e-5d0c-4d0b-9a53-2f6f3a1f7c11";
const decision = (more: Record<string, unknown>) => ({
  decisions: [{ interrupt_id: ID, decision: "approve", ...more }],
});

describe("the data of a resume event", () => {
  it("holds decisions, each with what belongs to it", () => {
    const sent = {
      decisions: [
        { interrupt_id: ID.toUpperCase(), decision: "approve", comment: "fine", approver: "ann", args: {} },
      ],
    };

    expect(readResume(sent)).toEqual({
      decisions: [{ interruptId: ID, decision: "approve", comment: "fine", approver: "ann" }],
    });
    expect(readResume(decision({ decision: "edit", args: { a: 1 }, args_digest: "d" }))).toEqual({
      decisions: [{ interruptId: ID, decision: "edit", args: { a: 1 }, argsDigest: "d" }],
    });
    expect(readResume(decision({ decision: "respond", value: null }))).toEqual({
      decisions: [{ interruptId: ID, decision: "respond", value: null }],
    });
  });

  it("holds any value for a plain interrupt, null and false too", () => {
    for (const resume of [null, false, 0, "", { a: [1] }]) expect(readResume({ resume })).toEqual({ resume });
  });

  it.each([
    ["nothing", {}, "/data/decisions"],
    ["no list", { decisions: "approve" }, "/data/decisions"],
    ["an empty list", { decisions: [] }, "/data/decisions"],
    ["too many", { decisions: Array.from({ length: 101 }, () => ({})) }, "/data/decisions"],
    ["a text as a decision", { decisions: ["approve"] }, "/data/decisions/0"],
    ["no id", decision({ interrupt_id: 7 }), "/data/decisions/0/interrupt_id"],
    ["an id that is no UUID", decision({ interrupt_id: "x'; --" }), "/data/decisions/0/interrupt_id"],
    ["another word", decision({ decision: "yes" }), "/data/decisions/0/decision"],
    ["an edit without arguments", decision({ decision: "edit" }), "/data/decisions/0/args"],
    ["an edit to a list", decision({ decision: "edit", args: [1] }), "/data/decisions/0/args"],
    ["an answer without a value", decision({ decision: "respond" }), "/data/decisions/0/value"],
    ["a comment with NUL", decision({ comment: "a\0" }), "/data/decisions/0/comment"],
    ["a comment that is too long", decision({ comment: "x".repeat(4097) }), "/data/decisions/0/comment"],
    ["half a character", decision({ approver: "\ud800" }), "/data/decisions/0/approver"],
    ["the name of the deadline", decision({ approver: "system:deadline" }), "/data/decisions/0/approver"],
    ["a digest that is no text", decision({ args_digest: 1 }), "/data/decisions/0/args_digest"],
    [
      "the same id twice",
      { decisions: [decision({}), decision({})].flatMap((d) => d.decisions) },
      "/data/decisions",
    ],
  ])("is refused with the place where it holds %s", (_, sent, path) => {
    const refused = () => readResume(sent as Record<string, unknown>);

    expect(refused).toThrow(AgentError);
    expect(refused).toThrow(expect.objectContaining({ code: "invalid_event", path }));
  });
});
