import { checkRequest } from "./http-request.ts";
import { sendRequest } from "./http-tool.ts";
import type { RunFacts } from "./run-facts.ts";
import { type Args, ArgumentProblem } from "./templates.ts";
import type { ToolOf } from "./tool-definition.ts";
import { failed, succeeded, type ToolWork } from "./tool-outcome.ts";
import type { Toolbox } from "./toolbox.ts";

export async function prepareBuiltin(
  tool: ToolOf<"builtin">,
  args: Args,
  facts: RunFacts,
  toolbox: Toolbox,
): Promise<ToolWork> {
  const { name, methods, scope } = tool.runtime;
  switch (name) {
    case "http_request":
      return sendRequest(tool, checkRequest(args, methods), await toolbox.egress());
    case "now":
      return now(args);
    case "calculator": {
      const { calculate } = await import("./calculator.ts");
      return async () => {
        const result = calculate(String(args["expression"]));
        return typeof result === "number" ? succeeded(String(result)) : failed(result.problem);
      };
    }
    default: {
      const { memoryWork } = await import("./memory.ts");
      return memoryWork(name, args, { db: toolbox.db, jobId: facts.job_id, scope });
    }
  }
}

function now({ timezone = "UTC" }: Args): ToolWork {
  const zone = String(timezone);
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "full", timeStyle: "long" });
  } catch {
    throw new ArgumentProblem(`${zone.slice(0, 64)} is no time zone`);
  }
  return async () => {
    const time = new Date();
    const unix = Math.floor(time.getTime() / 1000);
    return succeeded({ iso: time.toISOString(), unix, local: format.format(time), timezone: zone });
  };
}
