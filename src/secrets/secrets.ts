import type { VaultApi } from "./api.ts";
import { type Clock, systemClock } from "./clock.ts";
import { DatabaseLease } from "./database-lease.ts";
import { isDenied, isPassing } from "./failure.ts";
import { readKv } from "./kv.ts";
import { restMs } from "./retry.ts";
import type { Session } from "./session.ts";
import { ToolSecrets } from "./tool-secrets.ts";
import { readSecret, SECRET_PATHS, type SecretName, type SecretValues, UnusableSecret } from "./values.ts";

export type SecretsOptions = {
  session: Session;
  api: VaultApi;
  kvMount: string;
  prefix: string;
  /** What to read: the rest is given by variables. */
  wanted: readonly SecretName[];
  /** Without these the service cannot begin; the others may be missing. */
  needed: readonly SecretName[];
  refreshSeconds: number;
  /** `database/creds/<role>`: the user of Postgres comes from there. */
  databasePath?: string | undefined;
  /** Every secret is told before it is given on. */
  hide: (secret: string) => void;
  report: (what: string, error: unknown) => void;
  clock?: Clock;
};

/** What Vault holds for us, as of the last look; `on` tells of what changed since. */
export class Secrets {
  readonly #options: SecretsOptions;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #listeners = new Map<SecretName, Set<() => void>>();
  readonly #complained = new Set<string>();
  readonly #lease: DatabaseLease | undefined;
  /** What tools name in their headers. */
  readonly tools: ToolSecrets;
  #values: SecretValues = {};
  #isLoaded = false;
  #looking: Promise<readonly SecretName[]> | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: SecretsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { kvMount: mount, refreshSeconds: freshSeconds } = options;
    this.tools = new ToolSecrets({ ...options, mount, freshSeconds });
    const { session, api, databasePath: path, report } = options;
    const changed = () => void this.refresh().catch((error) => report("reading the database user", error));
    this.#lease = path
      ? new DatabaseLease({ session, api, path, clock: this.#clock, report, changed })
      : undefined;
  }

  get values(): Readonly<SecretValues> {
    return this.#values;
  }

  /** Whether we have what we need, and it has not run out. */
  get isUsable(): boolean {
    return this.#isLoaded && this.#lease?.isOver !== true;
  }

  on(name: SecretName, listener: () => void): void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
  }

  /** Tries until all that is needed was read: Vault may be sealed, or not be there yet. */
  async load(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 1; ; failures++) {
      signal.throwIfAborted();
      const missing = await this.refresh().catch((error: unknown) => {
        this.#options.report("reading secrets from Vault", error);
        return error;
      });
      if (Array.isArray(missing) && missing.length === 0) break;
      // What only people can change is not asked for every few seconds.
      const longestMs = isPassing(missing) ? LONGEST_REST_MS : PATIENT_REST_MS;
      await this.#clock.rest(restMs(failures, this.#clock, 0, longestMs), signal);
    }
    this.#isLoaded = true;
    this.#loop = this.#keepFresh();
  }

  /** Reads all again, once for all who ask at the same time, and names what is needed and not there. */
  refresh(): Promise<readonly SecretName[]> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Postgres refused the user that we have: there may be another one. */
  async lookForNewLogin(): Promise<void> {
    await this.#lease?.renew();
    await this.refresh();
  }

  /** Ends `load`. */
  giveUp(): void {
    this.#closing.abort();
  }

  async close(): Promise<void> {
    this.giveUp();
    await Promise.all([this.#loop, this.#lease?.close()]);
    await this.#options.session.close();
  }

  async #look(): Promise<readonly SecretName[]> {
    const { wanted, needed } = this.#options;
    const found = await Promise.allSettled(wanted.map((name) => this.#read(name)));
    const before = this.#values;
    const values: Record<string, unknown> = { ...before };
    const failures: unknown[] = [];
    for (const [i, name] of wanted.entries()) {
      const result = found[i];
      if (result?.status === "fulfilled") values[name] = result.value ?? before[name];
      else if (needed.includes(name) || isPassing(result?.reason)) failures.push(result?.reason);
      else this.#complain(name, result?.reason);
    }
    this.#values = values as SecretValues; // each came from its reader
    for (const name of wanted) {
      if (JSON.stringify(values[name]) !== JSON.stringify(before[name])) this.#tell(name);
    }
    if (failures.length > 0) throw failures[0];
    return needed.filter((name) => values[name] === undefined);
  }

  async #read<Name extends SecretName>(name: Name): Promise<SecretValues[Name] | undefined> {
    const { session, api, kvMount: mount, prefix, hide } = this.#options;
    const path = SECRET_PATHS[name];
    const fields = await readKv({ session, api, mount, prefix }, path);
    for (const [field, value] of Object.entries(fields ?? {})) {
      if (typeof value === "string" && !OPEN_FIELDS.has(field)) hide(value);
    }
    const isLeased = name === "postgres" && this.#lease !== undefined;
    if (fields === undefined && !isLeased) {
      this.#complain(name, new Error(`${mount}/data/${prefix}/${path} does not exist`));
      return undefined;
    }
    const login = isLeased ? await this.#lease?.current() : undefined;
    if (login) hide(login.password);
    try {
      const value = readSecret[name](fields ?? {});
      this.#complained.delete(name);
      return login ? { ...value, user: login.user, password: login.password } : value;
    } catch (error) {
      if (!(error instanceof UnusableSecret)) throw error;
      this.#complain(name, new Error(`${mount}/data/${prefix}/${path} is not usable: ${error.message}`));
      return undefined;
    }
  }

  /** Once for as long as it lasts: what is missing by intent must not fill the log. */
  #complain(name: SecretName, error: unknown): void {
    const { needed, report } = this.#options;
    if (this.#complained.has(name)) return;
    this.#complained.add(name);
    const what = needed.includes(name) ? "a secret that is needed" : "a secret that is optional";
    report(isDenied(error) ? `${what} (check the policy)` : what, error);
  }

  #tell(name: SecretName): void {
    for (const listener of this.#listeners.get(name) ?? []) listener();
  }

  async #keepFresh(): Promise<void> {
    const { refreshSeconds, report } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#clock.rest(refreshSeconds * 1000 * (0.9 + this.#clock.random() / 10), signal);
      if (!signal.aborted) await this.refresh().catch((error) => report("reading secrets from Vault", error));
    }
  }
}

const LONGEST_REST_MS = 3000;
const PATIENT_REST_MS = 30_000;
/** Fields that are no secrets: hiding them would blot out words of every log. */
const OPEN_FIELDS = new Set(["host", "port", "username", "user", "database", "base_url", "sslmode"]);
