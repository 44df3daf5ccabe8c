import { setTimeout as delay } from "node:timers/promises";
import type { RunnableConfig } from "@langchain/core/runnables";
import type { Checkpoint, CheckpointMetadata, PendingWrite } from "@langchain/langgraph-checkpoint";
import { RunSaver } from "../../src/checkpoints/run-saver.ts";
import type { Database } from "../../src/postgres/database.ts";
import type { Life } from "./life.ts";

/** The saver as it is, in a run that may be cut before or after any of its statements. */
export class BreakingSaver extends RunSaver {
  readonly #life: Life;
  readonly calls = { put: 0, putWrites: 0 };

  constructor(db: Database, life: Life) {
    super(db, life.plan);
    this.#life = life;
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: Record<string, string | number>,
  ): Promise<RunnableConfig> {
    return await this.#around("put", () => super.put(config, checkpoint, metadata, newVersions));
  }

  override async putWrites(config: RunnableConfig, writes: PendingWrite[], taskId: string): Promise<void> {
    await this.#around("putWrites", () => super.putWrites(config, writes, taskId));
    this.#life.committed++;
  }

  async #around<T>(saver: "put" | "putWrites", write: () => Promise<T>): Promise<T> {
    const life = this.#life;
    const nth = ++this.calls[saver];
    life.unanswered[saver]++;
    await life.goOn();
    await this.#mayEnd(saver, nth, "before");
    if (life.plan.slowSaverMs) await delay(life.plan.slowSaverMs);
    await life.goOn();
    const answer = await write();
    await this.#mayEnd(saver, nth, "after");
    await life.goOn();
    life.unanswered[saver]--;
    return answer;
  }

  async #mayEnd(saver: "put" | "putWrites", nth: number, when: "before" | "after"): Promise<void> {
    const { dies } = this.#life.plan;
    if (dies === undefined || !("saver" in dies)) return;
    if (dies.saver !== saver || dies.nth !== nth || dies.when !== when) return;
    await this.#life.untilCommitted(dies.committed ?? 0);
    await this.#life.end();
  }
}
