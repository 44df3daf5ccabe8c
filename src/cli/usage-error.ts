/** A wrong use of a verb: exit code 2, as shells have it. */
export class UsageError extends Error {}
