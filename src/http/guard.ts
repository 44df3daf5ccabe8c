import type { FastifyInstance, FastifyRequest } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import type { Caller } from "../runs/owner.ts";
import { checkedId } from "./jobs.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; undefined where the service tells nobody apart. */
    caller: Caller | undefined;
  }
}

export type GuardOptions = {
  /** Verifies a bearer token. Absent: everyone may do everything. */
  identify?: ((token: string) => Promise<Caller>) | undefined;
  /** Absent: there are no links. */
  identifyLink?: ((token: string) => Promise<Caller | undefined>) | undefined;
  /** Throws unless the job is there and the caller's. */
  requireOwnJob: (jobId: string, caller: Caller) => Promise<void>;
};

/** All that is open; a route that is added later is guarded without being named. */
export const OPEN: ReadonlySet<string> = new Set([
  "GET /health",
  "GET /ready",
  "GET /metrics",
  "GET /openapi.json",
  "GET /schemas/agent-definition.json",
  "OPTIONS /",
]);

/** Here `runs` decides too: a question may ask people who do not own the job. */
const DECIDED_INSIDE = new Set(["POST /jobs/:jobId/resume"]);
/** All that a link opens. */
const OF_LINKS = new Set([
  "GET /console",
  "GET /jobs/:jobId/interrupts/:interruptId",
  "POST /jobs/:jobId/resume",
]);

/**
 * Lets in who has a token, before anything of a body is read; and to a job's own routes only whom the
 * job belongs to. Events name their job in the body: for them `runs` decides, where it stores them.
 */
export function guardRoutes(app: FastifyInstance, options: GuardOptions): void {
  const { identify, identifyLink, requireOwnJob } = options;
  app.decorateRequest("caller", undefined);
  if (identifyLink !== undefined) {
    app.addHook("onRequest", async (request) => {
      const token = bearerOf(request) ?? linkOf(request);
      const caller = token === undefined ? undefined : await identifyLink(token);
      if (caller === undefined) return;
      if (!OF_LINKS.has(nameOf(request)) || !isAbout(caller, request)) {
        throw new AgentError("forbidden", "the link is for one question only");
      }
      request.caller = caller;
    });
  }
  if (identify === undefined) return;
  app.addHook("onRequest", async (request, reply) => {
    if (request.is404 || OPEN.has(nameOf(request)) || request.caller?.link !== undefined) return;
    const token = bearerOf(request);
    try {
      if (token === undefined) throw new AgentError("unauthenticated", "a bearer token is needed");
      request.caller = await identify(token);
    } catch (error) {
      if (error instanceof AgentError && error.code === "unauthenticated") {
        const fault = token === undefined ? "" : ', error="invalid_token"';
        reply.header("www-authenticate", `Bearer realm="agent-executor"${fault}`);
      }
      throw error;
    }
    const jobId = jobOf(request);
    if (jobId !== undefined && !request.caller.isOperator) {
      await requireOwnJob(checkedId(jobId), request.caller);
    }
  });
}

/** A browser that opens a page can send no header. */
function linkOf({ routeOptions, query }: FastifyRequest): string | undefined {
  if (routeOptions.url !== "/console") return undefined;
  const { link } = query as { link?: unknown };
  return typeof link === "string" ? link : undefined;
}

function isAbout({ link }: Caller, { params }: FastifyRequest): boolean {
  const { jobId, interruptId } = params as { jobId?: string; interruptId?: string };
  const isJob = jobId === undefined || jobId === link?.jobId;
  return isJob && (interruptId === undefined || interruptId.toLowerCase() === link?.interruptId);
}

/** The route as it was registered, so that no spelling of a path leads around us. */
function nameOf({ method, routeOptions }: FastifyRequest): string {
  return `${method === "HEAD" ? "GET" : method} ${routeOptions.url}`;
}

/** Of two headers neither counts: who stands between us and the sender may have read the other one. */
function bearerOf({ raw }: FastifyRequest): string | undefined {
  const { authorization: lines = [] } = raw.headersDistinct;
  const [, token] = /^bearer +([\w.~+/-]+=*) *$/i.exec(lines.length === 1 ? (lines[0] ?? "") : "") ?? [];
  return token;
}

/** Every route below /jobs names its job first, whatever the parameter is called. */
function jobOf(request: FastifyRequest): string | undefined {
  const { routeOptions, params } = request;
  if (!routeOptions.url?.startsWith("/jobs/:") || DECIDED_INSIDE.has(nameOf(request))) return undefined;
  return Object.values(params as Record<string, string>)[0]; // Fastify fills it in the order of the path
}
