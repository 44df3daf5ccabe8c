import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export type WireTap = {
  /** The same database, by way of this listener. */
  url: string;
  /** Each statement that went by, under its name, or by its first words when it has none. */
  statements: string[];
  close(): Promise<void>;
};

/**
 * Stands between a client and Postgres and reads what is asked. Each Execute and each simple Query is
 * one statement; both drivers' habits aside, the server cannot be asked in any other way.
 */
export async function tapPostgres(databaseUrl: string): Promise<WireTap> {
  const target = new URL(databaseUrl);
  const statements: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const postgres = connect(Number(target.port || 5432), target.hostname);
    const reader = new FrontendReader((statement) => statements.push(statement));
    client.on("data", (bytes) => reader.read(bytes));
    client.pipe(postgres).pipe(client);
    for (const [socket, other] of [
      [client, postgres],
      [postgres, client],
    ] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined); // followed by "close"
      socket.once("close", () => open.delete(socket) && other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the system gave no port");
  return {
    url: Object.assign(new URL(databaseUrl), { hostname: "127.0.0.1", port: String(address.port) }).href,
    statements,
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Cuts one client's bytes into messages: a type, a length that counts itself, and the rest. */
class FrontendReader {
  readonly #onStatement: (name: string) => void;
  #rest: Buffer = Buffer.alloc(0);
  #isStarted = false;
  #unnamed = "";
  #bound = "";

  constructor(onStatement: (name: string) => void) {
    this.#onStatement = onStatement;
  }

  read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const head = this.#isStarted ? 1 : 0; // the first message of all has no type
      if (this.#rest.length < head + 4) return;
      const end = head + this.#rest.readInt32BE(head);
      if (this.#rest.length < end) return;
      if (this.#isStarted)
        this.#message(String.fromCharCode(this.#rest[0] ?? 0), this.#rest.subarray(5, end));
      this.#isStarted = true;
      this.#rest = this.#rest.subarray(end);
    }
  }

  #message(type: string, body: Buffer): void {
    const [first = "", second = ""] = body.toString("latin1").split("\0", 2);
    if (type === "Q") this.#onStatement(firstWords(first));
    if (type === "P" && first === "") this.#unnamed = firstWords(second); // Parse: name, text
    if (type === "B") this.#bound = second || this.#unnamed; // Bind: portal, statement
    if (type === "E") this.#onStatement(this.#bound);
  }
}

function firstWords(text: string): string {
  return text.trim().split(/\s+/, 3).join(" ").toLowerCase();
}
