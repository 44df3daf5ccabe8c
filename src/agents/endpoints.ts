import { AgentError } from "../errors/agent-error.ts";
import type { Gate } from "./gate.ts";
import type { ModelWatch } from "./model-watch.ts";

export type ProviderSettings = { apiKey?: string | undefined; baseUrl?: string | undefined };

/** What the operator says about models. Read anew for every call, so that a rotated key is used at once. */
export type ModelSettings = {
  providers: { openai: ProviderSettings; anthropic: ProviderSettings };
  /** What a definition may name as base_url, beside the provider's own and its configured one. */
  allowedBaseUrls: readonly string[];
  /** Whether the providers `scripted` and `echo` may be used. */
  offlineModels: boolean;
  /** How long a provider may be silent, before its answer and within it; default 180. */
  silenceSeconds?: number;
  /** How often a request that failed for a passing reason is sent again; default 2. */
  maxRetries?: number;
  /** Caps the requests that are under way to each provider's server; the same one at every call. */
  gate?: Gate;
  watch?: ModelWatch;
};

export type HostedProvider = keyof ModelSettings["providers"];

const PUBLIC: Record<HostedProvider, string> = {
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com",
};

const KEY_NAME: Record<HostedProvider, string> = {
  openai: "OPENAI_API_KEY",
  anthropic: "ANTHROPIC_API_KEY",
};

/** Some compatible servers, and the clients themselves, insist on a key where none is needed. */
export const NO_KEY = "not-needed";

/** Where a model's requests go: what the definition names if the operator allows it, else the provider's own. */
export function resolveEndpoint(
  provider: HostedProvider,
  baseUrl: string | undefined,
  settings: ModelSettings,
  path: string,
): URL {
  const home = homeOf(provider, settings);
  if (baseUrl === undefined) return home;
  const url = parseBaseUrl(baseUrl);
  const allowed = [PUBLIC[provider], home.href, ...settings.allowedBaseUrls];
  if (url === undefined || !allowed.some((each) => isWithin(url, each))) {
    throw new AgentError("base_url_not_allowed", "the base_url is not one that the operator allows", {
      path,
    });
  }
  return url;
}

/**
 * The key for a request to this endpoint. It belongs to one origin: the provider's configured
 * server, or its public one when none is configured. Any other server gets none.
 */
export function keyFor(provider: HostedProvider, endpoint: URL, settings: ModelSettings): string {
  const key = settings.providers[provider].apiKey?.trim();
  const isHome = endpoint.origin === homeOf(provider, settings).origin;
  if (isHome && key) return checkKey(provider, key);
  if (endpoint.origin !== new URL(PUBLIC[provider]).origin) return NO_KEY;
  throw missingKey(provider, isHome ? "is not set" : `is set for another server than ${endpoint.origin}`);
}

/** Only what a header can carry; fetch would quote the key in its complaint. */
function checkKey(provider: HostedProvider, key: string): string {
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw missingKey(provider, "holds characters that no key has");
}

function missingKey(provider: HostedProvider, why: string): AgentError {
  const message = `${KEY_NAME[provider]} ${why}; to try the definition without a key, use provider "scripted"`;
  return new AgentError("missing_credentials", message);
}

/** The provider's own server, and not one that the operator named. */
export function isPublic(provider: HostedProvider, endpoint: URL): boolean {
  return endpoint.origin === new URL(PUBLIC[provider]).origin;
}

function homeOf(provider: HostedProvider, settings: ModelSettings): URL {
  const url = parseBaseUrl(settings.providers[provider].baseUrl ?? PUBLIC[provider]);
  if (url !== undefined) return url;
  throw new AgentError("base_url_not_allowed", `the configured base URL of "${provider}" is not usable`);
}

/** Only plain addresses: whoever reads anything else differently than we do could be sent a key. */
function parseBaseUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isPlain =
    (url.protocol === "https:" || url.protocol === "http:") &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === "" &&
    !/%2f|%5c|%2e/i.test(url.pathname);
  return isPlain ? url : undefined;
}

/** The same origin, and a path at or below the allowed one. */
export function isWithin(url: URL, allowedBase: string): boolean {
  const base = parseBaseUrl(allowedBase);
  if (base === undefined || url.origin !== base.origin) return false;
  const folder = base.pathname.replace(/\/*$/, "/");
  return `${url.pathname}/`.startsWith(folder);
}
