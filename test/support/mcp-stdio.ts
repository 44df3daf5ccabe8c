import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { mcpToolServer } from "./mcp-tools.ts";

// An MCP server over standard input and output: a process of its own.
await mcpToolServer().connect(new StdioServerTransport());
