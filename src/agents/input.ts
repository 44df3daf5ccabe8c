import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import type { AgentDefinition } from "./definition.ts";
import { below, isRecord, quote } from "./json.ts";
import { type Channel, misfit } from "./state-schema.ts";

/** Who may speak in an input. A tool's answer belongs to a call, and calls are made inside the graph. */
const ROLES = ["user", "human", "assistant", "ai", "system"];
const ROOT = "/input";

type InputMessage = { role: string; content: unknown };

/** What an input may hold depends on these. */
type Expectations = Pick<AgentDefinition, "shape" | "channels">;
const PLAIN: Expectations = { shape: "agent", channels: [] };

/** `input` of an event as the state that a turn begins with, or an AgentError with code and JSON pointer. */
export function toInput(input: unknown, { shape, channels }: Expectations = PLAIN): unknown {
  // The operator's graph has a state of its own.
  if (shape === "graph" && typeof input !== "string") return isRecord(input) ? input : notAnInput();
  const state = { ...readMessages(input, shape, channels), ...readFields(input, channels) };
  return shape === "pipeline"
    ? { ...state, turn_input: input, turn_routes: null, structuredResponse: null }
    : state;
}

function readMessages(
  input: unknown,
  shape: Expectations["shape"],
  channels: readonly Channel[],
): { messages?: InputMessage[] } {
  if (typeof input === "string") return { messages: [{ role: "user", content: readContent(input, ROOT) }] };
  if (!isRecord(input)) return notAnInput();
  refuseOthers(input, ROOT, ["messages", ...channels.map(({ name }) => name)]);
  const path = below(ROOT, "messages");
  const messages = input["messages"];
  // Fields of the state will do, and a pipeline may need nothing to begin with.
  if (messages === undefined && (shape === "pipeline" || Object.keys(input).length > 0)) return {};
  if (!Array.isArray(messages)) throw invalidInput("messages is a list of {role, content}", path);
  if (messages.length === 0) throw invalidInput("there is no message", path);
  return { messages: messages.map((message, i) => readMessage(message, below(path, i))) };
}

function readFields(input: unknown, channels: readonly Channel[]): Record<string, unknown> {
  if (!isRecord(input)) return {};
  const given = channels.filter(({ name }) => input[name] !== undefined);
  for (const channel of given) {
    const problem = misfit(channel, input[channel.name]);
    if (problem !== undefined) throw invalidInput(problem, below(ROOT, channel.name));
  }
  return Object.fromEntries(given.map(({ name }) => [name, input[name]] as const));
}

function notAnInput(): never {
  throw invalidInput("the input is a string or {messages: [{role, content}]}", ROOT);
}

function readMessage(message: unknown, path: string): InputMessage {
  if (!isRecord(message)) throw invalidInput("a message is {role, content}", path);
  refuseOthers(message, path, ["role", "content"]);
  const role = message["role"];
  if (typeof role !== "string" || !ROLES.includes(role)) {
    const near = typeof role === "string" ? `; ${quote(role)} is not${didYouMean(role, ROLES)}` : "";
    throw invalidInput(`a role is one of ${ROLES.join(", ")}${near}`, below(path, "role"));
  }
  return { role, content: readContent(message["content"], below(path, "content")) };
}

/** Text, or content parts that are passed on as they are: what a provider takes, it knows best. */
function readContent(content: unknown, path: string): unknown {
  if (content === "") throw invalidInput("the text is empty", path);
  if (typeof content === "string") return content;
  if (!Array.isArray(content) || content.length === 0) {
    throw invalidInput("content is a text or a list of content parts", path);
  }
  content.forEach((part, i) => {
    if (isRecord(part) && typeof part["type"] === "string") return;
    throw invalidInput("a content part is an object with a type", below(path, i));
  });
  return content;
}

/** Refused, not ignored: a field that nobody reads is a question that nobody answers. */
function refuseOthers(given: Record<string, unknown>, path: string, known: string[]): void {
  const other = Object.keys(given).find((key) => !known.includes(key));
  if (other === undefined) return;
  throw invalidInput(`${quote(other)} is not read here${didYouMean(other, known)}`, below(path, other));
}

function invalidInput(message: string, path: string): AgentError {
  return new AgentError("invalid_input", message, { path });
}
