import { readFile } from "node:fs/promises";
import type { HttpTemplate } from "./http-request.ts";
import { isRecord } from "./json.ts";

/** An MCP server of the operator's: one that is reached, or one that is started. */
export type McpServer =
  | { kind: "http"; url: URL; headers: Record<string, string>; secrets: HttpTemplate["secrets"] }
  | { kind: "stdio"; command: string; args: string[]; env: Record<string, string>; cwd: string | undefined };

/**
 * Reads the file of MCP_SERVERS: name → URL, `{url, headers?}` or `{command, args?, env?, cwd?}`, as
 * it is or under `mcpServers`, where other programs have it.
 */
export async function readMcpServers(file: string | undefined): Promise<ReadonlyMap<string, McpServer>> {
  if (file === undefined) return new Map();
  const content: unknown = await readFile(file, "utf8")
    .then((text) => JSON.parse(text))
    .catch((error: unknown) => {
      throw unusable(`${file} is no readable JSON file (${error instanceof Error ? error.message : error})`);
    });
  const servers = isRecord(content) && isRecord(content["mcpServers"]) ? content["mcpServers"] : content;
  if (!isRecord(servers)) throw unusable(`${file} must hold an object: name → URL or command`);
  return new Map(Object.entries(servers).map(([name, entry]) => [name, readServer(name, entry)]));
}

function readServer(name: string, entry: unknown): McpServer {
  if (!/^[\w-]{1,64}$/.test(name)) throw unusable(`${JSON.stringify(name)} is no usable name of a server`);
  if (typeof entry === "string") return { kind: "http", url: readUrl(name, entry), headers: {}, secrets: {} };
  if (!isRecord(entry)) throw unusable(`${name} must be a URL or an object`);
  const { url, headers = {}, command, args = [], env = {}, cwd } = entry;
  if (typeof url === "string" && command === undefined) {
    return { kind: "http", url: readUrl(name, url), ...readHeaders(name, headers) };
  }
  const isText = (value: unknown) => typeof value === "string";
  if (!isText(command) || command === "" || url !== undefined) throw unusable(`${name} needs url or command`);
  if (!Array.isArray(args) || !args.every(isText)) throw unusable(`args of ${name} must be a list of texts`);
  if (!isRecord(env) || !Object.values(env).every(isText)) throw unusable(`env of ${name} must hold texts`);
  if (cwd !== undefined && !isText(cwd)) throw unusable(`cwd of ${name} must be a folder`);
  return { kind: "stdio", command, args, env: env as Record<string, string>, cwd };
}

function readUrl(name: string, url: string): URL {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw unusable(`${name} needs an http or https URL`);
  return new URL(url);
}

/** Texts, or `{"$secret": "tools/<path>#<key>", "prefix"?}`. */
function readHeaders(name: string, headers: unknown) {
  if (!isRecord(headers)) throw unusable(`headers of ${name} must be an object`);
  const texts: Record<string, string> = {};
  const secrets: Record<string, { path: string; key: string; prefix: string }> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (typeof value === "string") {
      texts[header] = value;
      continue;
    }
    const { $secret, prefix = "" } = isRecord(value) ? value : {};
    const [path, key] = typeof $secret === "string" ? $secret.split("#") : [];
    if (!path || !key || typeof prefix !== "string") {
      throw unusable(`header ${header} of ${name} must be a text or {"$secret": "tools/<path>#<key>"}`);
    }
    secrets[header] = { path, key, prefix };
  }
  return { headers: texts, secrets };
}

function unusable(problem: string): Error {
  return new Error(`MCP_SERVERS: ${problem}`);
}
