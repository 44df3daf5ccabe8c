import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { dropDatabasesOfRun } from "./databases.ts";
import { RUN_VARIABLE, type ServiceName, urlVariable } from "./environment.ts";
import { startGuarded } from "./guarded.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { type ServiceKind, serviceKinds } from "./service-kinds.ts";
import { freePort, until } from "./wait.ts";
import type { Plan, User } from "./watchdog.ts";

/** Where a server comes from: named by its URL, or started from programs of this machine or in a container. */
export type Source = { from: "url"; url: string } | { from: "programs"; folder: string } | { from: "docker" };

export type StartedServices = {
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Finds or starts what is named, says which it took, and puts the URLs into the environment of all children. */
export async function startServices(
  names: readonly ServiceName[],
  say: (line: string) => void = console.log,
): Promise<StartedServices> {
  const before = { ...process.env };
  process.env[RUN_VARIABLE] = `${Date.now().toString(36)}${randomBytes(2).toString("hex")}`;
  const started = await Promise.allSettled(names.map((name) => startService(name, say)));
  const stop = async () => {
    await Promise.all(started.map((one) => one.status === "fulfilled" && one.value.stop()));
    for (const variable of [RUN_VARIABLE, ...Object.values(urlVariable)]) restore(variable, before[variable]);
  };
  const failed = started.find((one) => one.status === "rejected");
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return { stop, [Symbol.asyncDispose]: stop };
}

function restore(variable: string, value: string | undefined): void {
  if (value === undefined) delete process.env[variable];
  else process.env[variable] = value;
}

async function startService(name: ServiceName, say: (line: string) => void) {
  const startedAt = performance.now();
  const source = await chooseSource(name, thisMachine(), say);
  const { url, version, how, stop } =
    source.from === "url" ? await useNamed(name, source.url) : await startOwn(name, source);
  process.env[urlVariable[name]] = url;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  say(`${name} ${version}: ${how} (${seconds} s)`);
  return { stop };
}

/** The order of looking, which design and README promise. The last resort is the line that would help. */
export async function chooseSource(
  name: ServiceName,
  machine: Machine,
  say: (line: string) => void,
): Promise<Source> {
  const { programs, places, package: packages } = serviceKinds[name];
  const url = machine.env[urlVariable[name]];
  if (url) return { from: "url", url };

  const folder = machine.folderWith(programs, places);
  if (folder) return { from: "programs", folder };

  if (await machine.dockerAnswers()) return { from: "docker" };

  if (machine.system === "debian" && machine.isRoot && machine.env["TEST_INSTALL"] !== "0") {
    say(`${name} is not here: apt-get install ${packages.debian} (TEST_INSTALL=0 forbids)`);
    await machine.install(packages.debian);
    const fresh = machine.folderWith(programs, places);
    if (fresh) return { from: "programs", folder: fresh };
  }
  throw new Error(`The tests need ${name}. ${remedy(name, machine)}`);
}

function remedy(name: ServiceName, machine: Machine): string {
  const { package: packages, exampleUrl } = serviceKinds[name];
  const command = {
    debian: `Run \`${machine.isRoot ? "" : "sudo "}apt-get install -y ${packages.debian}\``,
    macos: `Run \`brew install ${packages.macos}\``,
    other: "Start Docker",
  }[machine.system];
  return `${command}, or set ${urlVariable[name]}=${exampleUrl}`;
}

type Running = { url: string; version: string; how: string; stop(): Promise<void> };

async function useNamed(name: ServiceName, url: string): Promise<Running> {
  const variable = urlVariable[name];
  const version = await serviceKinds[name].version(url).catch((cause: unknown) => {
    throw new Error(`${variable} names a ${name} that does not answer: ${messageOf(cause)}`, { cause });
  });
  // It goes on living when we are done, so what we made in it must go.
  const stop = async () => {
    if (name === "postgres") await dropDatabasesOfRun(url);
  };
  return { url, version, how: `${new URL(url).host}, named by ${variable}`, stop };
}

async function startOwn(name: ServiceName, source: Exclude<Source, { from: "url" }>): Promise<Running> {
  const kind = serviceKinds[name];
  const port = await freePort();
  const folder = join(tmpdir(), `agent-executor-${name}-${randomBytes(4).toString("hex")}`);
  const plan =
    source.from === "docker" ? dockerPlan(kind, folder, port) : localPlan(kind, source.folder, folder, port);
  const server = startGuarded(plan);
  const url = kind.url(port);
  try {
    // The first `docker run` pulls the image.
    const timeoutMs = source.from === "docker" ? 180_000 : 20_000;
    const answer = await until(async () => server.failure !== undefined || (await kind.version(url)), {
      timeoutMs,
      what: `${name} to answer on port ${port}`,
    });
    if (answer === true) throw new Error(`${name} did not start: ${server.failure}`);
    const where = source.from === "docker" ? `Docker image ${kind.docker.image}` : source.folder;
    return { url, version: answer, how: `started from ${where} on port ${port}`, stop: server.stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function localPlan(kind: ServiceKind, programs: string, folder: string, port: number): Plan {
  const user = kind.refusesRoot ? lesserUser() : undefined;
  return { folder, ...(user && { user }), ...kind.plan(programs, folder, port) };
}

function dockerPlan({ docker }: ServiceKind, folder: string, port: number): Plan {
  const container = folder.split("/").at(-1) ?? "";
  const publish = ["-p", `127.0.0.1:${port}:${docker.port}`];
  const args = [
    "run",
    "--rm",
    "--name",
    container,
    ...publish,
    ...docker.options,
    docker.image,
    ...docker.args,
  ];
  return {
    folder,
    serve: { program: "docker", args },
    stopSignal: "SIGTERM",
    cleanUp: { program: "docker", args: ["rm", "-f", container] },
  };
}

/** Postgres refuses to run as root; the package brings a user for it, and `nobody` is everywhere. */
function lesserUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const id = (flag: string) =>
      Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }));
    try {
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // No such user: the next one.
    }
  }
  throw new Error("Postgres does not run as root, and there is neither a user postgres nor nobody");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
