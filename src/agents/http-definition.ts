import type { Static } from "typebox";
import { didYouMean } from "../errors/near-miss.ts";
import { invalid } from "./definition-problem.ts";
import {
  contentTypeOf,
  type HttpTemplate,
  headerProblem,
  isText,
  parseUrlTemplate,
  type SecretHeader,
} from "./http-request.ts";
import { below, isRecord } from "./json.ts";
import { argumentsIn } from "./templates.ts";
import type { Runtime } from "./tool-runtimes.ts";

type SentHttp = Extract<Static<typeof Runtime>, { type: "http" }>;

export function readHttp(runtime: SentHttp, path: string, parameters: Record<string, unknown>): HttpTemplate {
  const { method, query = {}, body } = runtime;
  const { headers, secrets } = readHeaders(runtime.headers);
  const url = parseUrlTemplate(runtime.url);
  if (typeof url === "string") throw invalid(url, below(path, "url"));
  for (const [name, value] of Object.entries(headers)) {
    checkHeader(name, value, below(below(path, "headers"), name));
  }
  for (const name of Object.keys(secrets)) checkHeader(name, "", below(below(path, "headers"), name));
  for (const [part, template] of Object.entries({ url: runtime.url, headers, query, body })) {
    checkArguments(template, parameters, below(path, part));
  }
  if (body === undefined) return { method, url, headers, query, secrets };
  if (method === "GET") throw invalid("a GET request has no body", below(path, "body"));
  if (isText(body) && /json|x-www-form-urlencoded/.test(contentTypeOf(headers) ?? "")) {
    throw invalid(
      "write the body as an object: in a text, arguments could change its structure",
      below(path, "body"),
    );
  }
  return { method, url, headers, query, secrets, body };
}

/** Texts on one side, references on the other. */
function readHeaders(sent: SentHttp["headers"] = {}): Pick<HttpTemplate, "headers" | "secrets"> {
  const headers: Record<string, string> = {};
  const secrets: Record<string, SecretHeader> = {};
  for (const [name, value] of Object.entries(sent)) {
    if (typeof value === "string") {
      headers[name] = value;
      continue;
    }
    const [path = "", key = ""] = value.$secret.split("#");
    secrets[name] = { path, key, prefix: value.prefix ?? "" };
  }
  return { headers, secrets };
}

function checkHeader(name: string, value: string, path: string): void {
  const problem = headerProblem(name, value);
  if (problem !== undefined) throw invalid(problem, path);
}

/** An argument that the schema does not declare is one that the model never gives. */
function checkArguments(template: unknown, parameters: Record<string, unknown>, path: string): void {
  const declared = isRecord(parameters["properties"]) ? Object.keys(parameters["properties"]) : [];
  for (const name of argumentsIn(template)) {
    if (declared.includes(name)) continue;
    const hint = didYouMean(name, declared) || `; {{${name}}} stands for the text itself`;
    throw invalid(`{${name}} is no property of input_schema${hint}`, path);
  }
}
