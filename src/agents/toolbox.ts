import { pathToFileURL } from "node:url";
import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import type { Queryable } from "../postgres/database.ts";
import type { Sandbox, SandboxOptions } from "../sandbox/sandbox.ts";
import { invalid } from "./definition-problem.ts";
import type { Egress, EgressOptions } from "./egress.ts";
import { readEgressAllow } from "./egress-allow.ts";
import { quote } from "./json.ts";
import type { McpConnection } from "./mcp-connection.ts";
import type { McpServer } from "./mcp-servers.ts";
import type { SecretReader } from "./secret-headers.ts";

/** What tools may use; without it they are refused, with an error that says what to set. */
export type ToolboxOptions = {
  /** What tools may reach beside public addresses; default nothing. */
  egress?: EgressOptions | undefined;
  /** The operator's MCP servers by name. */
  mcpServers?: ReadonlyMap<string, McpServer>;
  /** The operator's modules: name → path. */
  modules?: ReadonlyMap<string, string>;
  /** Where builtin tools remember. */
  db?: Queryable;
  secret?: SecretReader;
  sandbox?: SandboxOptions;
};

export type ToolFunction = (args: unknown, context: object) => unknown;

/** What the tools of all agents share. Each part is loaded, started or connected when it is first used. */
export class Toolbox {
  readonly db: Queryable | undefined;
  readonly secret: SecretReader | undefined;
  readonly #options: ToolboxOptions;
  readonly #connections = new Map<string, McpConnection>();
  readonly #modules = new Map<string, Promise<ToolFunction>>();
  #egress: Promise<Egress> | undefined;
  #sandbox: Promise<Sandbox> | undefined;

  constructor(options: ToolboxOptions = {}) {
    this.#options = options;
    this.db = options.db;
    this.secret = options.secret;
  }

  egress(): Promise<Egress> {
    const { egress = { allow: readEgressAllow([]) } } = this.#options;
    this.#egress ??= import("./egress.ts").then(({ Egress }) => new Egress(egress));
    return this.#egress;
  }

  sandbox(): Promise<Sandbox> {
    this.#sandbox ??= import("../sandbox/sandbox.ts").then(
      ({ Sandbox }) => new Sandbox(this.#options.sandbox),
    );
    return this.#sandbox;
  }

  async mcp(name: string, path: string): Promise<McpConnection> {
    const { mcpServers = new Map() } = this.#options;
    const server = found(mcpServers, name, path, "MCP server", "MCP_SERVERS");
    const { McpConnection } = await import("./mcp-connection.ts");
    const connection = this.#connections.get(name) ?? new McpConnection(name, server, this.secret);
    this.#connections.set(name, connection);
    return connection;
  }

  async module(name: string, path: string): Promise<ToolFunction> {
    const file = found(
      this.#options.modules ?? new Map<string, string>(),
      name,
      path,
      "module",
      "TOOL_MODULES",
    );
    const loading = this.#modules.get(name) ?? loadModule(name, file);
    this.#modules.set(name, loading);
    // What could not be loaded is tried again: a volume may be mounted late.
    loading.catch(() => this.#modules.delete(name));
    return await loading;
  }

  async close(): Promise<void> {
    await (await this.#sandbox)?.close();
    await Promise.all([...this.#connections.values()].map((each) => each.close()));
  }
}

function found<T>(
  list: ReadonlyMap<string, T>,
  name: string,
  path: string,
  what: string,
  variable: string,
): T {
  const value = list.get(name);
  if (value !== undefined) return value;
  const hint = didYouMean(name, [...list.keys()]) || `; the operator lists them in ${variable}`;
  throw invalid(`${quote(name)} is no ${what} of this service${hint}`, path);
}

async function loadModule(name: string, file: string): Promise<ToolFunction> {
  const loaded: unknown = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw new AgentError("tool_unavailable", `the module "${name}" could not be loaded`, { cause: error });
  });
  const exported = (loaded as { default?: unknown }).default;
  if (typeof exported === "function") return exported as ToolFunction;
  throw new AgentError("tool_unavailable", `the module "${name}" exports no function by default`);
}
