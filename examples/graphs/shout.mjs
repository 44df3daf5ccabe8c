// A graph of your own: GRAPH_MODULES=shout=examples/graphs/shout.mjs gives it its name.
import { MessagesAnnotation, StateGraph } from "@langchain/langgraph";

const shout = ({ messages }) => ({
  messages: [{ role: "assistant", content: `${messages.at(-1).text.toUpperCase()}!` }],
});

// No checkpointer: the service brings its own for each run.
export default new StateGraph(MessagesAnnotation)
  .addNode("shout", shout)
  .addEdge("__start__", "shout")
  .addEdge("shout", "__end__")
  .compile();
