import type { FastifyInstance } from "fastify";

export type ConsoleOptions = { console: boolean };

/** The page for people. All of it is one document, so that one check lets it in and nothing else is fetched. */
export async function consolePlugin(app: FastifyInstance, { console: isOn }: ConsoleOptions): Promise<void> {
  if (!isOn) return;
  app.get("/console", async (_request, reply) => {
    const { readPage } = await import("./console-page.ts");
    const { html, policy } = await readPage();
    return reply
      .type("text/html; charset=utf-8")
      .header("content-security-policy", policy)
      .header("cache-control", "no-store")
      .header("referrer-policy", "no-referrer")
      .header("x-content-type-options", "nosniff")
      .header("cross-origin-opener-policy", "same-origin")
      .send(html);
  });
}
