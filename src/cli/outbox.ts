import { unknownWord } from "./arguments.ts";
import { onDatabase } from "./on-database.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

const LIST_LIMIT = 1000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** outbox list | redrive */
export async function outbox([what, which]: readonly string[], tools: CliTools): Promise<void> {
  if (what === "list") return await listOutbox(tools);
  if (what === "redrive") return await redriveOutbox(which, tools);
  throw unknownWord("outbox", what, ["list", "redrive"]);
}

async function listOutbox(tools: CliTools): Promise<void> {
  const { listUndelivered } = await import("../delivery/outbox.ts");
  const rows = await onDatabase(tools, (db) => listUndelivered(db, LIST_LIMIT));
  for (const row of rows) tools.print(JSON.stringify(row));
}

async function redriveOutbox(which: string | undefined, tools: CliTools): Promise<void> {
  if (which === undefined || (which !== "--all" && !UUID.test(which))) {
    throw new UsageError("outbox redrive takes the id of an event, or --all");
  }
  const { redriveParked } = await import("../delivery/outbox.ts");
  const count = await onDatabase(tools, (db) => redriveParked(db, which === "--all" ? undefined : which));
  tools.print(`${count} ${count === 1 ? "event" : "events"} will be sent again`);
}
