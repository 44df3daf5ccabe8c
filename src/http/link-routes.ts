import type { FastifyInstance } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import { isJsonObject } from "../events/json-text.ts";
import type { InterruptView } from "../runs/interrupts.ts";
import { readBody } from "./body.ts";
import { checkedId, parseJson } from "./jobs.ts";
import type { Links } from "./links.ts";

export type LinkRoutesOptions = {
  readInterrupt: (jobId: string, interruptId: string) => Promise<InterruptView>;
  /** Absent: the operator wants none. */
  links?: { open: () => Promise<Links>; publicUrl: string } | undefined;
  maxBodyBytes: number;
  bodyTimeoutSeconds: number;
};

type InterruptParams = { Params: { jobId: string; interruptId: string } };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DAY = 86_400;
const NAME = /^[^\p{Cc}\p{Cs}]{1,512}$/u;

/** One question, and links to the page where it can be decided. A link opens the page and decides nothing. */
export async function linksPlugin(app: FastifyInstance, options: LinkRoutesOptions): Promise<void> {
  const { readInterrupt, links } = options;
  app.get<InterruptParams>("/jobs/:jobId/interrupts/:interruptId", async (request) => {
    const { jobId, interruptId } = request.params;
    return await readInterrupt(checkedId(jobId), checkedInterrupt(interruptId));
  });
  app.post<InterruptParams>("/jobs/:jobId/interrupts/:interruptId/links", async (request, reply) => {
    const jobId = checkedId(request.params.jobId);
    const interruptId = checkedInterrupt(request.params.interruptId);
    const bytes = await readBody(request.raw, options.maxBodyBytes, options.bodyTimeoutSeconds);
    if (links === undefined) {
      throw new AgentError("not_supported", "links need APPROVAL_LINK_SECRET and PUBLIC_URL");
    }
    const { subject, seconds } = readLink(parseJson(bytes));
    const asked = await readInterrupt(jobId, interruptId);
    if (asked.decision !== undefined) throw new AgentError("interrupt_closed", "this is decided already");
    if (asked.approvers && !asked.approvers.includes(subject)) {
      throw new AgentError("forbidden", `only ${asked.approvers.join(", ")} may decide this`);
    }
    const expiresAt = earlier(new Date(Date.now() + seconds * 1000), asked.expires_at);
    const claims = { jobId, interruptId, argsDigest: asked.args_digest, subject };
    const token = await (await links.open()).sign(claims, expiresAt);
    const url = `${links.publicUrl.replace(/\/$/, "")}/console?link=${token}#/approve/${encodeURIComponent(jobId)}/${interruptId}`;
    return reply.code(201).send({ url, expires_at: expiresAt.toISOString() });
  });
}

function checkedInterrupt(id: string): string {
  if (UUID.test(id)) return id.toLowerCase();
  throw new AgentError("unknown_interrupt", "no such interrupt of this job");
}

function earlier(one: Date, other: string | undefined): Date {
  return other !== undefined && new Date(other) < one ? new Date(other) : one;
}

function readLink(body: unknown): { subject: string; seconds: number } {
  if (!isJsonObject(body)) {
    throw new AgentError("invalid_request", "the body is an object: {for, expires_in_seconds?}");
  }
  const { for: subject, expires_in_seconds: seconds = DAY } = body;
  if (typeof subject !== "string" || !NAME.test(subject)) {
    throw new AgentError("invalid_request", "for names who decides, in 1 to 512 characters", {
      path: "/for",
    });
  }
  if (typeof seconds !== "number" || !(seconds >= 60 && seconds <= 7 * DAY)) {
    throw new AgentError("invalid_request", "expires_in_seconds is from 60 to 604800", {
      path: "/expires_in_seconds",
    });
  }
  return { subject, seconds };
}
