const QUOTE = 0x22;
const COMMA = 0x2c;
const DOT = 0x2e;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Looks at the text because walking the parsed value would need the very recursion this is to prevent. */
export function isDeeperThan(text: string, maxDepth: number): boolean {
  if (text.length <= maxDepth) return false;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > maxDepth) return true;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
  return false;
}

/**
 * Key of a member other than `data`, in an object at this level of nesting, whose number is written with a
 * fraction or an exponent. JSON.parse turns 1.0 and 1e2 into integers, which CloudEvents does not take as
 * attributes; only the text still tells. The text must be one that JSON.parse has taken.
 */
export function findUnplainNumber(text: string, level: number): string | undefined {
  let depth = 0;
  let key = "";
  let isKeyNext = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      if (isKeyNext) key = String(JSON.parse(text.slice(i, end + 1)));
      i = end;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
    else if (depth === level && key !== "data" && isUnplain(text, i)) return key;
    if (code === COLON) isKeyNext = false;
    else if (code === COMMA || code === OPEN_BRACE) isKeyNext = depth === level;
  }
  return undefined;
}

/** A dot outside of a string stands in a number, an `e` after a digit is an exponent and not part of `true`. */
function isUnplain(text: string, index: number): boolean {
  if (text.charCodeAt(index) === DOT) return true;
  return /[0-9][eE]/.test(text.slice(Math.max(0, index - 1), index + 1));
}

/** Index of the quote that closes the string opened at `open`, or the end of an unfinished text. */
function endOfString(text: string, open: number): number {
  let end = open;
  do {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
  } while (isEscaped(text, end));
  return end;
}

function isEscaped(text: string, index: number): boolean {
  let before = index - 1;
  while (text.charCodeAt(before) === BACKSLASH) before--;
  return (index - before) % 2 === 0;
}
