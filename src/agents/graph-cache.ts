export type GraphCacheOptions = { maxBytes: number; maxEntries: number };

type Entry<T> = { value: Promise<T>; bytes: number };

/**
 * Keeps what was made last, within a budget of estimated bytes. Makers of one key share one making;
 * a failure is forgotten, so that the next one tries again.
 */
export class GraphCache<T> {
  readonly #entries = new Map<string, Entry<T>>(); // in order of use: the first is the oldest
  readonly #options: GraphCacheOptions;
  #bytes = 0;

  constructor(options: GraphCacheOptions) {
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What `make` made for this key; it also says how many bytes that holds on to. */
  async get(key: string, make: () => Promise<{ value: T; bytes: number }>): Promise<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return await known.value;
    }
    const entry: Entry<T> = {
      bytes: 0,
      value: make().then(
        ({ value, bytes }) => {
          // It may have been dropped meanwhile, and even made anew: then it is not ours to count.
          if (this.#entries.get(key) === entry) this.#account(entry, bytes);
          return value;
        },
        (error: unknown) => {
          if (this.#entries.get(key) === entry) this.#entries.delete(key);
          throw error;
        },
      ),
    };
    this.#entries.set(key, entry);
    return await entry.value;
  }

  #account(entry: Entry<T>, bytes: number): void {
    entry.bytes = bytes;
    this.#bytes += bytes;
    for (const [key, { bytes: freed }] of this.#entries) {
      if (this.#bytes <= this.#options.maxBytes && this.#entries.size <= this.#options.maxEntries) return;
      this.#entries.delete(key);
      this.#bytes -= freed;
    }
  }
}
