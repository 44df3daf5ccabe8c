import { Annotation, type LangGraphRunnableConfig, Send, StateGraph } from "@langchain/langgraph";
import { act } from "../life.ts";
import { callResumably } from "./resumable.ts";
import { Log, step } from "./steps.ts";

const inner = new StateGraph(Log)
  .addNode("x", step("x"))
  .addNode("y", step("y"))
  .addNode("z", step("z"))
  .addEdge("__start__", "x")
  .addEdge("x", "y")
  .addEdge("y", "z")
  .compile();

/** The three steps of a sub-graph that is a node. */
const subGraph = new StateGraph(Log)
  .addNode("before", step("before"))
  .addNode("inner", inner)
  .addNode("after", step("after"))
  .addEdge("__start__", "before")
  .addEdge("before", "inner")
  .addEdge("inner", "after")
  .compile();

const wide = new StateGraph(Log)
  .addNode("w", step("w"))
  .addNode("a", step("a"))
  .addNode("b", step("b"))
  .addNode("c", step("c"))
  .addEdge("__start__", "w")
  .addEdge("w", "a")
  .addEdge("w", "b")
  .addEdge("w", "c")
  .compile();

/** A sub-graph with three branches at once. */
const wideSubGraph = new StateGraph(Log)
  .addNode("before", step("before"))
  .addNode("wide", wide)
  .addNode("after", step("after"))
  .addEdge("__start__", "before")
  .addEdge("before", "wide")
  .addEdge("wide", "after")
  .compile();

/** The same, called so that LangGraph does not take it for a replay. */
const wideSubGraphKept = new StateGraph(Log)
  .addNode("before", step("before"))
  .addNode("wide", (state: typeof Log.State, config: LangGraphRunnableConfig) =>
    callResumably(wide, state, config),
  )
  .addNode("after", step("after"))
  .addEdge("__start__", "before")
  .addEdge("before", "wide")
  .addEdge("wide", "after")
  .compile();

const Item = Annotation.Root({ ...Log.spec, n: Annotation<number>() });
const itemStep = (name: string) => async (state: typeof Item.State) => {
  await act(`${name} ${state.n}`);
  return { log: [`${name} ${state.n}`] };
};
const worker = new StateGraph(Item)
  .addNode("x", itemStep("x"))
  .addNode("y", itemStep("y"))
  .addEdge("__start__", "x")
  .addEdge("x", "y")
  .compile();

/** Three sends to one sub-graph. */
const sentSubGraphs = new StateGraph(Log)
  .addNode("plan", step("plan"))
  .addNode("worker", async (state: typeof Item.State) => ({ log: (await worker.invoke(state)).log }), {
    input: Item,
  })
  .addNode("sum", step("sum"))
  .addEdge("__start__", "plan")
  .addConditionalEdges("plan", () => [0, 1, 2].map((n) => new Send("worker", { n })), ["worker"])
  .addEdge("worker", "sum")
  .compile();

/** One node that calls the same graph twice, one after the other. */
const calledTwice = new StateGraph(Log)
  .addNode("caller", async () => {
    const first = await worker.invoke({ n: 1 });
    await act("between");
    const second = await worker.invoke({ n: 2 });
    return { log: [...first.log, ...second.log] };
  })
  .addNode("after", step("after"))
  .addEdge("__start__", "caller")
  .addEdge("caller", "after")
  .compile();

/** One node that calls the same graph twice at once. */
const calledAtOnce = new StateGraph(Log)
  .addNode("caller", async () => {
    const [first, second] = await Promise.all([worker.invoke({ n: 1 }), worker.invoke({ n: 2 })]);
    return { log: [...first.log, ...second.log] };
  })
  .addNode("after", step("after"))
  .addEdge("__start__", "caller")
  .addEdge("caller", "after")
  .compile();

export const nested = {
  subGraph,
  wideSubGraph,
  wideSubGraphKept,
  sentSubGraphs,
  calledTwice,
  calledAtOnce,
};
