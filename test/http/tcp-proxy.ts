import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** `cut` is a server that is gone; `silent` a network that swallows every packet and tells nobody. */
export type Weather = "fair" | "cut" | "silent";

/** Stands between a client and a server, so that a test can take the server away and bring it back. */
export class TcpProxy {
  readonly port: number;
  readonly #sockets = new Set<Socket>();
  #weather: Weather = "fair";
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async open(to: { host: string; port: number }): Promise<TcpProxy> {
    const server = createServer((client) => proxy.#join(client, to));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const proxy = new TcpProxy(address.port, async () => {
      server.close();
      await once(server, "close");
    });
    return proxy;
  }

  become(weather: Weather): void {
    this.#weather = weather;
    if (weather === "cut") this.#destroyAll();
  }

  async close(): Promise<void> {
    this.#destroyAll();
    await this.#close();
  }

  #join(client: Socket, to: { host: string; port: number }): void {
    if (this.#weather === "cut") {
      client.resetAndDestroy();
      return;
    }
    const server = connect(to);
    this.#pass(client, server);
    this.#pass(server, client);
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => undefined);
    from.on("data", (chunk: Buffer) => {
      if (this.#weather === "fair") to.write(chunk);
    });
    // In silence not even the end of a connection is heard of.
    from.on("close", () => {
      this.#sockets.delete(from);
      if (this.#weather !== "silent") to.destroy();
    });
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
