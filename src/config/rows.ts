import * as Type from "typebox"; // as a namespace, so that the bundle keeps only the builders used here

export type Row = {
  readonly description: string;
  readonly type?: "integer" | "boolean" | "array" | "string";
  readonly default?: string | number | readonly string[];
  /** What holds without the variable, where no constant does. */
  readonly unset?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: "http-url";
  readonly pattern?: string;
  readonly expects?: string;
  /** A secret: its value is never shown. */
  readonly writeOnly?: true;
};
export const integer = (initial: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: initial, minimum, maximum, description });
export const text = (description: string, unset?: string, more: Partial<Row> = {}) =>
  Type.Optional(Type.String({ description, ...(unset && { unset }), ...more }));
export const textOr = (initial: string, description: string, more: Partial<Row>) =>
  Type.String({ default: initial, description, ...more });
export const secret = (description: string) => text(description, undefined, { writeOnly: true });
export const urls = (description: string) => Type.Array(Type.String(), { default: [], description });
export const list = (description: string, each: Partial<Row>) =>
  Type.Array(Type.String(), { default: [], description, ...each });
export const flag = (description: string, unset: string) =>
  Type.Optional(Type.Boolean({ description, unset }));

export const ACKS = ["outcome", "stored"] as const;
export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const URL_ONLY = { format: "http-url" } as const;
export const ADDRESS = { pattern: "^[\\w.:-]+$", expects: "an IP address or a host name" };
export const SQL_NAME = { pattern: "^[a-z_][a-z0-9_]{0,62}$", expects: "a lower-case SQL name" };
export const PREFIX = { pattern: "^\\S*[^\\s.]$", expects: "text without spaces that does not end in a dot" };
export const NOT_PUBLIC = {
  description: "What tools may reach beside public addresses.",
  pattern: "^(\\[[\\da-fA-F:.]+\\]|[\\w.-]+)(:\\d{1,5})?$|^[\\da-fA-F:.]+(/\\d{1,3})?$",
  expects: "a host, host:port, address or CIDR",
};
export const SUBJECT = { pattern: "^[^\\x00-\\x1f]+$", expects: "the `sub` of a token" };
export const MOUNT = { pattern: "^[\\w.-]+(/[\\w.-]+)*$", expects: "a path without slashes at its ends" };
export const LOG_LEVELS = ["off", "standard", "verbose"] as const;
export const LOG_LEVEL_OF = {
  pattern: "^(run|decision|result|job)(\\.[a-z_]+)?=([oO][fF]{2}|standard|STANDARD|verbose|VERBOSE)$",
  expects: "`type=level`, the type as in docs/operations.md or what stands before its dot",
};
export const NO_SPACES = { pattern: "^\\S+$", expects: "text without spaces" };

export const NATS_NAME = { pattern: "^[\\w-]{1,64}$", expects: "letters, digits, - and _" };
