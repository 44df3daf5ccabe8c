import { interrupt, type LangGraphRunnableConfig, StateGraph } from "@langchain/langgraph";
import { act } from "../life.ts";
import { callResumably } from "./resumable.ts";
import { Log, step } from "./steps.ts";

const question = (name: string) => async () => {
  await act(`${name} asks`);
  const answer: unknown = interrupt(name);
  await act(`${name} heard ${String(answer)}`);
  return { log: [`${name} heard ${String(answer)}`] };
};

const ask = new StateGraph(Log)
  .addNode("before", step("before"))
  .addNode("question", question("q"))
  .addNode("after", step("after"))
  .addEdge("__start__", "before")
  .addEdge("before", "question")
  .addEdge("question", "after")
  .compile();

/** One node with two questions, an effect behind each. */
async function twoQuestions(): Promise<{ log: string[] }> {
  const first: unknown = interrupt("q1");
  await act(`q1 heard ${String(first)}`);
  const second: unknown = interrupt("q2");
  await act(`q2 heard ${String(second)}`);
  return { log: [String(first), String(second)] };
}

const askTwice = new StateGraph(Log)
  .addNode("question", twoQuestions)
  .addNode("after", step("after"))
  .addEdge("__start__", "question")
  .addEdge("question", "after")
  .compile();

const askTwiceInside = new StateGraph(Log)
  .addNode(
    "inner",
    new StateGraph(Log).addNode("question", twoQuestions).addEdge("__start__", "question").compile(),
  )
  .addNode("after", step("after"))
  .addEdge("__start__", "inner")
  .addEdge("inner", "after")
  .compile();

const askAtOnce = new StateGraph(Log)
  .addNode("left", question("left"))
  .addNode("right", question("right"))
  .addNode("after", step("after"))
  .addEdge("__start__", "left")
  .addEdge("__start__", "right")
  .addEdge(["left", "right"], "after")
  .compile();

/** Two nodes with a question each, one after the other. */
const askInTurn = new StateGraph(Log)
  .addNode("first", question("q1"))
  .addNode("second", question("q2"))
  .addEdge("__start__", "first")
  .addEdge("first", "second")
  .compile();

const asker = new StateGraph(Log)
  .addNode("x", step("x"))
  .addNode("question", question("q"))
  .addEdge("__start__", "x")
  .addEdge("x", "question")
  .compile();

const askInside = new StateGraph(Log)
  .addNode("inner", asker)
  .addNode("after", step("after"))
  .addEdge("__start__", "inner")
  .addEdge("inner", "after")
  .compile();

/** A question beside a step, in a sub-graph. */
const beside = new StateGraph(Log)
  .addNode("a", step("a"))
  .addNode("question", question("q"))
  .addEdge("__start__", "a")
  .addEdge("__start__", "question")
  .compile();

const askBeside = new StateGraph(Log)
  .addNode("inner", beside)
  .addNode("after", step("after"))
  .addEdge("__start__", "inner")
  .addEdge("inner", "after")
  .compile();

const askBesideKept = new StateGraph(Log)
  .addNode("inner", (state: typeof Log.State, config: LangGraphRunnableConfig) =>
    callResumably(beside, state, config),
  )
  .addNode("after", step("after"))
  .addEdge("__start__", "inner")
  .addEdge("inner", "after")
  .compile();

export const asking = {
  ask,
  askTwice,
  askTwiceInside,
  askAtOnce,
  askInTurn,
  askInside,
  askBeside,
  askBesideKept,
};
