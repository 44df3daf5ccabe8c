import { AgentError } from "../errors/agent-error.ts";
import { isAttributeText } from "./formats.ts";
import type { IncomingEvent } from "./incoming.ts";
import { isJsonObject } from "./json-text.ts";
import { invalidEvent } from "./refusals.ts";
import { type ResumeRequest, readResume } from "./resume.ts";

/** What an execute event asks for, as it came: a key that was not sent is not there. */
export type ExecuteRequest = {
  agent_definition?: unknown;
  agent?: unknown;
  input?: unknown;
  input_payload?: unknown;
  context?: unknown;
  limits?: unknown;
  trace_id?: string;
};

/** What an event makes this service do. */
export type Command =
  | { kind: "execute"; jobId: string; request: ExecuteRequest }
  | { kind: "resume"; jobId: string; resume: ResumeRequest }
  | { kind: "cancel"; jobId: string; runId?: string; reason?: string }
  | { kind: "ping" }
  /** One of our own results came back: taking it would be a loop, refusing it would fill a dead-letter sink. */
  | { kind: "own-result" };

type JsonObject = Readonly<Record<string, unknown>>;

const PING = "dev.knative.sources.ping";
const RESULTS: ReadonlySet<string> = new Set(["completed", "failed", "interrupted", "cancelled"]);
const MAX_JOB_ID = 256;
const MAX_REASON = 1024;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * What the event tells this service to do. Only what keeps it from becoming a run is refused here; a bad
 * definition or input is left alone, because its run ends in a `failed` event that the job's sender sees.
 */
export function readCommand(event: IncomingEvent, typePrefix: string): Command {
  if (event.type === PING) return { kind: "ping" };
  const verb = event.type.startsWith(`${typePrefix}.`) ? event.type.slice(typePrefix.length + 1) : "";
  if (RESULTS.has(verb)) return { kind: "own-result" };
  if (verb !== "execute" && verb !== "resume" && verb !== "cancel") {
    throw new AgentError(
      "unsupported_event_type",
      `The attribute "type" must be ${typePrefix}.execute, ${typePrefix}.resume or ${typePrefix}.cancel.`,
    );
  }
  const data = requiredData(event);
  const jobId = readJobId(data["job_id"]);
  switch (verb) {
    case "execute":
      return { kind: "execute", jobId, request: executeRequest(data) };
    case "resume":
      return { kind: "resume", jobId, resume: readResume(data) };
    case "cancel":
      return { kind: "cancel", jobId, ...readCancel(data) };
  }
}

/** A job id as it may be stored and sent on as a subject: trimmed, 1 to 256 characters, plain text. */
export function readJobId(value: unknown): string {
  const jobId = typeof value === "string" ? value.trim() : "";
  if (
    jobId === "" ||
    [...jobId.slice(0, 2 * MAX_JOB_ID + 1)].length > MAX_JOB_ID ||
    !isAttributeText(jobId)
  ) {
    throw invalidEvent(
      `data.job_id must be a string of 1 to ${MAX_JOB_ID} characters without control characters.`,
      "/data/job_id",
    );
  }
  return jobId;
}

function requiredData({ data }: IncomingEvent): JsonObject {
  if (data.kind === "none") {
    throw invalidEvent("data is required: send a JSON object with job_id.", "/data");
  }
  if (data.kind === "bytes") {
    throw invalidEvent(
      "data must be JSON: send a JSON object with job_id, and application/json as its content type.",
      "/data",
    );
  }
  if (!isJsonObject(data.value)) throw invalidEvent("data must be a JSON object with job_id.", "/data");
  return data.value;
}

const KEPT = ["agent_definition", "agent", "input", "input_payload", "context", "limits"] as const;

function executeRequest(data: JsonObject): ExecuteRequest {
  const request: ExecuteRequest = {};
  for (const key of KEPT) {
    // "Nothing sent" and "null sent" differ for an input, but a definition of null means the stored one.
    const isAbsent = !Object.hasOwn(data, key) || (data[key] === null && key.startsWith("agent"));
    if (!isAbsent) request[key] = data[key];
  }
  const traceId = data["trace_id"];
  if (typeof traceId === "string") request.trace_id = traceId;
  return request;
}

function readCancel(data: JsonObject): { runId?: string; reason?: string } {
  const runId = data["run_id"] ?? undefined;
  const reason = data["reason"] ?? undefined;
  if (runId !== undefined && (typeof runId !== "string" || !UUID.test(runId))) {
    throw invalidEvent("data.run_id must be a run id as this service gave it (a UUID).", "/data/run_id");
  }
  if (reason !== undefined && typeof reason !== "string") {
    throw invalidEvent("data.reason must be a string.", "/data/reason");
  }
  return {
    ...(runId !== undefined && { runId: runId.toLowerCase() }),
    ...(reason !== undefined && { reason: storableText(reason) }),
  };
}

/** Postgres takes no NUL; a cancel must not fail over its reason. */
function storableText(text: string): string {
  return text
    .slice(0, MAX_REASON)
    .replace(/\p{Cc}+/gu, " ")
    .replace(/\p{Cs}/gu, "\uFFFD");
}
