import process from "node:process";
import { bundle } from "./lib/bundle.ts";

// `--crash-points folder`: an edition for the tests that kill, in a place of its own.
const [flag, folder = ""] = process.argv.slice(2);
await bundle(flag === "--crash-points" ? { folder, crashPoints: true } : { folder: "dist" });
