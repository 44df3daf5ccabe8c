import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TokenFile } from "../../src/delivery/token-file.ts";

describe("a token that is kept in a file", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "token-"));
    path = join(folder, "token");
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const open = (mayBeAbsent = false) => new TokenFile(path, { mayBeAbsent });

  it("is what the file holds, without the newline at its end", async () => {
    writeFileSync(path, "abc.def.ghi\n");

    expect(await open().read()).toBe("abc.def.ghi");
  });

  it("is the new one as soon as the file is another, also of the same size in the same moment", async () => {
    const file = open();

    for (let n = 0; n < 20; n++) {
      writeFileSync(join(folder, "next"), `token-${String(n).padStart(2, "0")}`);
      renameSync(join(folder, "next"), path);
      expect(await file.read()).toBe(`token-${String(n).padStart(2, "0")}`);
    }
  });

  it("is found behind the links that Kubernetes swaps", async () => {
    for (const name of ["one", "two"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "token"), name);
    }
    symlinkSync("one", join(folder, "..data"));
    symlinkSync("..data/token", path);
    const file = open();
    const before = await file.read();

    symlinkSync("two", join(folder, "..next"));
    renameSync(join(folder, "..next"), join(folder, "..data"));

    expect([before, await file.read()]).toEqual(["one", "two"]);
  });

  it("is none when the file may be absent and is, and comes when the file does", async () => {
    const file = open(true);
    expect(await file.read()).toBeUndefined();

    writeFileSync(path, "late");

    expect(await file.read()).toBe("late");
  });

  it("that must be there and is not is an error that names the file", async () => {
    await expect(open().read()).rejects.toThrow(`there is no file ${path}`);
  });

  it.each(["", " \n", "two words", "line\nfeed", "ümlaut", "x".repeat(20_000)])(
    "is refused when it could not stand in a header: %j, and not repeated",
    async (text) => {
      writeFileSync(path, text);

      const error = await open()
        .read()
        .catch((thrown: Error) => thrown);

      expect(error).toMatchObject({ message: `${path} holds no bearer token` });
    },
  );
});
