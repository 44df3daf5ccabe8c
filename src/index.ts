/** The library: what another program may build on. */
export { AgentError } from "./errors/agent-error.ts";
export { catalogue, type ErrorCode } from "./errors/catalogue.ts";
export { type Command, readCommand } from "./events/commands.ts";
export type { IncomingEvent } from "./events/incoming.ts";
export { parseHttpEvent } from "./events/parse.ts";
