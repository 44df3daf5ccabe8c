import { doorErrors } from "./door-errors.ts";
import { runErrors } from "./run-errors.ts";

export type { Actor, ErrorKind } from "./error-kind.ts";

/** Every error of the service, once. Codes are part of the contract: never rename, only add. */
export const catalogue = { ...doorErrors, ...runErrors } as const;

export type ErrorCode = keyof typeof catalogue;
