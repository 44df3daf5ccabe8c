/** The tools that the service brings along. */
export const BUILTIN_NAMES = [
  ...(["http_request", "now", "calculator"] as const),
  ...(["memory_get", "memory_put", "memory_list"] as const),
] as const;

export type BuiltinName = (typeof BUILTIN_NAMES)[number];

/** Whose memory it is. */
export const MEMORY_SCOPES = ["job", "owner"] as const;
export type MemoryScope = (typeof MEMORY_SCOPES)[number];
