import type { BuiltinName } from "./builtin-names.ts";

/** What the model is told of a tool. */
export type About = { description: string; schema: Record<string, unknown> };

const object = (properties: Record<string, unknown>, ...required: string[]) => ({
  type: "object",
  properties,
  ...(required.length > 0 ? { required } : {}),
  additionalProperties: false,
});
const text = (description: string, maxLength: number) => ({ type: "string", description, maxLength });
const key = text("Name of the entry.", 256);

export function aboutBuiltin(name: BuiltinName, methods: readonly string[]): About {
  return name === "http_request" ? aboutHttp(methods) : ABOUT[name];
}

function aboutHttp(methods: readonly string[]): About {
  const writes = methods.some((method) => method !== "GET");
  return {
    description: "Sends a request to a public http or https URL and gives what it answers.",
    schema: object(
      {
        url: text("Absolute http or https URL.", 4096),
        method: { type: "string", enum: [...methods], description: `Default ${methods[0]}.` },
        headers: { type: "object", additionalProperties: { type: "string" }, description: "Headers." },
        ...(writes ? { body: text("Body, as text.", 1_000_000) } : {}),
      },
      "url",
    ),
  };
}

const ABOUT: Readonly<Record<Exclude<BuiltinName, "http_request">, About>> = {
  now: {
    description: "Gives the present date and time.",
    schema: object({ timezone: text("IANA name of a time zone, like Europe/Paris; default UTC.", 64) }),
  },
  calculator: {
    description:
      "Computes an arithmetic expression: + - * / % ^, parentheses, pi, e, and functions like sqrt, abs, round, min, max, ln, log10, sin.",
    schema: object({ expression: text("Like (3 + 4) * sqrt(2).", 1000) }, "expression"),
  },
  memory_get: {
    description: "Gives what was remembered under a key.",
    schema: object({ key }, "key"),
  },
  memory_put: {
    description: "Remembers a value under a key, in the place of what was there; null forgets it.",
    schema: object({ key, value: { description: "Any JSON." } }, "key", "value"),
  },
  memory_list: {
    description: "Lists the keys of what is remembered.",
    schema: object({ prefix: text("Only keys that start with it.", 256) }),
  },
};
