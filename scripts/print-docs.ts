import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { documents } from "./lib/documents.ts";

// print-docs [--check] [folder]: prints the documents that come from the code, or says which of them differ.
const args = process.argv.slice(2);
const check = args.includes("--check");
const root = resolve(args.find((arg) => !arg.startsWith("--")) ?? join(import.meta.dirname, ".."));

const differing = documents.filter(({ path, render }) => {
  const file = join(root, path);
  const current = existsSync(file) ? readFileSync(file, "utf8") : "";
  const printed = render(current);
  if (printed === current) return false;
  if (!check) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, printed);
  }
  return true;
});

const paths = differing.map(({ path }) => path).join(", ");
if (check && differing.length > 0) {
  console.error(`docs: ${paths}: not what the code says; run \`npm run docs\``);
  process.exit(1);
}
console.log(`docs: ${documents.length} documents, ${paths === "" ? "all as printed" : `printed ${paths}`}`);
