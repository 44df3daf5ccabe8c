import type { Plugin } from "esbuild";
import { bundle } from "../scripts/lib/bundle.ts";

/** Does what the watch of a run must do in any case, and looks at nothing. */
const BLIND_WATCH = `
  export class RunWatch {
    constructor(counter) {
      const handleLLMEnd = (result) => counter.handleLLMEnd(result);
      const handleToolStart = () => counter.handleToolStart();
      this.callbacks = { awaitHandlers: true, handleLLMEnd, handleToolStart };
    }
    stop() {}
  }`;

const BLIND_INSTRUMENTS = `
  class Instrument { inc() {} dec() {} set() {} observe() {} }
  export class Counter extends Instrument {}
  export class Gauge extends Instrument {}
  export class Histogram extends Instrument {}
  export class Registry { metrics() { return ""; } }`;

/** The service without metrics and without a watch on its runs: what these cost is the difference. */
export async function blindEdition(folder: string): Promise<string> {
  let taken = 0;
  const plugin: Plugin = {
    name: "look at nothing",
    setup({ onLoad, onResolve }) {
      onLoad({ filter: /observability\/run-watch\.ts$/ }, () => {
        taken++;
        return { contents: BLIND_WATCH, loader: "js" };
      });
      onResolve({ filter: /^prom-client$/ }, ({ path }) => ({ path, namespace: "blind" }));
      onLoad({ filter: /.*/, namespace: "blind" }, () => {
        taken++;
        return { contents: BLIND_INSTRUMENTS, loader: "js" };
      });
    },
  };
  await bundle({ folder, plugins: [plugin] });
  if (taken !== 2) throw new Error(`${taken} of 2 parts were found`);
  return `${folder}/main.js`;
}
