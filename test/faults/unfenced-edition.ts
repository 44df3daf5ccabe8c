import { readFile } from "node:fs/promises";
import process from "node:process";
import type { Plugin } from "esbuild";
import { bundle } from "../../scripts/lib/bundle.ts";

/** Where a statement asks whether its writer still holds the run, and the same without the question. */
const FENCES: readonly { file: RegExp; asks: string; asksNothing: string }[] = [
  {
    file: /checkpoints\/fence\.ts$/,
    asks: "run_id = $1 and attempt = $2 and status = 'running' for share",
    asksNothing: "run_id = $1 and $2::int is not null for share",
  },
  {
    file: /runs\/settle\.ts$/,
    asks: "run_id = $1 and attempt = $2 and status = any($11::text[])",
    asksNothing: "run_id = $1 and $2::int is not null and $11::text[] is not null",
  },
];

/** The service without its fence, to see that the fault tests would notice; gives its entry. */
export async function unfencedEdition(): Promise<string> {
  const folder = `node_modules/.cache/agent-executor-unfenced-${process.pid}`;
  let taken = 0;
  const plugin: Plugin = {
    name: "take the fence away",
    setup({ onLoad }) {
      for (const { file, asks, asksNothing } of FENCES) {
        onLoad({ filter: file }, async ({ path }) => {
          const fenced = await readFile(path, "utf8");
          if (!fenced.includes(asks)) throw new Error(`${path} has no such fence any more: ${asks}`);
          taken++;
          return { contents: fenced.replace(asks, asksNothing), loader: "ts" };
        });
      }
    },
  };
  await bundle({ folder, plugins: [plugin] });
  if (taken !== 2) throw new Error(`${taken} of 2 fences were found`);
  return `${folder}/main.js`;
}
