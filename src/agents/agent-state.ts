import { withLangGraph } from "@langchain/langgraph/zod";
import { z } from "zod";
import type { AgentDefinition } from "./definition.ts";
import { initialValue, reduce } from "./state-schema.ts";

/** The declared channels, as `langchain` takes them: it does not check them, we do. */
export function agentState({ channels }: Pick<AgentDefinition, "channels">) {
  if (channels.length === 0) return {};
  const fields = channels.map((channel) => {
    const field = withLangGraph(z.any(), {
      reducer: { fn: (before: unknown, written: unknown) => reduce(channel, before, written) },
      default: () => initialValue(channel),
    });
    return [channel.name, field] as const;
  });
  return { stateSchema: z.object(Object.fromEntries(fields)) };
}
