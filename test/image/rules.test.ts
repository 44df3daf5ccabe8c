import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import packageFile from "../../package.json" with { type: "json" };
import { parseDockerfile, passes } from "./dockerfile.ts";
import { dockerfileProblems } from "./rules.ts";

const read = (path: string) => readFileSync(resolve(import.meta.dirname, "../..", path), "utf8");
const dockerfile = read("Dockerfile");
const ignore = read(".dockerignore");

describe("the Dockerfile", () => {
  it("keeps to the rules", () => {
    expect(dockerfileProblems(parseDockerfile(dockerfile), ignore)).toEqual([]);
  });

  it("builds with the oldest Node that the image may have, and labels this version", () => {
    const { args, stages } = parseDockerfile(dockerfile);

    expect(args["BUILD_IMAGE"]).toMatch(/^node:24\.\d+\.\d+-/);
    expect(args["RUNTIME_IMAGE"]).toContain("nodejs24");
    const version = stages
      .at(-1)
      ?.instructions.find(({ name, args }) => name === "ARG" && /^VERSION=/.test(`${args}`));
    expect(version?.args).toEqual([`VERSION=${packageFile.version}`]);
  });

  it.each<[string, string | RegExp, string, RegExp]>([
    ["a base without a tag", ":nonroot\n\n", "\n\n", /not pinned/],
    ["the tag latest", ":nonroot\n\n", ":latest\n\n", /not pinned/],
    ["a base of any minor version", /node:24\.[\d.]+-bookworm-slim/, "node:24", /major version only/],
    ["a base with a shell", /gcr.io\S+:nonroot\n\n/, "node:24.1.0-slim\n\n", /without a shell/],
    ["a command for the shell", /CMD \[.*\]/, "CMD node dist/main.js", /SIGTERM/],
    ["npm at run time", /ENTRYPOINT \[.*\]/, 'ENTRYPOINT ["npm", "start"]', /no npm/],
    ["root", /USER 65532:65532\nEXPOSE/, "USER 0\nEXPOSE", /not root/],
    ["a user by name", /USER 65532:65532\nEXPOSE/, "USER nonroot\nEXPOSE", /number/],
    ["ADD", "COPY src", "ADD src", /use COPY/],
    ["development's NODE_ENV", "NODE_ENV=production", "NODE_ENV=development", /NODE_ENV/],
    ["npm install", "npm ci", "npm install", /lockfile/],
    ["packages that run code", " --ignore-scripts", "", /run code/],
    ["a file that is not there", "COPY LICENSE", "COPY LICENCE", /no such file/],
    ["a file that is kept out", "COPY LICENSE", "COPY README.md", /keeps it out/],
    ["a folder that nothing makes", "/app/dist ", "/app/build ", /nothing there makes/],
    ["files that the service may write", "--chown=0:0", "--chown=65532:65532", /intruder/],
    ["a folder that the service may write to", "USER 0:0\n", "", /WORKDIR must find root/],
    ["a strict umask's files as they are", "LICENSE dist scripts", "dist scripts", /LICENSE: unreadable/],
    ["a script past the build", "--from=build /app/scripts", "scripts", /prime-cache.ts: unreadable/],
    ["a secret in the layers", "NODE_ENV=production", "NODE_ENV=production OPENAI_API_KEY=x", /layers/],
    ["no licence label", "image.licenses", "image.x", /label licenses/],
  ])("would be refused with %s", (_what, from, to, problem) => {
    const broken = dockerfile.replace(from, to);

    expect(broken).not.toBe(dockerfile);
    expect(dockerfileProblems(parseDockerfile(broken), ignore).join("\n")).toMatch(problem);
  });
});

describe(".dockerignore", () => {
  it("lets in what the build reads and no more", () => {
    for (const path of ["package.json", ".npmrc", "src/main.ts", "scripts/build.ts"]) {
      expect(passes(ignore, path), path).toBe(true);
    }
    expect(passes(ignore, "scripts/check-rooms.ts")).toBe(false);
  });

  it("would be refused without a script that the build imports", () => {
    const broken = ignore.replace("!scripts/lib/bundle.ts\n", "");

    const problems = dockerfileProblems(parseDockerfile(dockerfile), broken);

    expect(problems).toEqual([expect.stringContaining("keeps scripts/lib/bundle.ts out")]);
  });

  it.each([
    ["everything, by a missing star", ignore.replace("\n*\n", "\n"), /lets .git\/config in/],
    ["the tests", `${ignore}\n!test`, /lets test/],
    ["environment files", ignore.replace("**/.env*", ""), /lets src\/.env in/],
  ])("would be refused if it let in %s", (_what, broken, problem) => {
    expect(dockerfileProblems(parseDockerfile(dockerfile), broken).join("\n")).toMatch(problem);
  });
});
