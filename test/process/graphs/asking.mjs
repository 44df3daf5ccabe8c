// As an operator writes it: with packages of its own, beside a service that is one bundle.
import { Annotation, interrupt, MessagesAnnotation, StateGraph } from "@langchain/langgraph";

const State = Annotation.Root({ ...MessagesAnnotation.spec, colour: Annotation() });

export const graph = () =>
  new StateGraph(State)
    .addNode("begin", () => ({ messages: [{ role: "assistant", content: "Which colour?" }] }))
    .addNode("ask", () => ({ colour: interrupt("Which colour?") }))
    .addNode("end", ({ colour }) => ({ messages: [{ role: "assistant", content: `It is ${colour}.` }] }))
    .addEdge("__start__", "begin")
    .addEdge("begin", "ask")
    .addEdge("ask", "end")
    .addEdge("end", "__end__")
    .compile();
