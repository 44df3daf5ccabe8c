/** Says that a place is free again; more than once does no harm. */
export type Leave = () => void;

/** Lets so many in at once, by the name of what they come for. */
export type Gate = {
  /** Waits for a place. Rejects with the signal's reason when it is aborted first. */
  enter(name: string, signal?: AbortSignal): Promise<Leave>;
};

type Waiter = { letIn(): void };
type Room = { inside: number; readonly waiting: Set<Waiter> };

/** The cap of one process: first come, first in. */
export class LocalGate implements Gate {
  readonly #most: number;
  readonly #rooms = new Map<string, Room>();

  constructor(most: number) {
    this.#most = most;
  }

  async enter(name: string, signal?: AbortSignal): Promise<Leave> {
    signal?.throwIfAborted();
    const room = this.#rooms.get(name) ?? { inside: 0, waiting: new Set() };
    this.#rooms.set(name, room);
    if (room.inside < this.#most) room.inside++;
    else await queueIn(room.waiting, signal);
    return once(() => this.#leave(name, room));
  }

  /** Whoever waits gets the place as it is: it never counts as free in between. */
  #leave(name: string, room: Room): void {
    const [next] = room.waiting;
    if (next !== undefined) {
      room.waiting.delete(next);
      next.letIn();
      return;
    }
    room.inside--;
    if (room.inside === 0) this.#rooms.delete(name);
  }
}

function queueIn(waiting: Set<Waiter>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((letIn, giveUp) => {
    const waiter = {
      letIn: () => {
        signal?.removeEventListener("abort", leaveQueue);
        letIn();
      },
    };
    const leaveQueue = () => {
      if (waiting.delete(waiter)) giveUp(signal?.reason);
    };
    signal?.addEventListener("abort", leaveQueue, { once: true });
    waiting.add(waiter);
  });
}

export function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
