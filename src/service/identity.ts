import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import type { Caller } from "../runs/owner.ts";

/** The check of bearer tokens; its packages are loaded when the first one comes. */
export function identifyBy(
  oidc: Config["oidc"],
  log: Logger,
): ((token: string) => Promise<Caller>) | undefined {
  if (oidc === undefined) return undefined;
  const report = (error: unknown) =>
    log.warn({ err: error, component: "oidc" }, "the keys of the issuer could not be fetched");
  let opened: Promise<(token: string) => Promise<Caller>> | undefined;
  return async (token) => {
    opened ??= import("../http/oidc.ts").then(({ openOidc }) => openOidc({ ...oidc, report }));
    return await (await opened)(token);
  };
}
