import { OPEN } from "./guard.ts";

type Json = Record<string, unknown>;

/** How callers say who they are. */
export const securitySchemes = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A token of OIDC_ISSUER for OIDC_AUDIENCE. Without OIDC_ISSUER nobody is asked for one.",
  },
};

const OPTIONAL_BEARER = [{ bearer: [] }, {}];

/** Adds to every route that the guard watches how to get in, and what is answered to who does not. */
export function withSecurity(paths: Json, refusals: Readonly<Record<string, Json>>): Json {
  const guarded = Object.entries(paths).map(([path, item]) => {
    const operations = Object.entries(item as Record<string, Json>).map(([method, operation]) =>
      OPEN.has(`${method.toUpperCase()} ${path}`)
        ? [method, { ...operation, security: [] }]
        : [method, guardedOperation(operation, refusals)],
    );
    return [path, Object.fromEntries(operations)];
  });
  return Object.fromEntries(guarded);
}

function guardedOperation(operation: Json, refusals: Readonly<Record<string, Json>>): Json {
  const responses = { ...(operation["responses"] as Record<string, Json>) };
  for (const [status, refusal] of Object.entries(refusals)) {
    const own = responses[status];
    const both = [own?.["description"], refusal["description"]].filter(Boolean).join("\n\n");
    responses[status] = { ...refusal, ...own, description: both };
  }
  return { ...operation, responses, security: OPTIONAL_BEARER };
}
