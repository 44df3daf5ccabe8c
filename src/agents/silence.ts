import { EventCheck } from "./event-check.ts";

/** A clock that aborts when nothing has been heard for so long. */
export class Silence {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #seconds: number;
  readonly #onEnd: () => void;

  /** `onEnd` hears, possibly more than once, that nothing more is waited for. */
  constructor(seconds: number, onEnd: () => void) {
    this.#seconds = seconds;
    this.#onEnd = onEnd;
    this.#timer = setTimeout(() => this.#controller.abort(), seconds * 1000).unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#onEnd();
  }

  /**
   * What went wrong, in words. The word "timeout" is avoided: the OpenAI client looks for it in
   * messages and would replace the error by one of its own.
   */
  explain(error: unknown): string {
    if (this.#controller.signal.aborted) return `was silent for ${this.#seconds} s`;
    if (error instanceof EndedEarly) return "ended its answer too early";
    if (error instanceof Garbled) return "sent an event that is no JSON";
    const code = codeOf(error);
    return code === undefined ? "cut the connection" : `could not be reached (${code})`;
  }
}

export type Watch = {
  silence: Silence;
  /** What a stream that is complete has near its end; one that ends without was cut short. */
  endMark: string | undefined;
  /** What the reader gets for an error of the connection. */
  fail(error: unknown): unknown;
};

/** Enough for the last event of a stream. */
const TAIL_BYTES = 512;

/** The response with a body that is watched while it is read. */
export function watched(response: Response, { silence, endMark, fail }: Watch): Response {
  if (response.body === null) {
    silence.end();
    return response;
  }
  const reader = response.body.getReader();
  let tail = Buffer.alloc(0);
  const events = endMark === undefined ? undefined : new EventCheck();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        silence.heard();
        if (!done) {
          if (events?.isSound(value) === false) throw new Garbled();
          tail = Buffer.concat([tail, value]).subarray(-TAIL_BYTES);
          return controller.enqueue(value);
        }
        if (endMark !== undefined && !tail.includes(endMark)) controller.error(fail(new EndedEarly()));
        else controller.close();
        silence.end();
      } catch (error) {
        controller.error(fail(error)); // before the end: whoever counts hears how it ended
        silence.end();
        reader.cancel().catch(() => undefined);
      }
    },
    async cancel(reason) {
      silence.end();
      await reader.cancel(reason);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

class EndedEarly extends Error {}
class Garbled extends Error {}

/** `ECONNREFUSED` and the like stand on the error, on its cause, or on one of several causes. */
function codeOf(error: unknown): string | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && typeof each.code === "string" && !/timeout/i.test(each.code)) return each.code;
  }
  return undefined;
}
