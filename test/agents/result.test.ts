import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { toResult } from "../../src/agents/result.ts";

describe("the result of a run", () => {
  it("is the content of the last message", () => {
    const messages = [new HumanMessage("a"), new AIMessage("b")];
    expect(toResult({ messages })).toEqual({ output: "b", status: "completed" });
  });

  it("joins the text parts of a content list and leaves out the others", () => {
    const content = [
      { type: "text", text: "one " },
      { type: "tool_use", id: "1" },
      { type: "text", text: "two" },
    ];
    expect(toResult({ messages: [{ content }] }).output).toBe("one two");
  });

  it("has the files and todos of a deep agent, when there are any", () => {
    const messages = [new AIMessage("done")];
    const files = { "/a.txt": { content: "hi" } };
    const todos = [{ content: "x", status: "pending" }];
    expect(toResult({ messages, files, todos })).toEqual({
      output: "done",
      status: "completed",
      files,
      todos,
    });
    expect(toResult({ messages, files: {}, todos: [] })).toEqual({ output: "done", status: "completed" });
  });

  it("is the whole state where there are no messages", () => {
    expect(toResult({ total: 3 })).toEqual({ output: { total: 3 }, status: "completed" });
    expect(toResult({ messages: [] }).output).toEqual({ messages: [] });
    expect(toResult(null)).toEqual({ output: null, status: "completed" });
    expect(toResult(undefined)).toEqual({ output: null, status: "completed" });
  });
});
