import type { Config } from "../config.ts";
import type { GuardOptions } from "../http/guard.ts";
import type { LinkRoutesOptions } from "../http/link-routes.ts";
import type { Links } from "../http/links.ts";
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

/** Links to questions, and the check of those that come back; their package is loaded with the first. */
export function linksOf({
  server,
  events,
}: Pick<Config, "server" | "events">): Pick<GuardOptions, "identifyLink"> & Pick<LinkRoutesOptions, "links"> {
  const { links } = server;
  if (links === undefined) return {};
  let opened: Promise<Links> | undefined;
  const open = () => {
    opened ??= import("../http/links.ts").then(({ openLinks }) =>
      openLinks({ secret: links.secret, issuer: events.source }),
    );
    return opened;
  };
  const identifyLink = async (token: string) => {
    const { isLink } = await import("../http/links.ts");
    return isLink(token) ? await (await open()).verify(token) : undefined;
  };
  return { identifyLink, links: { open, publicUrl: links.publicUrl } };
}
