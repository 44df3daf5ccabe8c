import type { Frame } from "./follow.ts";
import { type Paint, tame, tameLines } from "./paint.ts";
import type { CliTools } from "./tools.ts";

const MOST_SHOWN = 400;

/** Prints frames as they come: tokens run on, everything else has its line. */
export function frameShower(
  { print, write }: CliTools,
  paint: Paint,
  asJson: boolean,
): (frame: Frame) => void {
  if (asJson) return (frame) => print(JSON.stringify(frame));
  let inText = false;
  return ({ event_type: type, data }) => {
    if (type === "on_llm_stream") {
      write(tameLines(String(data["token"] ?? "")));
      inText = true;
      return;
    }
    const line = lineOf(type, data, paint);
    if (line === undefined) return;
    if (inText) write("\n");
    inText = false;
    print(line);
  };
}

function lineOf(type: string, data: Record<string, unknown>, paint: Paint): string | undefined {
  switch (type) {
    case "on_tool_start":
      return `${paint("cyan", `→ ${tame(String(data["tool_name"]))}`)} ${short(data["tool_input"])}`;
    case "on_tool_end":
      return `${paint("cyan", `← ${tame(String(data["tool_name"]))}`)} ${short(data["tool_output"])}`;
    case "on_state_update":
      return paint("dim", `· ${tame(String(data["node"] ?? ""))}`);
    case "on_interrupt":
      return paint("yellow", "? the run waits for a person");
    case "on_restart":
      return paint("yellow", `↻ attempt ${data["attempt"]}: taken up again`);
    case "gap":
      return paint("yellow", "… frames before this are not kept any more");
    case "error":
      return paint("red", `✗ ${tame(`${data["code"]}: ${data["message"]}`)}`);
    default:
      return undefined; // `end`: the result is shown from the job
  }
}

function short(value: unknown): string {
  const text = tame(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}… (${text.length - MOST_SHOWN} more)` : text;
}
