import type { Config } from "../config.ts";
import type { Deliverer } from "../delivery/deliverer.ts";
import type { TokenFile } from "../delivery/token-file.ts";
import type { Logger } from "../observability/logger.ts";
import { traceIdOf } from "../observability/traceparent.ts";
import type { Database } from "../postgres/database.ts";

type SinkConfig = NonNullable<Config["sink"]>;

/** Where Knative mounts trust bundles, and where a SinkBinding with OIDC puts the token. */
const KNATIVE_CERTIFICATES = "/knative-custom-certs";
const KNATIVE_TOKEN = "/oidc/token";

/**
 * All that TLS to the sink trusts, with what is mounted; undefined where the usual roots are enough.
 * Throws at certificates that are none.
 */
export async function sinkTrust(sink: SinkConfig): Promise<readonly string[] | undefined> {
  const { certificatesIn, readCertificates, withUsualRoots } = await import("../delivery/trust.ts");
  const given = sink.caCerts === undefined ? [] : readCertificates(sink.caCerts, "K_CA_CERTS");
  const own = [...given, ...(await certificatesIn(KNATIVE_CERTIFICATES))];
  return own.length === 0 ? undefined : withUsualRoots(own);
}

/** The token that goes with every post. A file that nobody named need not be there. */
export async function sinkToken({ tokenFile }: SinkConfig): Promise<TokenFile> {
  const { TokenFile } = await import("../delivery/token-file.ts");
  return new TokenFile(tokenFile ?? KNATIVE_TOKEN, { mayBeAbsent: tokenFile === undefined });
}

export async function openDeliverer(
  sink: SinkConfig,
  ca: readonly string[] | undefined,
  db: Database,
  log: Logger,
): Promise<Deliverer> {
  const { Deliverer } = await import("../delivery/deliverer.ts");
  const { postTo } = await import("../delivery/post.ts");
  const { timeoutSeconds } = sink;
  const token = await sinkToken(sink);
  return new Deliverer({
    db,
    target: "sink",
    poster: postTo(new URL(sink.url), { timeoutSeconds, ca, token }),
    attemptSeconds: timeoutSeconds,
    tried: ({ id: event_id, subject: job_id, traceparent }, outcome, duration_ms) => {
      const keys = { component: "delivery", job_id, event_id, trace_id: traceIdOf(traceparent) };
      if (outcome === "taken") log.info({ ...keys, duration_ms }, "result posted");
      else log.warn({ ...keys, outcome, duration_ms }, "result not taken");
    },
    report: (what, error) => log.warn({ err: error, component: "delivery" }, `${what} failed`),
  });
}
