import type { NamedAgents } from "../agents/named-agents.ts";
import type { Lifetime } from "../lifetime/lifetime.ts";
import { Poller } from "../lifetime/poller.ts";
import type { Logger } from "../observability/logger.ts";

const LOOK_EVERY_MS = 2000;

/** The agents of a folder, read again when they change; none where no folder is configured. */
export async function openNamedAgents(
  folder: string | undefined,
  log: Logger,
  lifetime: Lifetime,
): Promise<NamedAgents | undefined> {
  if (folder === undefined) return undefined;
  const { NamedAgents } = await import("../agents/named-agents.ts");
  const { agentMetrics } = await import("../observability/metrics.ts");
  const component = "agents";
  const agents = new NamedAgents(folder, {
    loaded: (file, { name, version, hash }) =>
      log.info({ component, file, agent: name, version, hash }, "an agent was loaded"),
    bad: (file, problem, kept) =>
      log.error(
        { component, file, problem },
        kept ? "not usable: what was there before stays" : "not usable: there is no such agent",
      ),
  });
  const look = async () => {
    await agents.reload();
    agentMetrics.badFiles(agents.bad);
    return false;
  };
  await look(); // an event that comes right behind the start must find its agent
  const report = (error: unknown) => log.error({ err: error, component }, "the agents were not looked at");
  lifetime.own(new Poller(look, report, LOOK_EVERY_MS), (poller) => poller.stop());
  return agents;
}
