import { readFile } from "node:fs/promises";
import { type Authenticator, credsAuthenticator, type NodeConnectionOptions } from "@nats-io/transport-node";

export type NatsLogin = {
  /** One or more, with a comma between them; user, password or token may be in them. */
  url: string;
  credsFile: string | undefined;
  caFile: string | undefined;
};

type Address = { server: string; host: string; port: number; user: string; password: string; isTls: boolean };

/** The parts of NATS_URL. Throws at what is none, without its text: there may be a password in it. */
export function readAddresses(urls: string): Address[] {
  return urls.split(",").map((text) => {
    const url = text.trim().includes("://") ? text.trim() : `nats://${text.trim()}`;
    if (!/^(nats|tls):\/\//i.test(url) || !URL.canParse(url)) {
      throw new Error("NATS_URL is not usable; expected nats://host:port or tls://host:port");
    }
    const { hostname, port, username, password, protocol } = new URL(url);
    if (hostname === "") throw new Error("NATS_URL names no host");
    return {
      server: `${hostname}:${port || 4222}`,
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port) || 4222,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      isTls: protocol === "tls:",
    };
  });
}

/** How to get there and in. Files are read anew at each call, because secrets are rotated. */
export async function connectionOptions(settings: NatsLogin): Promise<NodeConnectionOptions> {
  const { url, credsFile, caFile } = settings;
  const addresses = readAddresses(url);
  const [first] = addresses;
  const authenticator = await readCredentials(credsFile);
  const ca = caFile === undefined ? undefined : await readFile(caFile, "utf8");
  const isTls = caFile !== undefined || addresses.some((address) => address.isTls);
  return {
    servers: addresses.map(({ server }) => server),
    ...(authenticator && { authenticator }),
    // A name alone is a token, as in the URLs of the other NATS clients.
    ...(first?.user && !first.password && { token: first.user }),
    ...(first?.password && { user: first.user, pass: first.password }),
    ...(isTls && { tls: ca === undefined ? {} : { ca } }),
  };
}

async function readCredentials(file: string | undefined): Promise<Authenticator | undefined> {
  if (file === undefined) return undefined;
  return credsAuthenticator(await readFile(file));
}
