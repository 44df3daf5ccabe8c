const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Colour = keyof typeof CODES;
export type Paint = (colour: Colour, text: string) => string;

/** Colours where a person looks, unless they said no (https://no-color.org). */
export function painter({
  isTerminal,
  env,
}: {
  isTerminal: boolean;
  env: Readonly<Record<string, string | undefined>>;
}): Paint {
  const isOn = isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  return (colour, text) => (isOn ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text);
}

const BY_STATUS: Readonly<Record<string, Colour>> = {
  completed: "green",
  failed: "red",
  cancelled: "yellow",
  waiting: "yellow",
  running: "cyan",
  queued: "dim",
};

export function colourOf(status: string): Colour {
  return BY_STATUS[status] ?? "bold";
}

/** What others wrote stays on its line and moves no cursor. */
export function tame(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}

/** The same for text of several lines. */
export function tameLines(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "");
}
