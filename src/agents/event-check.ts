/** A longer event is none of a model. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024;

/** Reads along with an event stream: the clients throw a bare SyntaxError for an event that is no JSON. */
export class EventCheck {
  readonly #decoder = new TextDecoder();
  #line = "";
  #data: string[] = [];

  /** Whether all events that ended so far hold JSON, or the mark of the end. */
  isSound(bytes: Uint8Array): boolean {
    const lines = (this.#line + this.#decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    this.#line = lines.pop() ?? "";
    return lines.every((line) => this.#take(line)) && this.#line.length < MAX_EVENT_CHARS;
  }

  #take(line: string): boolean {
    if (line.startsWith("data:")) this.#data.push(line.slice(5));
    if (line !== "" || this.#data.length === 0) return true;
    const data = this.#data.join("\n").trim();
    this.#data = [];
    return data === "" || data === "[DONE]" || isJson(data);
  }
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
