import { connect } from "node:net";
import { join } from "node:path";
import pg from "pg";
import type { ServiceName } from "./environment.ts";
import type { Plan } from "./watchdog.ts";

/** All that differs between one server the tests need and another. */
export type ServiceKind = {
  programs: readonly string[];
  /** Where the programs are when they are not on PATH; one `*` stands for any name, the newest first. */
  places: readonly string[];
  refusesRoot: boolean;
  package: { debian: string; macos: string };
  exampleUrl: string;
  url(port: number): string;
  plan(programs: string, folder: string, port: number): Pick<Plan, "prepare" | "serve" | "stopSignal">;
  docker: { image: string; port: number; options: readonly string[]; args: readonly string[] };
  /** The version of a server that is ready; rejects as long as it is not. */
  version(url: string): Promise<string>;
};

/** 300, because many pools of many test files meet on one server. */
const connections = ["-c", "max_connections=300"];
const homes = ["/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/local/sbin"];

const postgres: ServiceKind = {
  programs: ["initdb", "postgres"],
  places: [
    "/usr/lib/postgresql/*/bin", // Debian and Ubuntu keep them off PATH
    "/usr/pgsql-*/bin", // Red Hat
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    ...homes,
  ],
  refusesRoot: true,
  package: { debian: "postgresql", macos: "postgresql@17" },
  exampleUrl: "postgres://postgres@127.0.0.1:5432/postgres",
  url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  plan(programs, folder, port) {
    const data = join(folder, "data");
    const init = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    const listen = ["-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", folder];
    return {
      prepare: { program: join(programs, "initdb"), args: init },
      // fsync stays on: what a test or a benchmark says of a commit shall be true.
      serve: { program: join(programs, "postgres"), args: ["-D", data, ...listen, ...connections] },
      stopSignal: "SIGQUIT", // the immediate way: nobody reads this data again
    };
  },
  docker: {
    image: "postgres:17-alpine",
    port: 5432,
    options: ["-e", "POSTGRES_HOST_AUTH_METHOD=trust", "-e", "POSTGRES_INITDB_ARGS=--locale=C -E UTF8"],
    args: connections,
  },
  async version(url) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on("error", () => undefined); // cut off in mid-question: the question fails, that is enough
    try {
      await client.connect();
      const { rows } = await client.query<{ server_version: string }>("show server_version");
      return rows[0]?.server_version.split(" ")[0] ?? "";
    } finally {
      await client.end();
    }
  },
};

const redis: ServiceKind = {
  programs: ["redis-server"],
  places: homes,
  refusesRoot: false,
  package: { debian: "redis-server", macos: "redis" },
  exampleUrl: "redis://127.0.0.1:6379",
  url: (port) => `redis://127.0.0.1:${port}`,
  plan(programs, folder, port) {
    const listen = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
    const args = [...listen, "--save", "", "--appendonly", "no"];
    return { serve: { program: join(programs, "redis-server"), args }, stopSignal: "SIGTERM" };
  },
  docker: { image: "redis:7-alpine", port: 6379, options: [], args: ["--save", ""] },
  version(url) {
    const { username, password } = new URL(url);
    const login = password
      ? `AUTH ${[username, password].filter(Boolean).map(decodeURIComponent).join(" ")}`
      : "PING";
    return firstMatch(url, `${login}\r\nINFO server\r\n`, /redis_version:(\S+)/);
  },
};

const nats: ServiceKind = {
  programs: ["nats-server"],
  places: homes,
  refusesRoot: false,
  package: { debian: "nats-server", macos: "nats-server" },
  exampleUrl: "nats://127.0.0.1:4222",
  url: (port) => `nats://127.0.0.1:${port}`,
  plan(programs, folder, port) {
    const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", join(folder, "jetstream")];
    return { serve: { program: join(programs, "nats-server"), args }, stopSignal: "SIGTERM" };
  },
  docker: { image: "nats:2-alpine", port: 4222, options: [], args: ["-js"] },
  version: (url) => firstMatch(url, "", /"version":"([^"]+)"/), // it greets with INFO {…}
};

export const serviceKinds: Record<ServiceName, ServiceKind> = { postgres, redis, nats };

/** Says one thing to a text protocol and listens until the pattern comes by. */
function firstMatch(url: string, say: string, pattern: RegExp): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((done, fail) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(say));
    let heard = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      heard += text;
      const version = pattern.exec(heard)?.[1];
      if (version) done(version);
      if (version) socket.destroy();
    });
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer in 2 s")));
    socket.once("error", fail);
    socket.once("close", () => fail(new Error(`it said ${JSON.stringify(heard.slice(0, 200))}`)));
  });
}
