import { Annotation, Send, StateGraph } from "@langchain/langgraph";
import { act, lifeAtHand } from "../life.ts";
import { Log, step } from "./steps.ts";

const sequence = new StateGraph(Log)
  .addNode("one", step("one"))
  .addNode("two", step("two"))
  .addNode("three", step("three"))
  .addEdge("__start__", "one")
  .addEdge("one", "two")
  .addEdge("two", "three")
  .compile();

const branches = new StateGraph(Log)
  .addNode("fork", step("fork"))
  .addNode("a", step("a"))
  .addNode("b", step("b"))
  .addNode("c", step("c"))
  .addNode("join", step("join"))
  .addEdge("__start__", "fork")
  .addEdge("fork", "a")
  .addEdge("fork", "b")
  .addEdge("fork", "c")
  .addEdge(["a", "b", "c"], "join")
  .compile();

const Item = Annotation.Root({ ...Log.spec, n: Annotation<number>() });
const sends = new StateGraph(Log)
  .addNode("plan", step("plan"))
  .addNode(
    "item",
    async ({ n }: typeof Item.State) => {
      await act(`item ${n}`);
      return { log: [`item ${n}`] };
    },
    { input: Item },
  )
  .addNode("sum", step("sum"))
  .addEdge("__start__", "plan")
  .addConditionalEdges("plan", () => [0, 1, 2, 3].map((n) => new Send("item", { n })), ["item"])
  .addEdge("item", "sum")
  .compile();

/** Breaks when it is told to, behind its effect. */
const breakable = new StateGraph(Log)
  .addNode("one", step("one"))
  .addNode("two", async ({ log }) => {
    await act("two");
    if (log.includes("break")) throw new Error("broken");
    return { log: ["two"] };
  })
  .addEdge("__start__", "one")
  .addEdge("one", "two")
  .compile();

/** A branch that fails in the first attempt, while its sibling is at work or once it is committed. */
const branchFails = (siblings: number) =>
  new StateGraph(Log)
    .addNode("good", async () => {
      await act("good");
      if (siblings === 0 && lifeAtHand().plan.attempt === 1) await new Promise(() => undefined);
      return { log: ["good"] };
    })
    .addNode("bad", async () => {
      await act("bad");
      if (lifeAtHand().plan.attempt === 1) await lifeAtHand().untilCommitted(1 + siblings);
      failInFirstAttempt();
      return { log: ["bad"] };
    })
    .addNode("join", step("join"))
    .addEdge("__start__", "good")
    .addEdge("__start__", "bad")
    .addEdge(["good", "bad"], "join")
    .compile();

/** The function of a conditional edge fails in the first attempt. */
const edgeFails = new StateGraph(Log)
  .addNode("one", step("one"))
  .addNode("two", step("two"))
  .addEdge("__start__", "one")
  .addConditionalEdges("one", () => {
    failInFirstAttempt();
    return "two";
  }, ["two"])
  .compile();

function failInFirstAttempt(): void {
  if (lifeAtHand().plan.attempt === 1) throw new Error("failed");
}

export const plain = {
  sequence,
  branches,
  sends,
  breakable,
  branchFailsLate: branchFails(1),
  branchFailsEarly: branchFails(0),
  edgeFails,
};
