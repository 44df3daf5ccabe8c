import { h, pretty } from "./dom.ts";
import type { Frame } from "./types.ts";

/** What a job does, as it does it: an entry for each message, tool call, question and end. */
export class Timeline {
  readonly element = h("ol", { class: "timeline", "aria-label": "What the job does" });
  readonly #messages = new Map<string, HTMLElement>();
  readonly #calls = new Map<string, HTMLElement>();
  readonly #seen = new Set<string>();

  take({ event_type: type, data }: Frame): void {
    const { node: own, within } = data;
    const node = [...(Array.isArray(within) ? within : []), own ?? ""].join(" › ");
    if (type === "on_llm_stream") this.#token(String(data["message_id"] ?? node), node, data);
    else if (type === "on_tool_start") this.#toolStart(data);
    else if (type === "on_tool_end") this.#toolEnd(data);
    else if (type === "on_state_update") this.#nodeDone(node);
    else if (type === "on_restart") this.#restart(Number(data["attempt"]), node);
    else if (type === "on_interrupt") this.#add("It asks, and waits for a decision.", "live");
    else if (type === "gap") this.#add("Some of what happened is not shown here.");
    else if (type === "error") this.#add(`${data["code"]}: ${data["message"]}`, "broken");
    else if (type === "end") this.#end(String(data["status"]));
  }

  #token(id: string, node: string, data: Frame["data"]): void {
    const known = this.#messages.get(id);
    const text = known ?? h("pre", {});
    if (known === undefined) {
      this.#messages.set(id, text);
      this.element.append(h("li", { class: "live" }, h("strong", {}, node || "model"), " says", text));
    }
    // After a gap the sum is right where the tokens alone are not.
    const whole = data["cumulative_text"];
    text.textContent =
      typeof whole === "string" ? whole : (text.textContent ?? "") + String(data["token"] ?? "");
  }

  #toolStart(data: Frame["data"]): void {
    const output = h("div", { class: "quiet" }, "at work…");
    const entry = h(
      "li",
      { class: "live" },
      h("strong", {}, String(data["tool_name"])),
      " is called",
      h("pre", {}, pretty(data["tool_input"])),
      output,
    );
    this.#calls.set(String(data["call_id"]), output);
    this.element.append(entry);
  }

  #toolEnd(data: Frame["data"]): void {
    const output = this.#calls.get(String(data["call_id"]));
    output?.closest("li")?.setAttribute("class", data["failed"] ? "broken" : "");
    output?.replaceChildren(h("pre", {}, pretty(data["tool_output"])));
  }

  #nodeDone(node: string): void {
    for (const entry of this.element.querySelectorAll("li.live")) {
      if (entry.querySelector("strong")?.textContent === node) entry.setAttribute("class", "");
    }
  }

  #restart(attempt: number, node: string): void {
    const key = `${attempt} ${node}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#messages.clear(); // what was not finished is said again
    this.#add(`Attempt ${attempt} goes on${node ? ` at ${node}` : ""}.`);
  }

  #end(status: string): void {
    for (const entry of this.element.querySelectorAll("li.live")) entry.setAttribute("class", "");
    this.#add(`The run has ended: ${status}.`, status === "failed" ? "broken" : "");
  }

  #add(text: string, kind = ""): void {
    this.element.append(h("li", { class: kind }, text));
  }
}
