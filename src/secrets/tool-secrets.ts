import { AgentError } from "../errors/agent-error.ts";
import { isDenied, isPassing } from "./failure.ts";
import { type KvOptions, readKv } from "./kv.ts";

export type ToolSecretsOptions = KvOptions & {
  /** Every secret is told before it is given on. */
  hide: (secret: string) => void;
  /** How long a secret that was read is good for. */
  freshSeconds: number;
  now?: () => number;
};

type Fields = Readonly<Record<string, string>>;
type Kept = { fields: Promise<Fields>; until: number };

/** How many are kept: definitions name them, and anyone may send definitions. */
const MOST = 500;
/** Lists the servers that a secret is for, and is no secret. */
const OPEN_FIELD = "origins";

/** Secrets that tools name, read from Vault on first use and again when they are no longer fresh. */
export class ToolSecrets {
  readonly #options: ToolSecretsOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: ToolSecretsOptions) {
    this.#options = options;
  }

  /** `path` is below the prefix and begins with `tools/`: nothing else is for definitions to name. */
  async read(path: string): Promise<Fields> {
    if (!/^tools(\/[\w-]+)+$/.test(path)) {
      throw new AgentError("missing_credentials", `a tool may name secrets below tools/ only, not ${path}`);
    }
    const { freshSeconds, now = Date.now } = this.#options;
    const known = this.#kept.get(path);
    if (known !== undefined && known.until > now()) return await known.fields;
    const fields = this.#read(path);
    this.#keep(path, { fields, until: now() + freshSeconds * 1000 });
    fields.catch(() => this.#kept.delete(path));
    return await fields;
  }

  async #read(path: string): Promise<Fields> {
    const fields = await readKv(this.#options, path).catch((error: unknown) => {
      if (isPassing(error)) {
        throw new AgentError("vault_unavailable", `the secret ${path} cannot be read now`, { cause: error });
      }
      const hint = isDenied(error) ? ": the policy of VAULT_ROLE must allow to read it" : "";
      throw new AgentError("missing_credentials", `Vault did not give the secret ${path}${hint}`, {
        cause: error,
      });
    });
    if (fields === undefined) throw new AgentError("missing_credentials", `Vault has no secret ${path}`);
    const texts = Object.entries(fields).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    for (const [name, value] of texts) if (name !== OPEN_FIELD) this.#options.hide(value);
    return Object.fromEntries(texts);
  }

  #keep(path: string, kept: Kept): void {
    const [oldest] = this.#kept.size >= MOST ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.delete(path);
    this.#kept.set(path, kept);
  }
}
