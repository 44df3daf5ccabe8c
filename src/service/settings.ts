import { readEgressAllow } from "../agents/egress-allow.ts";
import { readGraphList } from "../agents/graph-list.ts";
import { readMcpServers } from "../agents/mcp-servers.ts";
import type { Config } from "../config.ts";
import { readOverrides } from "../events/outgoing.ts";
import type { Settings } from "./runs.ts";
import { pricesOf } from "./tracing.ts";

/** What a room of its own reads, files among it. Throws at what would stop the start. */
export async function readSettings(config: Config): Promise<Omit<Settings, "streams" | "sinkCa">> {
  return {
    overrides: readOverrides(config.events.ceOverrides),
    egressAllow: readEgressAllow(config.tools.egressAllow),
    mcpServers: await readMcpServers(config.tools.mcpServers),
    graphModules: readGraphList(config.agents.graphModules),
    prices: await pricesOf(config),
  };
}
