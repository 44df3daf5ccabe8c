import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { copies, type Dockerfile, type Instruction, lineage, passes, type Stage } from "./dockerfile.ts";

const root = resolve(import.meta.dirname, "../..");
const check = (holds: boolean, problem: string): string[] => (holds ? [] : [problem]);

/** What must never get into an image, by examples. */
const SECRET_OR_IDLE = [
  ".env",
  ".env.production",
  ".git/config",
  "src/.env",
  "src/tls.key",
  "src/ca.pem",
  "node_modules/pg/package.json",
  "test/config/values.test.ts",
  "bench/main.ts",
  ".data/postmaster.pid",
  "knative/base/20-service.yaml",
];

export function dockerfileProblems(dockerfile: Dockerfile, ignore: string): string[] {
  const { stages } = dockerfile;
  const names = new Set(stages.map(({ name }) => name));
  const final = lineage(dockerfile);
  const instructions = final.flatMap((stage) => stage.instructions);
  return [
    ...check(stages.length > 1, "what builds must not be in the image: more than one stage"),
    ...stages.flatMap(({ base }) => (names.has(base) ? [] : baseProblems(base))),
    ...check(/distroless/.test(final[0]?.base ?? ""), "the image needs a base without a shell"),
    ...stages.flatMap((stage) => stage.instructions.flatMap((each) => instructionProblems(each))),
    ...stages.flatMap((stage) => copyProblems(stage, dockerfile, ignore)),
    ...imageProblems(instructions),
    ...folderProblems(instructions),
    ...modeProblems(stages),
    ...importsOf("scripts/build.ts")
      .filter((path) => !passes(ignore, path))
      .map((path) => `.dockerignore keeps ${path} out, and the build imports it`),
    ...SECRET_OR_IDLE.filter((path) => passes(ignore, path)).map((path) => `.dockerignore lets ${path} in`),
  ];
}

/** A script, and what it imports of ours, followed down. */
function importsOf(path: string): string[] {
  const text = readFileSync(resolve(root, path), "utf8");
  const found = [...text.matchAll(/from "(\.[^"]+)"/g)].map((match) => join(path, "..", match[1] ?? ""));
  return [path, ...found.flatMap(importsOf)];
}

function baseProblems(base: string): string[] {
  const tag = /[:@]([^/]+)$/.exec(base)?.[1];
  return [
    ...check(tag !== undefined && tag !== "latest", `the base ${base} is not pinned`),
    ...check(!/^\d+$/.test(tag ?? ""), `the base ${base} is pinned to a major version only`),
  ];
}

function instructionProblems({ name, args, exec }: Instruction): string[] {
  const text = args.join(" ");
  return [
    ...check(name !== "ADD", "ADD fetches and unpacks: use COPY"),
    ...check(
      !["CMD", "ENTRYPOINT"].includes(name) || exec,
      `${name} through a shell would keep SIGTERM to itself`,
    ),
    ...check(
      name !== "ENV" || !/(TOKEN|PASSWORD|SECRET|API_KEY)/.test(text),
      "a secret in ENV stays in the layers",
    ),
    ...check(!/\bsudo\b|curl .*\| *(ba)?sh/.test(text), `${name} ${text}: nothing from the net is run`),
    ...check(!/\bnpm (i|install)\b/.test(text), "npm ci keeps to the lockfile, npm install does not"),
    ...check(
      !/\bnpm ci\b/.test(text) || /--ignore-scripts/.test(text),
      "packages must not run code at npm ci",
    ),
  ];
}

/** Each source must be in the repository and let through, or made by the stage it comes from. */
function copyProblems(stage: Stage, dockerfile: Dockerfile, ignore: string): string[] {
  return copies(stage).flatMap(({ from, sources }) =>
    sources.flatMap((source) => {
      if (from === undefined) {
        return [
          ...check(existsSync(resolve(root, source)), `COPY ${source}: there is no such file`),
          // A folder may be let through in parts.
          ...check(ignore.includes(`!${source}`), `COPY ${source}: .dockerignore keeps it out`),
        ];
      }
      const origin = dockerfile.stages.find(({ name }) => name === from);
      const file = source.split("/").at(-1) ?? "";
      const path = source.replace(/^\/app\//, "");
      const isBrought = (it: string) => path === it || path.startsWith(`${it}/`);
      const brought = origin && copies(origin).some((copy) => copy.sources.some(isBrought));
      const isMade = origin?.instructions.some(({ name, args }) => {
        const text = args.join(" ");
        if (file === "dist") return text === "npm run build";
        return (
          (name === "RUN" && text.endsWith(`> ${file}`)) || (name === "ENV" && text.endsWith(`=${source}`))
        );
      });
      return check(!!brought || !!isMade, `COPY --from=${from} ${source}: nothing there makes it`);
    }),
  );
}

/** WORKDIR makes its folder for the user it finds. */
function folderProblems(instructions: readonly Instruction[]): string[] {
  const folder = instructions.findIndex(({ name }) => name === "WORKDIR");
  const user = instructions.slice(0, folder).findLast(({ name }) => name === "USER");
  return check(user?.args[0] === "0:0", "WORKDIR must find root, or the folder is the service's to write to");
}

/** COPY keeps the modes it finds: what comes from the checkout must have been made readable before. */
function modeProblems([build, ...others]: readonly Stage[]): string[] {
  const runs = build?.instructions.map(({ args }) => args.join(" ")) ?? [];
  const readable = runs.flatMap((run) => (/^chmod -R go=rX (.*)/.exec(run)?.[1] ?? "").split(" "));
  const made = runs.flatMap((run) => / > (\S+)$/.exec(run)?.[1] ?? []);
  const wellKept = new Set([...readable, ...made].map((path) => `/app/${path}`));
  return others
    .flatMap((stage) => copies(stage))
    .filter(({ from }) => from === undefined || from === build?.name)
    .flatMap(({ sources }) => sources.filter((source) => !wellKept.has(source)))
    .map((source) => `COPY ${source}: unreadable to the service if umask 077 made the checkout`);
}

function imageProblems(instructions: readonly Instruction[]): string[] {
  const last = (name: string) => instructions.findLast((each) => each.name === name)?.args.join(" ") ?? "";
  const env = instructions.filter(({ name }) => name === "ENV").flatMap(({ args }) => args);
  const labels = instructions
    .filter(({ name }) => name === "LABEL")
    .flatMap(({ args }) => args)
    .join(" ");
  const runs = instructions.some(({ name }) => name === "RUN");
  const chowned = instructions.some(
    ({ name, flags }) => name === "COPY" && (flags["chown"] ?? "0:0") !== "0:0",
  );
  return [
    ...check(/^[1-9]\d*(:[1-9]\d*)?$/.test(last("USER")), "USER must be a number that is not root's"),
    ...check(env.includes("NODE_ENV=production"), "NODE_ENV must be production"),
    ...check(
      env.some((it) => it.startsWith("NODE_COMPILE_CACHE=/app/")),
      "the compile cache must be in the image",
    ),
    ...check(last("EXPOSE") === "8080", "EXPOSE 8080"),
    ...check(/node$/.test(last("ENTRYPOINT")), "the process must be node itself: no npm, no shell"),
    ...check(last("CMD") === "dist/main.js", "CMD must be the service"),
    ...check(!runs, "the last stage has no shell to RUN in"),
    ...check(!chowned, "what the service may write, an intruder may: leave the files root's"),
    ...["title", "description", "licenses", "version", "revision"].flatMap((name) =>
      check(labels.includes(`org.opencontainers.image.${name}=`), `the label ${name} is missing`),
    ),
  ];
}
