type Token = { kind: "number"; value: number } | { kind: "name" | "sign"; text: string };
type Answer = number | { problem: string };

class Problem extends Error {}

const MAX_DEPTH = 64;
const CONSTANTS: Readonly<Record<string, number>> = { pi: Math.PI, e: Math.E };
const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  ...{ sqrt: Math.sqrt, cbrt: Math.cbrt, abs: Math.abs, sign: Math.sign, exp: Math.exp },
  ...{ round: Math.round, floor: Math.floor, ceil: Math.ceil, trunc: Math.trunc },
  ...{ ln: Math.log, log: Math.log, log2: Math.log2, log10: Math.log10 },
  ...{ sin: Math.sin, cos: Math.cos, tan: Math.tan, asin: Math.asin, acos: Math.acos, atan: Math.atan },
  ...{ min: Math.min, max: Math.max, pow: Math.pow, hypot: Math.hypot, atan2: Math.atan2 },
};

/** The value of an arithmetic expression, or what is wrong with it. Nothing of it is ever run as code. */
export function calculate(expression: string): Answer {
  try {
    const parser = new Parser(tokensOf(expression));
    const value = parser.all();
    if (Number.isFinite(value)) return value;
    return { problem: Number.isNaN(value) ? "the result is no number" : "the result is too large" };
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    throw error;
  }
}

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+)|([a-z]\w*)|(\*\*|[-+*/%^(),]))/iy;

function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  const text = expression.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const [, number, name, sign] = TOKEN.exec(text) ?? [];
    if (number !== undefined) tokens.push({ kind: "number", value: Number(number) });
    else if (name !== undefined) tokens.push({ kind: "name", text: name.toLowerCase() });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign === "**" ? "^" : sign });
    else throw new Problem(`cannot read ${JSON.stringify(text.slice(at, at + 20))}`);
  }
  return tokens;
}

/** Sum, product, sign, power, value: each level asks the next, and powers bind to the right. */
class Parser {
  readonly #tokens: Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  all(): number {
    const value = this.#sum();
    if (this.#at < this.#tokens.length) throw new Problem("something is left over behind the expression");
    return value;
  }

  #sum(): number {
    if (++this.#depth > MAX_DEPTH) throw new Problem("nested too deeply");
    let value = this.#product();
    for (let sign = this.#take("+", "-"); sign; sign = this.#take("+", "-")) {
      const next = this.#product();
      value = sign === "+" ? value + next : value - next;
    }
    this.#depth--;
    return value;
  }

  #product(): number {
    let value = this.#signed();
    for (let sign = this.#take("*", "/", "%"); sign; sign = this.#take("*", "/", "%")) {
      const next = this.#signed();
      if (sign !== "*" && next === 0) throw new Problem("division by zero");
      value = sign === "*" ? value * next : sign === "/" ? value / next : value % next;
    }
    return value;
  }

  #signed(): number {
    let factor = 1;
    for (let sign = this.#take("+", "-"); sign; sign = this.#take("+", "-"))
      if (sign === "-") factor = -factor;
    const base = this.#value();
    if (this.#take("^") === undefined) return factor * base;
    if (++this.#depth > MAX_DEPTH) throw new Problem("nested too deeply");
    const value = factor * base ** this.#signed();
    this.#depth--;
    return value;
  }

  #value(): number {
    const token = this.#tokens[this.#at++];
    if (token?.kind === "number") return token.value;
    if (token?.kind === "name") return this.#named(token.text);
    if (token?.text !== "(")
      throw new Problem(token ? `"${token.text}" is out of place` : "it ends too early");
    const value = this.#sum();
    this.#close();
    return value;
  }

  #named(name: string): number {
    if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name] ?? 0;
    const call = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (call === undefined) {
      throw new Problem(
        `there is no ${name}; there are ${Object.keys({ ...CONSTANTS, ...FUNCTIONS }).join(", ")}`,
      );
    }
    if (this.#take("(") === undefined) throw new Problem(`${name} needs parentheses`);
    const values = [this.#sum()];
    while (this.#take(",")) values.push(this.#sum());
    this.#close();
    return call(...values);
  }

  #take(...signs: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "sign" || !signs.includes(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  #close(): void {
    if (this.#take(")") === undefined) throw new Problem('a ")" is missing');
  }
}
