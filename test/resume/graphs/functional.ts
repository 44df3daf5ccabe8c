import { entrypoint, task } from "@langchain/langgraph";
import { act } from "../life.ts";

const work = task("work", async (n: number) => {
  await act(`work ${n}`);
  return `work ${n}`;
});

/** The functional way to write a graph: its first task begins with the run. */
const functional = entrypoint("functional", async () => ({
  log: [await work(1), await work(2)],
}));

export const functions = { functional };
