import type { FastifyInstance } from "fastify";

/** The published schemas. Built on first request: the service does not need them to work. */
export async function schemasPlugin(app: FastifyInstance): Promise<void> {
  app.get("/schemas/agent-definition.json", async (_request, reply) => {
    const { definitionJsonSchema } = await import("../agents/definition.ts");
    return reply.type("application/schema+json").send(definitionJsonSchema());
  });
  app.get("/openapi.json", async () => {
    const { openApiDocument } = await import("./openapi.ts");
    return openApiDocument();
  });
}
