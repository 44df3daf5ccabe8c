import type { RunFacts } from "./run-facts.ts";
import type { Args } from "./templates.ts";
import type { ToolOf } from "./tool-definition.ts";
import { failed, succeeded, type ToolWork, withRetries } from "./tool-outcome.ts";
import type { Toolbox } from "./toolbox.ts";

/** The call of a script. It may be cut at any time: nothing that it does is seen outside. */
export function prepareScript(
  tool: ToolOf<"javascript">,
  args: Args,
  facts: RunFacts,
  toolbox: Toolbox,
): ToolWork {
  const { job_id, run_id } = facts;
  return async ({ idempotencyKey, signal }) => {
    const asked = {
      script: tool.runtime.script,
      args: JSON.stringify(args),
      context: JSON.stringify({ job_id, run_id, idempotency_key: idempotencyKey }),
      milliseconds: tool.timeoutSeconds * 1000,
    };
    const sandbox = await toolbox.sandbox();
    return await withRetries(tool, signal, async () => {
      const { kind, text, isCut, lines } = await sandbox.run(asked, signal);
      if (kind === "value")
        return { outcome: succeeded(isCut ? `${text}\n[cut off]` : text), passing: false };
      // What it wrote is for whoever has to find the mistake; nothing else is told of it.
      const written = lines.length > 0 ? `\nconsole:\n${lines.join("\n")}` : "";
      return { outcome: failed(text + written), passing: kind === "error" };
    });
  };
}
