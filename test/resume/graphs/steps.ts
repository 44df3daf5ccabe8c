import { Annotation } from "@langchain/langgraph";
import { act } from "../life.ts";

/** What was done, in the order in which LangGraph took it over. */
export const Log = Annotation.Root({
  log: Annotation<string[]>({ reducer: (left, right) => left.concat(right), default: () => [] }),
});

export function step(name: string): () => Promise<{ log: string[] }> {
  return async () => {
    await act(name);
    return { log: [name] };
  };
}
