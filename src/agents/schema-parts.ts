import { Type } from "typebox";

/** Unknown keys are refused everywhere: a mistyped key that is ignored is a prompt that never took hold. */
export const strict = { additionalProperties: false } as const;

export const text = (description: string) => Type.String({ description, minLength: 1, maxLength: 256 });
