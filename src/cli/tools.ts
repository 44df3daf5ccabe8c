import type { Database } from "../postgres/database.ts";
import type { Check } from "./doctor.ts";

/** What the composition lends to the command line. */
export type CliTools = {
  /** The database that the service would use; the caller closes it. */
  openDatabase(): Promise<Database>;
  /** One for each dependency that is configured. */
  checks(): Promise<readonly Check[]>;
  /** RETENTION_DAYS. */
  retentionDays(): Promise<number>;
  /** The whole service in this process, with nothing of the environment but models and tools. */
  startService(env: Record<string, string>): Promise<{ url: string; close(): Promise<void> }>;
  /** How to start the service as a process of its own: arguments of node. */
  serviceCommand: readonly string[];
  print(line: string): void;
  /** As it is, without the end of a line. */
  write(text: string): void;
  complain(line: string): void;
  /** A person looks: text and colours; else JSON. */
  isTerminal: boolean;
  env: Readonly<Record<string, string | undefined>>;
};

/** What must be lent; the rest has a stand-in. */
export type LentTools = Pick<CliTools, "openDatabase" | "checks" | "print" | "complain"> & Partial<CliTools>;

export function withStandIns(lent: LentTools): CliTools {
  const missing = (): Promise<never> => Promise.reject(new Error("this needs the agent-executor program"));
  return {
    retentionDays: missing,
    startService: missing,
    serviceCommand: [],
    write: lent.print,
    isTerminal: false,
    env: {},
    ...lent,
  };
}
