import { JetStreamApiError } from "@nats-io/jetstream";
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import { storeLooseEvent } from "../delivery/outbox.ts";
import { AgentError, cutToBytes } from "../errors/agent-error.ts";
import { uuidV5 } from "../events/ids.ts";
import { encodeStructured, outcomeEvent } from "../events/outgoing.ts";
import { childOf, newTraceparent, parseTraceparent } from "../observability/traceparent.ts";
import type { Queryable } from "../postgres/database.ts";
import { NO_USAGE } from "../runs/limits.ts";
import type { Sender } from "../runs/settle.ts";
import type { Open } from "./line.ts";
import { idOf, type Letter } from "./message.ts";
import { subjects } from "./settings.ts";

/** What could be read of a message before it was refused. */
export type Known = { jobId?: string; eventId?: string; traceparent?: string | undefined };

// Ids of events about refused messages hang on it: never change.
const NAMESPACE = "5a0d6c6e-3c1b-4f0e-9d57-1f7b0c9e4a26";
const MOST_HEADER_BYTES = 500;
const SPARE_BYTES = 4096;

export type RefusalTools = { db: Queryable; sender: Sender; wake: () => void };

/**
 * Tells of a message that will never become a run: a `failed` event through the outbox, then a copy to the
 * dead letters. Both have ids of the message, so that doing it again after a crash changes nothing.
 */
export async function bury(
  open: Open,
  tools: RefusalTools,
  letter: Letter,
  error: AgentError,
  known: Known | undefined,
): Promise<void> {
  if (known !== undefined) await storeFailure(tools, letter, error, known);
  await publishDead(open, letter, error);
}

async function storeFailure(
  { db, sender, wake }: RefusalTools,
  letter: Letter,
  error: AgentError,
  known: Known,
): Promise<void> {
  const { jobId = "unknown", eventId = idOf(letter) } = known;
  const event = outcomeEvent({
    ...{ prefix: sender.prefix, source: sender.source, overrides: sender.overrides },
    ...{ runId: uuidV5(NAMESPACE, idOf(letter)), jobId, kind: "failed", causationId: eventId },
    // No run_id: there is no run that could be asked for.
    data: { job_id: jobId, error: error.toWire(), usage: NO_USAGE },
    time: letter.time, // not now: a second telling has the same bytes
    traceparent: childOf(parseTraceparent(known.traceparent) ?? traceOf(letter)),
  });
  const bytes = encodeStructured(event);
  await storeLooseEvent(db, { eventId: event.id, jobId, event: bytes }, [...sender.targets, "nats"]);
  wake();
}

function traceOf(letter: Letter) {
  const parent = parseTraceparent(newTraceparent(idOf(letter)));
  if (parent === undefined) throw new AgentError("internal", "a new traceparent is none");
  return parent;
}

async function publishDead({ nc, js }: Open, letter: Letter, error: AgentError): Promise<void> {
  const own = copyOf(letter.headers);
  own.set("Agent-Error-Code", error.code);
  own.set("Agent-Error-Message", oneLine(error.message));
  own.set("Agent-Subject", letter.subject);
  own.set("Agent-Stream-Sequence", String(letter.seq));
  const most = nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
  const fits = letter.data.length + sizeOf(own) + SPARE_BYTES <= most;
  if (!fits) own.set("Agent-Payload", `left out: ${letter.data.length} bytes`);
  const id = uuidV5(NAMESPACE, `dead:${idOf(letter)}`);
  try {
    await js.publish(subjects.dead, fits ? letter.data : new Uint8Array(), { msgID: id, headers: own });
  } catch (failure) {
    if (failure instanceof JetStreamApiError) {
      throw new AgentError("nats_unavailable", "the dead letters took no more", { cause: failure });
    }
    throw failure;
  }
}

/** Headers that mean something to JetStream must not mean it for the copy. */
function copyOf(given: MsgHdrs | undefined): MsgHdrs {
  const copy = headers();
  for (const name of given?.keys() ?? []) {
    if (/^nats-/i.test(name)) continue;
    for (const value of given?.values(name) ?? []) copy.append(name, value);
  }
  return copy;
}

function sizeOf(own: MsgHdrs): number {
  return own.keys().reduce((sum, name) => sum + own.values(name).join(name).length + 2 * name.length, 0);
}

function oneLine(text: string): string {
  return cutToBytes(text.replaceAll(/[^\x20-\x7e]+/g, " "), MOST_HEADER_BYTES).replaceAll("…", "...");
}
