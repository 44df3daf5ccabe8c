import { Environment } from "@marcbachmann/cel-js";
import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import { invalid } from "./definition-problem.ts";
import { quote } from "./json.ts";

export type Condition = (state: Record<string, unknown>, input: unknown) => boolean;

/** `state` is the channels by name, `input` what the event brought, of any shape. */
const environment = new Environment().registerVariable("state", "map").registerVariable("input", "dyn");

/** A CEL expression, checked: it is one, it says yes or no, and it names channels that there are. */
export function readCondition(source: string, channels: readonly string[], path: string): Condition {
  checkChannels(source, channels, path);
  const evaluate = parsed(source, path);
  return (state, input) => {
    try {
      const answer: unknown = evaluate({ state, input });
      if (typeof answer === "boolean") return answer;
    } catch (error) {
      throw new AgentError("graph_failed", `${quote(source)} cannot be told: ${firstLine(error)}`, { path });
    }
    throw new AgentError("graph_failed", `${quote(source)} is neither true nor false`, { path });
  };
}

function parsed(source: string, path: string) {
  try {
    const evaluate = environment.parse(source);
    const { valid, type, error } = evaluate.check();
    if (!valid) throw error;
    if (type !== "bool" && type !== "dyn") throw new Error(`it gives ${type}, not true or false`);
    return evaluate;
  } catch (error) {
    throw invalid(`is no condition in CEL over \`state\` and \`input\`: ${firstLine(error)}`, path);
  }
}

/** To CEL a map may have any key; to us a channel that is not declared is a slip of the pen. */
function checkChannels(source: string, channels: readonly string[], path: string): void {
  const withoutTexts = source.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""');
  for (const [, name = ""] of withoutTexts.matchAll(/(?<![\w.])state\s*\.\s*([A-Za-z_]\w*)/g)) {
    if (channels.includes(name)) continue;
    throw invalid(`${quote(name)} is not a channel of the state${didYouMean(name, channels)}`, path);
  }
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
