import { describe, expect, it } from "vitest";
import { agentsWith, errorOf, runOnce, scripted } from "./support.ts";

const echo = { provider: "echo" };

describe("a pipeline", () => {
  it("runs its nodes in the order of its edges, each seeing what the one before said", async () => {
    const agent = await agentsWith().compile({
      nodes: [
        { name: "writer", model: scripted("A draft.") },
        { name: "reader", model: echo },
      ],
      edges: [{ from: "writer", to: "reader" }],
    });

    expect(await runOnce(agent, "Write!")).toEqual({ output: "writer: A draft.", status: "completed" });
  });

  it("gives back the channels that its nodes write", async () => {
    const agent = await agentsWith().compile({
      state_schema: { topic: { type: "str" }, draft: { type: "str" }, notes: { reducer: "append" } },
      nodes: [
        { name: "writer", model: echo, reads: ["topic"], writes: ["draft", "notes"].slice(0, 1) },
        { name: "left", model: scripted("l"), writes: ["notes"] },
        { name: "right", model: scripted("r"), writes: ["notes"] },
        { name: "end", model: echo, reads: ["notes"], writes: ["messages"] },
      ],
      edges: [
        { from: "writer", to: "left" },
        { from: "writer", to: "right" },
        { from: "left", to: "end" },
        { from: "right", to: "end" },
      ],
    });
    const { output, state } = await runOnce(agent, {
      topic: "bees",
      messages: [{ role: "user", content: "x" }],
    });
    expect(state).toEqual({ topic: "bees", draft: "topic:\nbees", notes: ["l", "r"] });
    expect(output).toBe('notes:\n[\n  "l",\n  "r"\n]');
  });

  it("loops until its condition holds, and stops where none does", async () => {
    const body = (last: string) => ({
      state_schema: { tries: { reducer: "append" }, verdict: { type: "str" } },
      nodes: [
        { name: "writer", model: scripted("try"), writes: ["tries"] },
        { name: "critic", model: echo, reads: ["tries"], writes: ["verdict"] },
      ],
      edges: [
        { from: "START", to: "writer" },
        { from: "writer", to: "critic" },
        { from: "critic", to: "writer", when: "size(state.tries) < 3" },
        { from: "critic", to: "END", when: last },
      ],
    });
    const agent = await agentsWith().compile(body("size(state.tries) >= 3"));
    expect((await runOnce(agent, "go")).state?.["tries"]).toEqual(["try", "try", "try"]);
    const stuck = await agentsWith().compile(body("size(state.tries) > 3"));
    expect(await errorOf(() => runOnce(stuck, "go"))).toMatchObject({ code: "graph_failed" });
  });
});
