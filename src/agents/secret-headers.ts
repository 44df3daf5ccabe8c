import { AgentError } from "../errors/agent-error.ts";
import type { HttpTemplate } from "./http-request.ts";

/** All values of one of the operator's secrets, by its path below the folder that definitions may name. */
export type SecretReader = (path: string) => Promise<Readonly<Record<string, string>>>;

/** Which servers a secret may be sent to; it stands beside the values, in the secret itself. */
const ORIGINS = "origins";
/** Shorter texts turn up by chance. */
const SHORTEST_HIDDEN = 6;

/**
 * The headers whose values are secrets. A definition names both the secret and the server, so the
 * secret itself says which servers may have it: else anyone who may send a definition could read it.
 */
export async function secretHeaders(
  secrets: HttpTemplate["secrets"],
  url: URL,
  read: SecretReader | undefined,
): Promise<{ headers: Record<string, string>; values: string[] }> {
  const headers: Record<string, string> = {};
  const values: string[] = [];
  for (const [name, { path, key, prefix }] of Object.entries(secrets)) {
    const value = await readValue(path, key, url, read);
    headers[name.toLowerCase()] = prefix + value;
    values.push(value);
  }
  return { headers, values };
}

async function readValue(
  path: string,
  key: string,
  url: URL,
  read: SecretReader | undefined,
): Promise<string> {
  if (read === undefined) {
    throw refused(`the tool needs the secret ${path}, and no Vault is configured: set VAULT_ADDR`);
  }
  const secret = await read(path);
  const origins = (secret[ORIGINS] ?? "").split(",").map((each) => each.trim());
  if (!origins.includes(url.origin)) {
    throw refused(`the secret ${path} is not for ${url.origin}: list it in the secret, under "${ORIGINS}"`);
  }
  const value = Object.hasOwn(secret, key) && key !== ORIGINS ? secret[key] : undefined;
  if (value === undefined || value === "") throw refused(`the secret ${path} has no "${key}"`);
  return value;
}

function refused(message: string): AgentError {
  return new AgentError("missing_credentials", message);
}

/** A server may send back what it was sent. */
export function withoutSecrets(text: string, values: readonly string[]): string {
  return values
    .filter(({ length }) => length >= SHORTEST_HIDDEN)
    .reduce((rest, value) => rest.replaceAll(value, "[secret]"), text);
}
