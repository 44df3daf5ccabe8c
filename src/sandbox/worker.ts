import { parentPort, workerData } from "node:worker_threads";
import { runScript } from "./quickjs.ts";
import type { ScriptCall } from "./script.ts";

// The thread of a sandbox: one call at a time comes in, one answer goes out.
const { module } = workerData as { module: WebAssembly.Module };
const port = parentPort;
port?.on("message", async (call: ScriptCall) => port.postMessage(await runScript(module, call)));
port?.postMessage("ready");
