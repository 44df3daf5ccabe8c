import { editDistance } from "../errors/near-miss.ts";
import { cut, type Findings } from "./findings.ts";
import { variables } from "./variables.ts";

const known = new Set(variables.map(({ name }) => name));

/** With any of these LangChain sends prompts and answers to a third party, or prints them. */
export const LEAKS = ["TRACING", "TRACING_V2", "VERBOSE"].flatMap((it) => [
  `LANGSMITH_${it}`,
  `LANGCHAIN_${it}`,
]);

/** What Kubernetes injects for each Service of the namespace: REDIS_PORT=tcp://10.0.0.1:6379. */
export const isLink = (name: string, value: string) =>
  /(^|_)PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value);
const LINK_NAME = /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/;
/** Names that may look like a slip of ours and are not: service links, ports, libpq's variables. */
const FOREIGN = new RegExp(`${LINK_NAME.source}|_PORT$|^PG(HOST|PORT|USER|PASSWORD|DATABASE)$`);

/** Read by the command line, which shares its environment with a service. */
const OF_COMMAND_LINE = new Set(["AGENT_EXECUTOR_URL", "AGENT_EXECUTOR_TOKEN"]);

/** A name without a row is somebody else's, or a slip of the pen. */
export function checkName(name: string, value: string, { problems, notes }: Findings): void {
  if (OF_COMMAND_LINE.has(name)) return;
  const own = name.startsWith("AGENT_EXECUTOR_") && !LINK_NAME.test(name) && !isLink(name, value);
  if (known.has(name)) {
    if (isLink(name, value)) notes.push(`${name}=${cut(value)} is a Kubernetes service link and is ignored`);
  } else if (LEAKS.includes(name)) {
    if (value.trim().toLowerCase() === "true")
      notes.push(`${name} is switched off: prompts and answers stay in this process`);
  } else if (own || !FOREIGN.test(name)) {
    const meant = nearest(name.replace(/^AGENT_EXECUTOR_/, ""));
    if (own || meant) problems.push(`${name}: no such variable${meant ? `; did you mean ${meant}?` : ""}`);
  }
}

/** The variable that a name is a slip of: few letters differ and no word is another (DB_HOST is not PG_HOST). */
function nearest(name: string): string | undefined {
  return [...known].find((meant) => {
    if (meant.length < 6) return name[0] === meant[0] && resembles(name, meant, 1); // VHOST is not HOST
    if (!resembles(name, meant, 2)) return false;
    const [words, parts] = [name.split("_"), meant.split("_")];
    const alike = (part: string, i: number) => resembles(part, words[i] ?? "", Math.floor(part.length / 2));
    return words.length !== parts.length || parts.every(alike);
  });
}

function resembles(a: string, b: string, slips: number): boolean {
  return Math.abs(a.length - b.length) <= slips && editDistance(a, b) <= slips;
}
