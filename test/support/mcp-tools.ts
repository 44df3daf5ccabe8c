import process from "node:process";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const text = (name: string) => ({
  type: "object" as const,
  properties: { [name]: { type: "string" } },
  required: [name],
});

const TOOLS = [
  { name: "greet", description: "Greets somebody.", inputSchema: text("who") },
  { name: "odd.name/v2", description: "Has a name that providers refuse.", inputSchema: text("who") },
  { name: "environment", description: "Names its environment.", inputSchema: { type: "object" as const } },
  { name: "fail", description: "Fails.", inputSchema: { type: "object" as const } },
  { name: "hang", description: "Never answers.", inputSchema: { type: "object" as const } },
  { name: "long", description: "Says a lot.", inputSchema: { type: "object" as const } },
  { name: "flood", description: "Says too much.", inputSchema: { type: "object" as const } },
  { name: "die", description: "Ends its server.", inputSchema: { type: "object" as const } },
  {
    name: "picky",
    description: "Has a schema that recurses.",
    inputSchema: { type: "object" as const, properties: { next: { $ref: "#" } } },
  },
];

export type SeenCall = { name: string; args: unknown; key: unknown };

/** An MCP server with some tools, by the real SDK; `seen` gets each call. */
export function mcpToolServer(seen: SeenCall[] = []): Server {
  const server = new Server({ name: "test", version: "1" }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: TOOLS }));
  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params: { name, arguments: args, _meta: meta } }) => {
      seen.push({ name, args, key: meta?.["agent-executor/idempotency-key"] });
      switch (name) {
        case "hang":
          return await new Promise<never>(() => undefined);
        case "die":
          process.exit(1);
          break;
        case "fail":
          return { isError: true, content: [{ type: "text", text: "it does not work" }] };
        case "long":
          return { content: [{ type: "text", text: "x".repeat(400_000) }] };
        case "flood":
          return { content: [{ type: "text", text: "x".repeat(6_000_000) }] };
        case "environment":
          return { content: [{ type: "text", text: JSON.stringify(process.env) }] };
        default:
          return { content: [{ type: "text", text: `Hello ${String(args?.["who"])}, says ${name}` }] };
      }
    },
  );
  return server;
}
