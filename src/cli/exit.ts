/** What a command ends with; docs/cli.md is printed from here. */
export const EXIT_CODES = {
  0: "Done; a run completed.",
  1: "Failed: a run failed or was cancelled, a check found a problem, the service refused.",
  2: "Used wrongly: no such verb, option or argument.",
  3: "Not reachable: the service, or the database, did not answer.",
  4: "A run waits for a person: `agent-executor approve` or `reject` goes on with it.",
} as const;

/** An end that is not 0, with its words. */
export class CommandFailed extends Error {
  readonly exitCode: keyof typeof EXIT_CODES;

  constructor(message: string, exitCode: keyof typeof EXIT_CODES = 1, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
