/** One call of a script: all of it is text or numbers, because it goes to another thread. */
export type ScriptCall = {
  /** `export default async (args, ctx) => value`, or the function alone. */
  script: string;
  /** Reads the script without running any of it. */
  onlyCompile?: boolean;
  /** Both as JSON. */
  args: string;
  context: string;
  milliseconds: number;
  memoryBytes: number;
  /** Where a result is cut. */
  maxCharacters: number;
};

/** `text` is a text as it stands, anything else as JSON. A failure is the script's, never ours. */
export type ScriptAnswer = {
  kind: "value" | "error" | "too_late";
  text: string;
  isCut: boolean;
  /** What it wrote to `console`. */
  lines: string[];
};
