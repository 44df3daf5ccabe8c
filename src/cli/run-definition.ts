import { randomUUID } from "node:crypto";
import { Api, apiOf, jobPath, refusalOf } from "./api.ts";
import { noMore, OUTPUT, REMOTE, readArguments, readInput, required, wantsJson } from "./arguments.ts";
import { CommandFailed } from "./exit.ts";
import { tail } from "./jobs.ts";
import { painter } from "./paint.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

const TYPE_PREFIX = "dev.my-platform.agent";

/** run <definition> --input …: one run, with all that happens on the way. */
export async function runDefinition(args: readonly string[], tools: CliTools): Promise<void> {
  const text = { type: "string" } as const;
  const { values, positionals } = readArguments(args, { ...REMOTE, ...OUTPUT, input: text, job: text });
  noMore(positionals, 1);
  const file = required(positionals[0], "the definition's file (- reads standard input)");
  if (file === "-" && values.input === "@-") throw new UsageError("standard input can be read once");
  const definition = await readDefinitionFile(file);
  const input = await readInputOption(required(values.input, "--input"));
  const jobId = values.job ?? `cli-${randomUUID()}`;
  const asJson = wantsJson(values, tools);
  const isRemote = values.url !== undefined || Boolean(tools.env["AGENT_EXECUTOR_URL"]);
  if (isRemote) return await play(apiOf(values, tools), { jobId, definition, input }, asJson, tools);
  if (!asJson)
    tools.complain(painter(tools)("dim", "in this process, on an embedded Postgres that is then deleted"));
  const service = await onOwnDatabase(tools);
  try {
    await play(new Api(service.url), { jobId, definition, input }, asJson, tools);
  } catch (error) {
    throw error instanceof CommandFailed && error.exitCode === 4 ? waitsForNobody(error) : error;
  } finally {
    await service.close();
  }
}

/** Its database goes with this process, so no `approve` would find it. */
function waitsForNobody(cause: CommandFailed): CommandFailed {
  const what = "the run waits for a person, and is deleted with its database: run it at a service, by --url";
  return new CommandFailed(what, 4, { cause });
}

type Wanted = { jobId: string; definition: unknown; input: unknown };

async function play(
  api: Api,
  { jobId, definition, input }: Wanted,
  asJson: boolean,
  tools: CliTools,
): Promise<void> {
  const event = {
    ...{ specversion: "1.0", id: randomUUID(), source: "agent-executor-cli" },
    type: `${tools.env["EVENT_TYPE_PREFIX"] || TYPE_PREFIX}.execute`,
    data: { job_id: jobId, agent_definition: definition, input },
  };
  const headers = { "content-type": "application/cloudevents+json", prefer: "respond-async" };
  const response = await api.send("POST", "/", JSON.stringify(event), headers);
  if (!response.ok) throw refusalOf(response.status, await response.text());
  if (!asJson) tools.complain(painter(tools)("dim", `job ${jobId}: ${api.url}${jobPath(jobId)}`));
  await tail(api, jobId, asJson, tools);
}

async function onOwnDatabase({ startService }: CliTools): Promise<{ url: string; close(): Promise<void> }> {
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const folder = await mkdtemp(join(tmpdir(), "agent-executor-run-"));
  const drop = () => rm(folder, { recursive: true, force: true });
  try {
    const service = await startService({ DATA_DIR: folder });
    return { url: service.url, close: () => service.close().finally(drop) };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function readDefinitionFile(file: string): Promise<unknown> {
  const body = await readInput(file);
  try {
    if (!/\.ya?ml$/i.test(file)) return JSON.parse(body);
    const { parse } = (await import("yaml")).default; // CommonJS: the bundle gives it no names of its own
    return parse(body, { maxAliasCount: 0 });
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** JSON where it is JSON, else a message of a user: `--input 'Hi!'` needs no quotes within quotes. */
async function readInputOption(given: string): Promise<unknown> {
  const body =
    given === "-" ? await readInput("-") : given.startsWith("@") ? await readInput(given.slice(1)) : given;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
