import { appendFileSync } from "node:fs";
import process from "node:process";

/**
 * Loaded before the service by `--import`: kills the process at the place that the environment names.
 * `CRASH_AT` is the name of a place, `CRASH_JOB` the beginning of a job's id; each may be left out.
 */
const at = process.env["CRASH_AT"];
const job = process.env["CRASH_JOB"];
const notes = process.env["CRASH_NOTES"];
delete process.env["CRASH_AT"];
delete process.env["CRASH_JOB"];
delete process.env["CRASH_NOTES"];

globalThis.__CRASH_POINTS__ = (name, about) => {
  const isPlace = at !== undefined && name === at;
  const isJob = job !== undefined && about?.startsWith(job) === true;
  if (!isPlace && !isJob) return;
  // Written first: the test must know that the place was reached.
  if (notes !== undefined) appendFileSync(notes, `${name}\n`);
  process.kill(process.pid, "SIGKILL");
};
