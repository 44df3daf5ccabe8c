import { agents } from "./agents.ts";
import { asking } from "./asking.ts";
import { functions } from "./functional.ts";
import { nested } from "./nested.ts";
import { plain } from "./plain.ts";

export type AnyGraph = { invoke(input: unknown, config: object): Promise<unknown> };

export const graphs: Record<string, AnyGraph> = { ...plain, ...nested, ...agents, ...asking, ...functions };
