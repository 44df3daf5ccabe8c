/** One instruction; `flags` are its `--name=value`, `args` the words after them, or the JSON list. */
export type Instruction = {
  name: string;
  flags: Readonly<Record<string, string>>;
  args: readonly string[];
  /** Whether the arguments were a JSON list: no shell reads them. */
  exec: boolean;
};
export type Stage = { name: string; base: string; instructions: Instruction[] };
export type Dockerfile = { stages: Stage[]; args: Readonly<Record<string, string>> };

/** As far as we use the language: no here-documents, no escape directive. */
export function parseDockerfile(text: string): Dockerfile {
  const instructions = text
    .replace(/^\s*#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(parseInstruction);
  const args: Record<string, string> = {};
  const stages: Stage[] = [];
  for (const instruction of instructions) {
    const [first = "", as, name] = instruction.args;
    if (instruction.name === "FROM") {
      const base = first.replace(/\$\{(\w+)\}/g, (_whole, arg: string) => args[arg] ?? "");
      stages.push({
        name: as?.toUpperCase() === "AS" && name ? name : `${stages.length}`,
        base,
        instructions: [],
      });
    } else if (stages.length === 0) {
      const [key = "", value = ""] = first.split(/=(.*)/s);
      args[key] = value;
    } else stages.at(-1)?.instructions.push(instruction);
  }
  return { stages, args };
}

function parseInstruction(line: string): Instruction {
  const [, name = "", rest = ""] = /^\s*(\w+)\s*(.*)$/.exec(line) ?? [];
  const flags: Record<string, string> = {};
  const body = rest.replace(/^(--\w[\w-]*=\S+\s+)+/, (found) => {
    for (const [, key = "", value = ""] of found.matchAll(/--([\w-]+)=(\S+)/g)) flags[key] = value;
    return "";
  });
  const list = jsonList(body);
  return { name: name.toUpperCase(), flags, args: list ?? words(body), exec: list !== undefined };
}

function jsonList(body: string): string[] | undefined {
  if (!body.startsWith("[")) return undefined;
  return JSON.parse(body) as string[]; // a list in this place is one of texts, or Docker refuses it
}

const words = (body: string) =>
  [...body.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', ""));

/** The stage and those it is made from, the lowest first: what all of their COPY lines bring is in it. */
export function lineage({ stages }: Dockerfile, stage = stages.at(-1)): Stage[] {
  if (!stage) return [];
  const below = stages.find(({ name }) => name === stage.base);
  return [...(below ? lineage({ stages, args: {} }, below) : []), stage];
}

export type Copy = {
  from: string | undefined;
  sources: string[];
  target: string;
  flags: Instruction["flags"];
};

/** The COPY lines of a stage, with absolute targets. */
export function copies(stage: Stage, startAt = "/"): Copy[] {
  let folder = startAt;
  return stage.instructions.flatMap((instruction) => {
    const { name, args, flags } = instruction;
    if (name === "WORKDIR") folder = args[0] ?? folder;
    if (name !== "COPY") return [];
    const target = args.at(-1) ?? "";
    return [{ from: flags["from"], sources: args.slice(0, -1), target: absolute(folder, target), flags }];
  });
}

const absolute = (folder: string, path: string) =>
  path.startsWith("/") ? path : `${folder}/${path.replace(/^\.\/?/, "")}`;

/** What a .dockerignore lets through; the last line that fits a path decides. */
export function passes(ignore: string, path: string): boolean {
  let passed = true;
  for (const line of ignore.split("\n").map((each) => each.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const pattern = line.replace(/^!/, "");
    if (fits(pattern, path)) passed = line.startsWith("!");
  }
  return passed;
}

/** A pattern fits a path, and everything below it. */
function fits(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("**/", "\u0000")
    .replaceAll("*", "[^/]*")
    .replaceAll("\u0000", "(.*/)?");
  return new RegExp(`^${source}(/.*)?$`).test(path);
}
