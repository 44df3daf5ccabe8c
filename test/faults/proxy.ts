import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/**
 * - `pass`: as if it were not there.
 * - `cut`: every connection is reset, and new ones are too.
 * - `half-open`: takes everything, passes nothing on, answers nothing; what it swallowed is lost, and
 *   those connections stay dead after it, as behind a router that has forgotten them.
 * - `held`: passes nothing on for now, and all of it later: packets that were sent again.
 * - `delay`: every piece 2 s late.
 * - `trickle`: 1 byte/s.
 */
export type ProxyMode = "pass" | "cut" | "half-open" | "held" | "delay" | "trickle";

const DELAY_MS = 2000;
const TRICKLE_MS = 1000;

/** A TCP connection in the middle, which can be made as bad as a real one. */
export class TcpProxy {
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket));
  readonly #links = new Set<Link>();
  readonly #target: { host: string; port: number };
  #mode: ProxyMode = "pass";

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async to(target: { host: string; port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  set(mode: ProxyMode): void {
    this.#mode = mode;
    for (const link of this.#links) link.set(mode);
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #take(near: Socket): void {
    const far = connect(this.#target);
    const link = new Link(near, far, () => this.#links.delete(link));
    this.#links.add(link);
    link.set(this.#mode);
  }
}

/** Both directions of one connection. */
class Link {
  readonly #ends: readonly [near: Socket, far: Socket];
  readonly #lanes: readonly Lane[];
  #isDead = false;

  constructor(near: Socket, far: Socket, ended: () => void) {
    this.#ends = [near, far];
    this.#lanes = [new Lane(near, far), new Lane(far, near)];
    for (const socket of this.#ends) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined); // "close" comes next
      socket.on("close", () => near.destroyed && far.destroyed && ended());
    }
  }

  set(mode: ProxyMode): void {
    if (mode === "cut") for (const socket of this.#ends) socket.resetAndDestroy();
    this.#isDead ||= mode === "half-open";
    for (const lane of this.#lanes) lane.set(this.#isDead ? "half-open" : mode);
  }

  destroy(): void {
    for (const socket of this.#ends) socket.destroy();
  }
}

type Piece = Buffer | "end";

/** One direction. Pieces wait in line, so that they stay in order whatever the mode was. */
class Lane {
  readonly #to: Socket;
  readonly #line: { piece: Piece; at: number }[] = [];
  #mode: ProxyMode = "pass";
  #restUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket) {
    this.#to = to;
    from.on("data", (piece: Buffer) => this.#put(piece));
    for (const event of ["end", "close"]) from.once(event, () => this.#put("end"));
  }

  set(mode: ProxyMode): void {
    this.#mode = mode;
    if (mode === "half-open") this.#line.length = 0;
    this.#move();
  }

  #put(piece: Piece): void {
    if (this.#mode === "half-open") return;
    this.#line.push({ piece, at: performance.now() });
    this.#move();
  }

  #move(): void {
    clearTimeout(this.#timer);
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      if (this.#mode === "held" || this.#mode === "half-open") return;
      const dueAt =
        this.#mode === "delay" ? first.at + DELAY_MS : this.#mode === "trickle" ? this.#restUntil : 0;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#move(), waitMs);
        return;
      }
      this.#send(this.#next(first));
    }
  }

  #next(first: { piece: Piece }): Piece {
    const { piece } = first;
    if (this.#mode === "trickle" && piece !== "end" && piece.length > 1) {
      this.#restUntil = performance.now() + TRICKLE_MS;
      first.piece = piece.subarray(1);
      return piece.subarray(0, 1);
    }
    this.#line.shift();
    return piece;
  }

  #send(piece: Piece): void {
    if (this.#to.destroyed) return;
    if (piece === "end") this.#to.end();
    else this.#to.write(piece);
  }
}
