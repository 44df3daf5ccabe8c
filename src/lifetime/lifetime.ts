/** Owns what was opened and closes it in reverse order; one failure does not keep the rest open. */
export class Lifetime {
  readonly #closers: (() => Promise<void> | void)[] = [];

  own<T>(thing: T, close: (thing: T) => Promise<void> | void): T {
    this.#closers.push(() => close(thing));
    return thing;
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "some things did not close");
  }
}
