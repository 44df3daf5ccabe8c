import { AgentError } from "../errors/agent-error.ts";

/** The event is refused for good. Messages name the attribute and never quote what was sent. */
export function invalidEvent(message: string, path?: string): AgentError {
  return new AgentError("invalid_event", message, path === undefined ? {} : { path });
}

/** The bytes are in a form that this service does not read. */
export function unsupportedMedia(message: string): AgentError {
  return new AgentError("unsupported_media_type", message);
}

/** A name from outside, fit to stand in a message: error texts end up in logs and dead-letter headers. */
export function shown(name: string): string {
  const cut = name.length > 40 ? `${name.slice(0, 40)}...` : name;
  return cut.replace(/[^A-Za-z0-9_.-]/g, "?");
}
