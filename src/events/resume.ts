import { isJsonObject } from "./json-text.ts";
import { invalidEvent } from "./refusals.ts";

/** What a person decided about one question. */
export type SentDecision = {
  interruptId: string;
  decision: "approve" | "edit" | "reject" | "respond";
  args?: unknown;
  value?: unknown;
  comment?: string;
  approver?: string;
  argsDigest?: string;
};

/** Decisions by interrupt, or the value for the one plain question of a graph. */
export type ResumeRequest = { decisions: readonly SentDecision[] } | { resume: unknown };

type JsonObject = Readonly<Record<string, unknown>>;

const KINDS = ["approve", "edit", "reject", "respond"] as const;
const MOST = 100;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_COMMENT = 4096;
const MAX_NAME = 256;

/** Who decided where nobody did in time: no person may take this name. */
export const BY_DEADLINE = "system:deadline";

/** Reads a resume event's data; `at` is where it stands, for the message. */
export function readResume(data: JsonObject, at = "/data"): ResumeRequest {
  const { decisions, resume } = data;
  if (decisions === undefined && Object.hasOwn(data, "resume")) return { resume };
  if (!Array.isArray(decisions) || decisions.length === 0 || decisions.length > MOST) {
    throw invalidEvent(
      `decisions must be a list of 1 to ${MOST} decisions, or send resume.`,
      `${at}/decisions`,
    );
  }
  const read = decisions.map((each, i) => readDecision(each, `${at}/decisions/${i}`));
  if (new Set(read.map(({ interruptId }) => interruptId)).size < read.length) {
    throw invalidEvent("Each interrupt_id may be named once.", `${at}/decisions`);
  }
  return { decisions: read };
}

function readDecision(sent: unknown, at: string): SentDecision {
  if (!isJsonObject(sent)) throw invalidEvent("A decision is an object.", at);
  const { interrupt_id: interruptId, decision, args, value } = sent;
  if (typeof interruptId !== "string" || !UUID.test(interruptId)) {
    throw invalidEvent("interrupt_id must be the UUID of an interrupt.", `${at}/interrupt_id`);
  }
  const kind = KINDS.find((each) => each === decision);
  if (kind === undefined) {
    throw invalidEvent(`decision must be one of ${KINDS.join(", ")}.`, `${at}/decision`);
  }
  if (kind === "edit" && !isJsonObject(args)) {
    throw invalidEvent("edit needs args, the arguments to use instead.", `${at}/args`);
  }
  if (kind === "respond" && !Object.hasOwn(sent, "value")) {
    throw invalidEvent("respond needs a value.", `${at}/value`);
  }
  const comment = text(sent, "comment", MAX_COMMENT, at);
  const approver = text(sent, "approver", MAX_NAME, at);
  if (approver === BY_DEADLINE) throw invalidEvent("approver is a person's name.", `${at}/approver`);
  const argsDigest = text(sent, "args_digest", MAX_NAME, at);
  return {
    interruptId: interruptId.toLowerCase(),
    decision: kind,
    ...(kind === "edit" && { args }),
    ...(kind === "respond" && { value }),
    ...(comment !== undefined && { comment }),
    ...(approver !== undefined && { approver }),
    ...(argsDigest !== undefined && { argsDigest }),
  };
}

/** Texts go to people, models and columns that take no NUL. */
function text(sent: JsonObject, key: string, most: number, at: string): string | undefined {
  const value = sent[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value.length > most || /[\0\p{Cs}]/u.test(value)) {
    throw invalidEvent(`${key} must be a text of at most ${most} characters.`, `${at}/${key}`);
  }
  return value;
}
