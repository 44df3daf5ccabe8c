import { existsSync } from "node:fs";
import process from "node:process";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser of the machine, if it has one: `apt-get install chromium`, or CHROMIUM names another. */
export const chromiumPath: string | undefined =
  process.env["CHROMIUM"] ?? PLACES.find((place) => existsSync(place));

export async function startChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("there is no Chromium on this machine");
  // As root, in a container, Chromium has no sandbox of its own; what it opens is ours.
  return await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });
}
