import process from "node:process";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import Fastify from "fastify";
import { createAgent } from "langchain";
import pg from "pg";
import { ScriptedModel } from "../../src/agents/scripted.ts";

/**
 * The service as one would write it in an hour: Fastify, one graph compiled at start, the stock saver.
 * No envelope check, no dedupe, no lease, no stored outcome. Without DATABASE_URL it keeps nothing at
 * all: that is the limit of what any saver can reach. The model is the service's own, so that the
 * difference is never the model.
 */
const { DATABASE_URL, PORT, ANSWER = "" } = process.env;

async function openSaver(url: string): Promise<PostgresSaver> {
  const saver = new PostgresSaver(new pg.Pool({ connectionString: url, max: 10 }));
  await saver.setup();
  return saver;
}

const checkpointer = DATABASE_URL ? await openSaver(DATABASE_URL) : undefined;
const agent = createAgent({
  name: "main",
  model: new ScriptedModel([ANSWER]),
  tools: [],
  ...(checkpointer && { checkpointer }),
});

const app = Fastify();
app.get("/health", async () => ({ status: "healthy" }));
app.post<{ Body: { job_id: string; input: string } }>("/", async ({ body }) => {
  const state = await agent.invoke(
    { messages: [{ role: "user", content: body.input }] },
    { configurable: { thread_id: body.job_id }, durability: "sync" },
  );
  return { job_id: body.job_id, output: state.messages.at(-1)?.text };
});
await app.listen({ port: Number(PORT), host: "127.0.0.1" });
