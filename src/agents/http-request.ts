import { isRecord, quote } from "./json.ts";
import {
  type Args,
  ArgumentProblem,
  argumentsIn,
  asText,
  fillJson,
  fillOptional,
  fillText,
  wholeArgument,
} from "./templates.ts";

/** `runtime` of an http tool, its URL taken apart. */
export type HttpTemplate = {
  method: string;
  url: UrlTemplate;
  headers: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string | number | boolean>>;
  /** Headers whose value is asked for when the request is made, and never stands in a definition. */
  secrets: Readonly<Record<string, SecretHeader>>;
  body?: unknown;
};

/** One value of one of the operator's secrets. */
export type SecretHeader = { path: string; key: string; prefix: string };

/** Scheme, host and port are fixed: nothing that a model says can change where a request goes. */
type UrlTemplate = { origin: string; path: string; query: string };

export type HttpRequest = {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body: string | undefined;
};

const URL_SHAPE = /^(https?:\/\/[^/?#\\{}@\s]+)(\/[^?#\\\s]*)?(\?[^#\\\s]*)?$/i;

/** Takes the URL apart, or says what is wrong with it. */
export function parseUrlTemplate(template: string): UrlTemplate | string {
  const [, start, path = "/", query = ""] = URL_SHAPE.exec(template) ?? [];
  if (start === undefined || !URL.canParse(start)) {
    return "must be an absolute http or https URL without user, fragment and spaces; arguments stand behind the host";
  }
  const { origin } = new URL(start);
  const sample = fillText(path, Object.fromEntries(argumentsIn(path).map((name) => [name, "x"])));
  if (new URL(origin + sample).pathname !== sample) {
    return 'must have its path written as it is sent: percent-encoded, without "." and ".."';
  }
  return { origin, path, query };
}

/** The request of one call, or an ArgumentProblem. */
export function fillRequest(template: HttpTemplate, args: Args): HttpRequest {
  const headers = fillHeaders(template.headers, args);
  const { body, type } = fillBody(template, args);
  if (body !== undefined) headers["content-type"] ??= type;
  return { method: template.method, url: fillUrl(template, args), headers, body };
}

function fillUrl({ url: { origin, path, query }, query: more }: HttpTemplate, args: Args): URL {
  const filled = fillText(path, args, encodeInPath);
  const pairs = Object.entries(more).flatMap(([name, template]) => {
    const value = typeof template === "string" ? fillOptional(template, args) : template;
    const values = Array.isArray(value) ? value : value === undefined ? [] : [value];
    return values.map((each) => `${encode(name, name)}=${encode(asText(each), name)}`);
  });
  const queries = [fillText(query, args, encode).slice(1), ...pairs].filter((each) => each !== "");
  const url = new URL(`${origin}${filled}${queries.length > 0 ? `?${queries.join("&")}` : ""}`);
  // What the checks of single arguments let through must still not have moved the request.
  if (url.origin !== origin || url.pathname !== filled) {
    throw new ArgumentProblem("the arguments change the path of the request");
  }
  return url;
}

/**
 * One segment, never more: nothing and dots would name another resource, and some servers read an
 * encoded slash as one.
 */
function encodeInPath(text: string, name: string): string {
  if (text === "") throw new ArgumentProblem(`${name} is empty`);
  if (/(^|[\\/])\.{1,2}($|[\\/])/.test(text))
    throw new ArgumentProblem(`${name} must not be a path with dots`);
  return encode(text, name);
}

function encode(text: string, name: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    throw new ArgumentProblem(`${name} is no valid Unicode text`);
  }
}

/** They belong to the connection, or to the journal. */
const OWN_HEADERS = new Set([
  ...["host", "connection", "keep-alive", "upgrade", "te", "trailer", "transfer-encoding", "expect"],
  ...["content-length", "accept-encoding", "proxy-authorization", "proxy-connection", "idempotency-key"],
]);

/** Why nobody but us may send this header. */
export function headerProblem(name: string, value: string): string | undefined {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return `${quote(name)} is no name of a header`;
  if (OWN_HEADERS.has(name.toLowerCase())) return `${name} is set by the service`;
  return HEADER_VALUE.test(value) ? undefined : "holds characters that no header may have";
}

/** A request that the model made up as a whole, or an ArgumentProblem. Its arguments fit their schema. */
export function checkRequest(args: Args, methods: readonly string[]): HttpRequest {
  const { url: text, method = methods[0], headers: sent = {}, body } = args;
  const url = URL.canParse(String(text)) ? new URL(String(text)) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new ArgumentProblem("url must be an absolute http or https URL");
  }
  if (url.username !== "" || url.password !== "") throw new ArgumentProblem("url must name no user");
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(sent as Record<string, string>)) {
    const problem = headerProblem(name, value);
    if (problem !== undefined) throw new ArgumentProblem(`headers: ${problem}`);
    headers[name.toLowerCase()] = value;
  }
  if (body !== undefined && method === "GET") throw new ArgumentProblem("a GET request has no body");
  return { method: String(method), url, headers, body: body === undefined ? undefined : String(body) };
}

/** What node sends, and no line break. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function fillHeaders(templates: HttpTemplate["headers"], args: Args): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, template] of Object.entries(templates)) {
    const value = fillOptional(template, args);
    if (value === undefined) continue;
    const text = asText(value);
    if (!HEADER_VALUE.test(text)) {
      throw new ArgumentProblem(`the header ${name} would hold characters that no header may have`);
    }
    headers[name.toLowerCase()] = text;
  }
  return headers;
}

const FORM = "application/x-www-form-urlencoded";

function fillBody(template: HttpTemplate, args: Args): { body: string | undefined; type: string } {
  const { body } = template;
  if (body === undefined) return { body: undefined, type: "" };
  if (isText(body)) return { body: fillText(body, args), type: "text/plain; charset=utf-8" };
  const filled = fillJson(body, args);
  if (filled !== undefined && contentTypeOf(template.headers)?.startsWith(FORM)) {
    return { body: formOf(filled), type: FORM };
  }
  return { body: filled === undefined ? undefined : JSON.stringify(filled), type: "application/json" };
}

/** A text is sent as it is; one that is nothing but an argument is JSON. */
export function isText(body: unknown): body is string {
  return typeof body === "string" && wholeArgument(body) === undefined;
}

export function contentTypeOf(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(headers)
    .find(([name]) => name.toLowerCase() === "content-type")?.[1]
    .toLowerCase();
}

function formOf(value: unknown): string {
  const members = isRecord(value) ? Object.entries(value) : [];
  return new URLSearchParams(
    members.map(([key, each]) => [key, asText(each)] as [string, string]),
  ).toString();
}
