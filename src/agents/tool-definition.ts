import type { Static } from "typebox";
import { didYouMean } from "../errors/near-miss.ts";
import { type ApprovalRule, readApproval } from "./approval-rule.ts";
import { invalid } from "./definition-problem.ts";
import { contentTypeOf, HEADER_VALUE, type HttpTemplate, isText, parseUrlTemplate } from "./http-request.ts";
import { type ArgumentCheck, readInputSchema, schemaForModel } from "./input-schema.ts";
import { below, isRecord, quote } from "./json.ts";
import { argumentsIn } from "./templates.ts";
import type { Tool } from "./tool-schema.ts";

type SentTool = Static<typeof Tool>;

/** A tool in one spelling, with every default in its place. */
export type ToolDefinition = {
  name: string;
  description: string;
  /** JSON Schema of the arguments as the model is told. */
  parameters: Record<string, unknown>;
  check: ArgumentCheck;
  effect: "read" | "write";
  /** What happens when a call was begun and nobody knows whether it took effect. */
  onUnknown: "retry" | "ask" | "fail";
  /** Whether a person must allow a call. */
  approval: ApprovalRule | undefined;
  timeoutSeconds: number;
  retry: { attempts: number; waitSeconds: number };
  http: HttpTemplate;
};

const TIMEOUT_SECONDS = 30;

export function readTool(sent: SentTool, path: string): ToolDefinition {
  const { name, description = name, input_schema = {}, runtime, timeout_seconds, retry } = sent;
  const effect = sent.effect ?? (runtime.method === "GET" ? "read" : "write");
  if (effect === "read" && sent.on_unknown !== undefined && sent.on_unknown !== "retry") {
    throw invalid("a tool with effect read is simply called again", below(path, "on_unknown"));
  }
  const check = readInputSchema(input_schema, below(path, "input_schema"));
  const parameters = schemaForModel(input_schema);
  const http = readHttp(runtime, below(path, "runtime"), parameters);
  return {
    name,
    description,
    parameters,
    check,
    effect,
    onUnknown: sent.on_unknown ?? "fail",
    approval: readApproval(sent.approval, below(path, "approval")),
    timeoutSeconds: timeout_seconds ?? TIMEOUT_SECONDS,
    retry: { attempts: retry?.attempts ?? 1, waitSeconds: retry?.wait_seconds ?? 1 },
    http,
  };
}

function readHttp(
  runtime: SentTool["runtime"],
  path: string,
  parameters: Record<string, unknown>,
): HttpTemplate {
  const { method, headers = {}, query = {}, body } = runtime;
  const url = parseUrlTemplate(runtime.url);
  if (typeof url === "string") throw invalid(url, below(path, "url"));
  for (const [name, value] of Object.entries(headers)) {
    checkHeader(name, value, below(below(path, "headers"), name));
  }
  for (const part of ["url", "headers", "query", "body"] as const) {
    checkArguments(runtime[part], parameters, below(path, part));
  }
  if (body === undefined) return { method, url, headers, query };
  if (method === "GET") throw invalid("a GET request has no body", below(path, "body"));
  if (isText(body) && /json|x-www-form-urlencoded/.test(contentTypeOf(headers) ?? "")) {
    throw invalid(
      "write the body as an object: in a text, arguments could change its structure",
      below(path, "body"),
    );
  }
  return { method, url, headers, query, body };
}

/** They belong to the connection, or to the journal. */
const OWN_HEADERS = new Set([
  ...["host", "connection", "keep-alive", "upgrade", "te", "trailer", "transfer-encoding", "expect"],
  ...["content-length", "accept-encoding", "proxy-authorization", "proxy-connection", "idempotency-key"],
]);

function checkHeader(name: string, value: string, path: string): void {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw invalid(`${quote(name)} is no name of a header`, path);
  if (OWN_HEADERS.has(name.toLowerCase())) throw invalid(`${name} is set by the service`, path);
  if (!HEADER_VALUE.test(value)) throw invalid("holds characters that no header may have", path);
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
