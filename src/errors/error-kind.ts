/**
 * Who must act before the same thing can succeed: the sender of the event, a later retry of the
 * same bytes, or the people who run this service.
 */
export type Actor = "sender" | "later" | "us";

export type ErrorKind = {
  /** The status of an HTTP answer that carries this error. Failures of a run never become a status. */
  readonly status: number;
  readonly actor: Actor;
  /** What happened, and what to do: one line each, printed in docs/errors.md. */
  readonly means: string;
  readonly fix: string;
};
