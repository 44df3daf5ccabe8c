import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Machine, thisMachine } from "./machine.ts";
import { serviceKinds } from "./service-kinds.ts";
import { chooseSource } from "./services.ts";
import { until } from "./wait.ts";

describe("looking for a service", () => {
  const bare: Machine = {
    env: {},
    folderWith: () => undefined,
    dockerAnswers: async () => false,
    system: "debian",
    isRoot: true,
    install: async () => undefined,
  };
  const choose = (machine: Partial<Machine>, said: string[] = []) =>
    chooseSource("postgres", { ...bare, ...machine }, (line) => said.push(line));
  const folderWith = () => "/opt/pg/bin";
  const dockerAnswers = async () => true;

  it("takes a server named by its URL before all else", async () => {
    const env = { TEST_POSTGRES_URL: "postgres://somewhere" };
    const source = await choose({ env, folderWith, dockerAnswers });
    expect(source).toEqual({ from: "url", url: "postgres://somewhere" });
  });

  it("takes programs of this machine before Docker", async () => {
    expect(await choose({ folderWith, dockerAnswers })).toEqual({ from: "programs", folder: "/opt/pg/bin" });
  });

  it("takes Docker before it installs anything", async () => {
    expect(await choose({ dockerAnswers })).toEqual({ from: "docker" });
  });

  it("installs as root on Debian, and says so", async () => {
    const said: string[] = [];
    let installed: string | undefined;
    const machine = {
      folderWith: () => installed && "/usr/lib/postgresql/15/bin",
      install: async (name: string) => {
        installed = name;
      },
    };
    const source = await choose(machine, said);
    expect(source).toEqual({ from: "programs", folder: "/usr/lib/postgresql/15/bin" });
    expect(said).toEqual(["postgres is not here: apt-get install postgresql (TEST_INSTALL=0 forbids)"]);
  });

  it.each<[string, Partial<Machine>, string]>([
    ["when told not to install", { env: { TEST_INSTALL: "0" } }, "Run `apt-get install -y postgresql`"],
    ["when not root", { isRoot: false }, "Run `sudo apt-get install -y postgresql`"],
    ["on macOS", { system: "macos" }, "Run `brew install postgresql@17`"],
    ["elsewhere", { system: "other" }, "Start Docker"],
  ])("fails with the line that would fix it %s", async (_when, machine, fix) => {
    await expect(choose(machine)).rejects.toThrow(
      `The tests need postgres. ${fix}, or set TEST_POSTGRES_URL=`,
    );
  });
});

describe("a started server", async () => {
  const { programs, places } = serviceKinds.postgres;
  const startable = thisMachine().folderWith(programs, places) ?? (await thisMachine().dockerAnswers());

  it.runIf(startable)("goes away with its folder when its parent is killed", async () => {
    const { TEST_POSTGRES_URL: _ours, ...env } = process.env;
    const script = join(import.meta.dirname, "hold-services.ts");
    const parent = spawn(process.execPath, ["--import", "tsx", script, "postgres"], { env });
    onTestFinished(() => void parent.kill("SIGKILL"));
    const [line] = (await once(createInterface(parent.stdout), "line")) as [string]; // readline gives text
    const { postgres: url } = JSON.parse(line) as { postgres: string }; // hold-services.ts wrote it
    const client = new pg.Client(url);
    client.on("error", () => undefined); // it is cut off, that is the point
    await client.connect();
    const { rows } = await client.query<{ folder: string }>(
      "select current_setting('data_directory') as folder",
    );
    const folder = join(rows[0]?.folder ?? "", "..");
    expect(existsSync(folder)).toBe(true);

    parent.kill("SIGKILL");

    const gone = () =>
      serviceKinds.postgres.version(url).then(
        () => false,
        () => true,
      );
    await until(gone, { what: "the server to go" });
    await until(() => !existsSync(folder), { what: "its folder to go" });
  });
});
