import { type AgentFile, listAgentFiles, type NamedAgent, readAgentFile } from "./agent-files.ts";

/** What is told to the log and to the metrics, once for each change. */
export type AgentsReport = {
  loaded(file: string, agent: NamedAgent): void;
  bad(file: string, problem: string, kept: boolean): void;
};

type Known = AgentFile & { good: NamedAgent | undefined };

/**
 * The agents of a folder, by name and version. Looked at again and again, not watched: a swap of links
 * raises no event where one could wait for it. A file that went bad leaves its last good agent in place.
 */
export class NamedAgents {
  readonly #folder: string;
  readonly #report: AgentsReport;
  #files = new Map<string, Known>();
  #unreadable: string | undefined;

  constructor(folder: string, report: AgentsReport) {
    this.#folder = folder;
    this.#report = report;
  }

  /** Reads what has changed. A folder that cannot be read leaves all as it was. */
  async reload(): Promise<void> {
    const listed = await listAgentFiles(this.#folder).catch((error: unknown) => {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#unreadable) this.#report.bad(this.#folder, problem, this.#files.size > 0);
      this.#unreadable = problem;
      return undefined;
    });
    if (listed === undefined) return;
    this.#unreadable = undefined;
    const files = new Map<string, Known>();
    for (const { file, stamp } of listed) files.set(file, await this.#look(file, stamp));
    this.#files = files;
  }

  async #look(file: string, stamp: string): Promise<Known> {
    const before = this.#files.get(file);
    if (before?.stamp === stamp) return before;
    const now = await readAgentFile(this.#folder, file, stamp);
    if ("agent" in now) {
      if (now.agent.hash !== before?.good?.hash) this.#report.loaded(file, now.agent);
      return { ...now, good: now.agent };
    }
    this.#report.bad(file, now.problem, before?.good !== undefined);
    return { ...now, good: before?.good };
  }

  /** Files that cannot be used as they are. */
  get bad(): number {
    return [...this.#files.values()].filter((file) => "problem" in file).length;
  }

  /** `name@version`, or `name` for the newest version of it. */
  find(reference: string): NamedAgent | undefined {
    const all = [...this.#files.values()].flatMap(({ good }) => good ?? []);
    const exact = all.find(({ name, version }) => `${name}@${version}` === reference);
    if (exact !== undefined) return exact;
    const versions = all.filter(({ name }) => name === reference);
    return versions.reduce<NamedAgent | undefined>(
      (newest, each) => (newest === undefined || isNewer(each, newest) ? each : newest),
      undefined,
    );
  }
}

/** Numbers in versions count as numbers; without a version is before all versions; a pre-release before its release. */
function isNewer(a: NamedAgent, b: NamedAgent): boolean {
  if (a.version === undefined || b.version === undefined)
    return b.version === undefined && a.version !== undefined;
  const [mainA = "", preA] = split(a.version);
  const [mainB = "", preB] = split(b.version);
  const order = ORDER.compare(mainA, mainB);
  if (order !== 0) return order > 0;
  if (preA === undefined || preB === undefined) return preA === undefined && preB !== undefined;
  return ORDER.compare(preA, preB) > 0;
}

const ORDER = new Intl.Collator("en", { numeric: true });
const split = (version: string) => version.replace(/^v(?=\d)/, "").split(/-(.*)/s, 2);
