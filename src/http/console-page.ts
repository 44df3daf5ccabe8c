import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { AgentError } from "../errors/agent-error.ts";

export type Page = { html: string; policy: string };

/** Beside the chunks of the bundle; from the sources, what the last build made of it. */
const PLACES = ["../console/page.html", "../../dist/console/page.html"];
let page: Promise<Page> | undefined;

export function readPage(): Promise<Page> {
  page ??= load().catch((error: unknown) => {
    page = undefined;
    throw error;
  });
  return page;
}

async function load(): Promise<Page> {
  for (const place of PLACES) {
    const html = await readFile(new URL(place, import.meta.url), "utf8").catch(() => "");
    // The sources hold a page of this name too, which has no script in it yet.
    if (html !== "" && !html.includes("/* script */")) return { html, policy: policyOf(html) };
  }
  throw new AgentError("not_found", "the page is not built: npm run build makes it");
}

/** Only what stands in the page runs and is shown, and it talks to nobody but us. */
function policyOf(html: string): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const inside = (tag: string) =>
    [...html.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, "g"))].map(([, text = ""]) =>
      hash(text),
    );
  return [
    "default-src 'none'",
    `script-src ${inside("script").join(" ")}`,
    `style-src ${inside("style").join(" ")}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}
