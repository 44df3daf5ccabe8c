import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

const LOCAL = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Whose tokens open the door; undefined: it stands open. Half of it is worse than nothing, so it is refused. */
export function chooseOidc(given: Given, production: boolean, { problems }: Findings) {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_JWKS_URL: jwksUrl } = given;
  const { OIDC_SUBJECTS: subjects, OIDC_OPERATORS: operators } = given;
  const { OIDC_CACERT: caFile, OIDC_TOKEN_FILE: tokenFile } = given;
  if (issuer === undefined || audience === undefined) {
    const rest = { jwksUrl, caFile, tokenFile, subjects: subjects[0], operators: operators[0] };
    const isMeant = [issuer, audience, ...Object.values(rest)].some((value) => value !== undefined);
    if (isMeant) {
      const missing = issuer === undefined ? "OIDC_ISSUER" : "OIDC_AUDIENCE";
      problems.push(`${missing}: missing; callers are checked by OIDC_ISSUER and OIDC_AUDIENCE together`);
    }
    return undefined;
  }
  for (const [name, url] of Object.entries({ OIDC_ISSUER: issuer, OIDC_JWKS_URL: jwksUrl })) {
    if (!production || url === undefined || url.startsWith("https:") || LOCAL.has(new URL(url).hostname))
      continue;
    problems.push(`${name}: without TLS anyone on the way could hand us keys; production needs https`);
  }
  return { issuer, audience, jwksUrl, subjects, operators, caFile, tokenFile };
}
