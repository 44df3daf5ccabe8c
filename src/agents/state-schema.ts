import { type Static, Type } from "typebox";
import { AgentError } from "../errors/agent-error.ts";
import { invalid } from "./definition-problem.ts";
import { below, isRecord, quote } from "./json.ts";
import { strict } from "./schema-parts.ts";

/** Every spelling of a type, with the one that we keep. */
const SPELLINGS = {
  str: "str",
  string: "str",
  int: "int",
  integer: "int",
  float: "float",
  number: "float",
  bool: "bool",
  boolean: "bool",
  list: "list",
  array: "list",
  dict: "dict",
  object: "dict",
  any: "any",
} as const;
type Spelling = keyof typeof SPELLINGS;
export type ChannelType = (typeof SPELLINGS)[Spelling];
const TYPES = Object.keys(SPELLINGS) as Spelling[]; // they are its keys

const REDUCERS = ["last", "append", "merge", "add_messages"] as const;
export type Reducer = (typeof REDUCERS)[number];

const StateField = Type.Object(
  {
    type: Type.Optional(Type.Enum(TYPES, { description: "What it holds; anything else is refused." })),
    item_type: Type.Optional(Type.Enum(TYPES, { description: "Of a list or a dict: what its items are." })),
    reducer: Type.Optional(
      Type.Enum(REDUCERS, {
        description:
          "How a write meets what is there: `last` replaces it, `append` adds to a list, `merge` adds keys to a dict, `add_messages` is for `messages` alone.",
        default: "last",
      }),
    ),
    description: Type.Optional(Type.String({ description: "What it is for." })),
  },
  strict,
);

export const StateSchema = Type.Record(
  Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]{0,63}$" }),
  StateField,
  {
    ...strict,
    description: "Channels of the state: filled from `input.<name>`, given back in `result.state`.",
  },
);

/** A part of the state that nodes share. */
export type Channel = { name: string; type: ChannelType; itemType: ChannelType; reducer: Reducer };

/** Channels that every graph has, or that a definition would confuse with ours. */
const RESERVED = new Set([
  ...["messages", "files", "todos", "structuredResponse", "turn_input", "turn_routes", "input", "jumpTo"],
  ...["remaining_steps", "skillsMetadata", "memoryContents"],
]);

export function readChannels(sent: Static<typeof StateSchema>, path: string): Channel[] {
  return Object.entries(sent).flatMap(([name, field]) => {
    const at = below(path, name);
    const channel = readChannel(name, field, at);
    if (channel.reducer === "add_messages") {
      if (name === "messages") return []; // it is there anyway, and does just this
      throw invalid("add_messages is for the channel `messages` alone", below(at, "reducer"));
    }
    if (RESERVED.has(name))
      throw invalid(`${quote(name)} is a channel of the service: choose another name`, at);
    return [channel];
  });
}

function readChannel(name: string, field: Static<typeof StateField>, path: string): Channel {
  const { type, item_type = "any", reducer = "last" } = field;
  const natural = reducer === "append" ? "list" : reducer === "merge" ? "dict" : "any";
  const channel = { name, type: SPELLINGS[type ?? natural], itemType: SPELLINGS[item_type], reducer };
  const needed = { append: "list", merge: "dict", last: undefined, add_messages: undefined }[reducer];
  if (needed !== undefined && channel.type !== needed) {
    throw invalid(`the reducer ${reducer} is for a ${needed}`, below(path, "reducer"));
  }
  return channel;
}

/** The channels of all places that declare some; what is declared twice is declared alike. */
export function mergeChannels(places: readonly { channels: Channel[]; path: string }[]): Channel[] {
  const all = new Map<string, Channel>();
  for (const { channels, path } of places) {
    for (const channel of channels) {
      const other = all.get(channel.name);
      if (other !== undefined && JSON.stringify(other) !== JSON.stringify(channel)) {
        const message = `${quote(channel.name)} is declared elsewhere in another way; it is one channel`;
        throw invalid(message, below(path, channel.name));
      }
      all.set(channel.name, channel);
    }
  }
  return [...all.values()];
}

/** What a channel holds before anybody wrote to it. */
export function initialValue({ reducer }: Channel): unknown {
  return reducer === "append" ? [] : reducer === "merge" ? {} : null;
}

export function reduce({ reducer }: Channel, before: unknown, written: unknown): unknown {
  if (reducer === "append") {
    return [...(Array.isArray(before) ? before : []), ...(Array.isArray(written) ? written : [written])];
  }
  if (reducer === "merge")
    return { ...(isRecord(before) ? before : {}), ...(isRecord(written) ? written : {}) };
  return written;
}

/** What is wrong with a value for this channel, if anything. To one that appends, a single item may be written. */
export function misfit({ type, itemType, reducer }: Channel, value: unknown): string | undefined {
  if (reducer === "append" && !Array.isArray(value)) {
    return fits(itemType, value) ? undefined : `must be ${itemType}, or a list of them`;
  }
  if (!fits(type, value)) return `must be ${type}`;
  const items = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
  return items.every((item) => fits(itemType, item)) ? undefined : `must hold nothing but ${itemType}`;
}

const FITS: Record<ChannelType, (value: unknown) => boolean> = {
  any: (value) => value !== undefined,
  str: (value) => typeof value === "string",
  int: (value) => Number.isInteger(value),
  float: (value) => typeof value === "number",
  bool: (value) => typeof value === "boolean",
  list: (value) => Array.isArray(value),
  dict: isRecord,
};

function fits(type: ChannelType, value: unknown): boolean {
  return FITS[type](value);
}

/** What a node wrote, or an error that says which node wrote the wrong thing where. */
export function checkedWrite(node: string, channel: Channel, value: unknown): unknown {
  const problem = misfit(channel, value);
  if (problem === undefined) return value;
  const message = `node ${quote(node)} wrote to the channel ${quote(channel.name)} what does not fit: it ${problem}`;
  throw new AgentError("graph_failed", message);
}
