import type { CheckpointMetadata } from "@langchain/langgraph-checkpoint";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { specTest } from "@langchain/langgraph-checkpoint-validation";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunSaver } from "../../src/checkpoints/run-saver.ts";
import { type OpenPort, ports } from "../support/ports.ts";
import { aRun } from "../support/runs.ts";

// LangGraph's own suite for savers takes the test functions from the global scope.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });

/** The run's view of the thread aside, it must be what LangGraph takes for a saver. */
class UnscopedSaver extends RunSaver {
  override async put(...args: Parameters<RunSaver["put"]>) {
    const config = await super.put(...args);
    await this.statements.flush(); // the suite reads by ways of the stock saver, which know of nothing held
    return config;
  }
  override getTuple(config: Parameters<RunSaver["getTuple"]>[0]) {
    return PostgresSaver.prototype.getTuple.call(this, config);
  }
  override async _loadMetadata(metadata: Record<string, unknown>): Promise<CheckpointMetadata> {
    const { run_id: _runId, attempt: _attempt, ...rest } = await super._loadMetadata(metadata);
    return rest as CheckpointMetadata; // as it was before we added to it
  }
}

for (const { name, open } of ports) {
  let port: OpenPort;
  specTest({
    checkpointerName: `the saver of a run on ${name}`,
    beforeAllTimeout: 30_000,
    beforeAll: async () => {
      port = await open();
    },
    afterAll: () => port.close(),
    createCheckpointer: async () => {
      for (const table of ["checkpoints", "checkpoint_blobs", "checkpoint_writes"]) {
        await port.db.query(`clear-${table}`, `delete from ${table}`);
      }
      return new UnscopedSaver(port.db, { ...(await aRun(port.db)), attempt: 1 });
    },
  });
}
