/** SQLSTATE of an error that either driver threw, if it is one of theirs. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const { code } = error;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

const CONNECTION_CLASSES = new Set(["08", "53", "57", "58"]);
const RETRY_STATES = new Set(["40001", "40P01", "55P03", "25P03", "28P01", "3D000"]);
const CONNECTION_TEXT =
  /connection terminated|query read timeout|timeout exceeded when trying to connect|client has encountered/i;
const SOCKET_CODES = /^E(CONN|PIPE|TIMEDOUT|HOST|NET|NOTFOUND|AI_AGAIN)/;

/** Whether Postgres could not be reached or could not serve just now: the same statement may work later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return CONNECTION_CLASSES.has(state.slice(0, 2)) || RETRY_STATES.has(state);
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if ("code" in error && typeof error.code === "string" && SOCKET_CODES.test(error.code)) return true;
  // node-postgres gives these no code (8.23.1): the text is all there is.
  return CONNECTION_TEXT.test(error.message);
}
