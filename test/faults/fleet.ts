import type { TestDatabase } from "../support/databases.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";

export type FleetOptions = {
  database: TestDatabase;
  sinkUrl: string;
  size: number;
  env?: Record<string, string>;
  entry?: string;
  /** Names the worker's Postgres instead of the database's own address: a proxy. */
  postgresPort?: (worker: number) => number;
};

/** Some processes of the built service on one database; each may be killed and comes back. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #workers: SpawnedService[] = [];
  kills = 0;

  private constructor(options: FleetOptions) {
    this.#options = options;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    for (let worker = 0; worker < options.size; worker++) fleet.#workers.push(await fleet.spawn(worker));
    await Promise.all(fleet.#workers.map((worker) => worker.waitForHealth()));
    return fleet;
  }

  get urls(): string[] {
    return this.#workers.map((worker) => worker.url);
  }

  worker(index: number): SpawnedService {
    const worker = this.#workers[index];
    if (worker === undefined) throw new Error(`there is no worker ${index}`);
    return worker;
  }

  /** Kills one without warning and starts another in its place, on the same port. */
  async killAndRestart(index: number): Promise<void> {
    const { port } = this.worker(index);
    await this.worker(index).kill("SIGKILL");
    this.kills++;
    this.#workers[index] = await this.spawn(index, port);
  }

  async restart(index: number): Promise<void> {
    this.#workers[index] = await this.spawn(index, this.worker(index).port);
    await this.worker(index).waitForHealth();
  }

  async spawn(index: number, port?: number): Promise<SpawnedService> {
    const { database, sinkUrl, env, entry, postgresPort } = this.#options;
    const url = new URL(database.url);
    if (postgresPort) url.port = String(postgresPort(index));
    const own = {
      DATABASE_URL: url.href,
      K_SINK: sinkUrl,
      LOG_LEVEL: "warn",
      RUN_LEASE_SECONDS: "3",
      EGRESS_ALLOW: "127.0.0.0/8",
      ...(port !== undefined && { PORT: String(port) }),
    };
    return await spawnService({ ...own, ...env }, entry === undefined ? {} : { entry });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.kill("SIGKILL")));
  }
}
