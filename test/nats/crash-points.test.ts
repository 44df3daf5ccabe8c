import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { crashEdition, crashEnv } from "../faults/crash-edition.ts";
import { Fleet } from "../faults/fleet.ts";
import { crashPoints } from "../faults/t02-crash-points.ts";
import { startToolServer, workingAgent } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { NatsServer } from "../support/nats-server.ts";
import { until } from "../support/wait.ts";
import { isAllAcknowledged, resultsOf, structured } from "./messages.ts";

const points = (await crashPoints()).filter((name) => name.startsWith("nats: "));

it.each(points)(
  'a process that dies at "%s" loses and doubles nothing',
  { timeout: 90_000 },
  async (point) => {
    const folder = mkdtempSync(join(tmpdir(), "nats-crash-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const notes = join(folder, "deaths");
    await using database = await freshDatabase({ mayLeak: true });
    const nats = await NatsServer.start();
    const tools = await startToolServer();
    const common = { NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "2" };
    const start = (env: Record<string, string>) =>
      crashEdition().then((entry) =>
        Fleet.start({ database, sinkUrl: "", size: 1, env: { ...common, ...env }, entry }),
      );
    const event = executeEvent({ agent_definition: workingAgent(tools.url, 1) });
    let fleet = await start(crashEnv({ at: point, notes }));
    await until(() => nats.send("agent.execute.work", structured(event)), {
      what: "the stream",
      timeoutMs: 15_000,
    });
    await nats.send("agent.execute.poison", "no event");

    await fleet.worker(0).exited;
    fleet = await start({});
    const outcomes = async () => {
      const results = await resultsOf(nats);
      return results.length >= 2 && (await isAllAcknowledged(nats)) && results;
    };
    const results = await until(outcomes, { what: "both outcomes", timeoutMs: 30_000 });

    expect(readFileSync(notes, "utf8")).toContain(point);
    expect(results.map(({ subject }) => subject).sort()).toEqual([
      "agent.status.completed",
      "agent.status.failed",
    ]);
    expect([...tools.counts().values()].every((count) => count === 1)).toBe(true);
    const letters = (await nats.kept("AGENT_EXECUTION_DEAD")).filter(
      ({ subject }) => subject === "agent.dead",
    );
    expect(letters).toHaveLength(1);
    await fleet.stop();
    await tools.close();
    await nats.close();
  },
);
