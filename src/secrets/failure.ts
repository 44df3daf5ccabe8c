/** What Vault did not do for us. Nothing of the request is in it: that holds the token, or the JWT. */
export class VaultFailure extends Error {
  /** undefined: there was no answer. */
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status?: number, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  override get name(): string {
    return "VaultFailure";
  }
}

/** Standbys, seals, limits and broken gateways pass; 400, 403, 404 and 405 stay as they are. */
const PASSING = new Set([408, 412, 429, 472, 473, 474, 500, 502, 503, 504]);

export function isPassing(error: unknown): boolean {
  return error instanceof VaultFailure && (error.status === undefined || PASSING.has(error.status));
}

export const isDenied = (error: unknown) => error instanceof VaultFailure && error.status === 403;
export const isMissing = (error: unknown) => error instanceof VaultFailure && error.status === 404;
