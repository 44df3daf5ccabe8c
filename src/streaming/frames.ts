import { cutToBytes } from "../errors/agent-error.ts";
import { redactJson } from "../observability/redaction.ts";

/** What readers of a job's stream are told; `gap` says that something before it is missing. */
export type FrameType =
  | "on_llm_stream"
  | "on_tool_start"
  | "on_tool_end"
  | "on_state_update"
  | "on_interrupt"
  | "on_restart"
  | "gap"
  | "error"
  | "end";

/** A frame that has no place in a stream yet. `fields` is JSON, each field with a comma before it. */
export type Frame = { type: FrameType; runId: string; attempt: number; fields: string };

/** A frame in the stream of its job: `text` is what every reader gets, byte for byte. */
export type StoredFrame = { id: string; type: string; text: string };

/** Who a frame is about. */
export type Whose = { runId: string; attempt: number };

/** A tool's output may be as large as it likes; what is shown of it may not. */
const MOST_FIELD_BYTES = 16_384;
/** A result is stored whole; in a frame there is room for what a person reads. */
const MOST_RESULT_BYTES = 65_536;

export function makeFrame(type: FrameType, { runId, attempt }: Whose, data: object): Frame {
  const fields = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `,${JSON.stringify(key)}:${fieldText(key, value)}`)
    .join("");
  return { type, runId, attempt, fields };
}

function fieldText(key: string, value: unknown): string {
  const most = key === "final_result" || key === "job" ? MOST_RESULT_BYTES : MOST_FIELD_BYTES;
  const text = JSON.stringify(redactJson(value)) ?? "null";
  if (text.length <= most / 4 || Buffer.byteLength(text) <= most) return text;
  // JSON cut in the middle is none: what is too large is shown as the start of a text.
  return JSON.stringify(cutToBytes(typeof value === "string" ? value : text, most));
}

/** The two ends of a frame's text; its id goes between them, where the stream gives one. */
export const headOf = (type: string): string => `{"event_type":"${type}","data":{"stream_id":"`;
export const tailOf = ({ runId, attempt, fields }: Frame): string =>
  `","run_id":"${runId}","attempt":${attempt}${fields}}}`;

export function placed(id: string, frame: Frame): StoredFrame {
  return { id, type: frame.type, text: headOf(frame.type) + id + tailOf(frame) };
}

const START = /^\{"event_type":"(\w+)","data":\{"stream_id":"(\d+-\d+)"/;

/** A text as others published it; undefined if it is none of ours. */
export function readFrame(text: string): StoredFrame | undefined {
  const [, type, id] = START.exec(text) ?? [];
  return type === undefined || id === undefined ? undefined : { id, type, text };
}

/** Of which run a stored frame tells. */
export function runOf({ text }: StoredFrame): string | undefined {
  return /^\{"event_type":"\w+","data":\{"stream_id":"[\d-]+","run_id":"([^"]+)"/.exec(text)?.[1];
}

/** Stream ids are `<milliseconds>-<number>`, ordered by both. */
export function isAfter(id: string, other: string): boolean {
  const [ms = "0", n = "0"] = id.split("-");
  const [otherMs = "0", otherN = "0"] = other.split("-");
  return Number(ms) === Number(otherMs) ? Number(n) > Number(otherN) : Number(ms) > Number(otherMs);
}

export const isStreamId = (id: string): boolean => /^\d{1,15}-\d{1,15}$/.test(id);
