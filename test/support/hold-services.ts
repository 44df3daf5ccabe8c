import { once } from "node:events";
import process from "node:process";
import { type ServiceName, serviceUrl } from "./environment.ts";
import { startServices } from "./services.ts";

// `npx tsx test/support/hold-services.ts postgres redis` keeps servers for a terminal until it is interrupted.
const names = process.argv.slice(2) as ServiceName[];
const services = await startServices(names, (line) => console.error(line));
console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name, serviceUrl(name)]))));
const staying = setInterval(() => undefined, 60_000);
await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
clearInterval(staying);
await services.stop();
