import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Database } from "../../src/postgres/database.ts";
import { type ModelServer, startModelServer } from "./model-server.ts";
import type { OpenPort } from "./ports.ts";

// What the tests of a file or of a block share: begun before the first of them, ended behind the last.
// Called where the block begins; it can be asked for anything once its tests run.

export type SharedModelServer = Readonly<
  Pick<ModelServer, "url" | "openaiUrl" | "requests" | "mostAtOnce" | "reply">
>;

/** A model server that each test finds without requests; what it replies stays. */
export function sharedModelServer(options: { apiKey?: string } = {}): SharedModelServer {
  let server: ModelServer;
  beforeAll(async () => {
    server = await startModelServer(options);
  });
  beforeEach(() => {
    server.requests.length = 0;
    server.mostAtOnce = 0;
  });
  afterAll(() => server.close());
  return {
    get url() {
      return server.url;
    },
    get openaiUrl() {
      return server.openaiUrl;
    },
    get requests() {
      return server.requests;
    },
    get mostAtOnce() {
      return server.mostAtOnce;
    },
    reply: (source) => server.reply(source),
  };
}

/** The database of a port. */
export function sharedDatabase(open: () => Promise<OpenPort>): Database {
  let port: OpenPort;
  beforeAll(async () => {
    port = await open();
  });
  afterAll(() => port.close());
  return {
    get kind() {
      return port.db.kind;
    },
    get schema() {
      return port.db.schema;
    },
    query: (name, text, values) => port.db.query(name, text, values),
    transaction: (work) => port.db.transaction(work),
    listen: (channel, hear, report) => port.db.listen(channel, hear, report),
    close: () => port.db.close(),
  };
}
