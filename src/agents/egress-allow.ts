import { BlockList, isIP } from "node:net";

/** What the operator lets tools reach although it is not public. */
export type EgressAllow = {
  /** Listed by name or as an address, with or without the port. */
  hasHost(host: string, port: number): boolean;
  hasAddress(address: string): boolean;
};

/** Reads the items of EGRESS_ALLOW: host, host:port, address, [address]:port or CIDR. */
export function readEgressAllow(items: readonly string[]): EgressAllow {
  const hosts = new Set<string>();
  const addresses = new BlockList();
  for (const item of items) {
    if (item.includes("/")) addSubnet(addresses, item);
    else if (isIP(item)) addresses.addAddress(item, familyOf(item));
    else hosts.add(readHost(item));
  }
  return {
    hasHost: (host, port) => hosts.has(host) || hosts.has(`${host}:${port}`),
    hasAddress: (address) => addresses.check(address, familyOf(address)),
  };
}

function addSubnet(addresses: BlockList, item: string): void {
  const [network = "", prefix = ""] = item.split("/");
  const bits = isIP(network) === 4 ? 32 : 128;
  if (!isIP(network) || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) throw unusable(item);
  addresses.addSubnet(network, Number(prefix), familyOf(network));
}

/** As a URL spells it, so that `Example.COM` and `[::1]:80` are found. */
function readHost(item: string): string {
  const port = /:(\d{1,5})$/.exec(item)?.[1];
  const host = port === undefined ? item : item.slice(0, -port.length - 1);
  const url = `http://${host}/`;
  if (!/^(\[[\da-f:.]+\]|[\w.-]+)$/i.test(host) || !URL.canParse(url)) throw unusable(item);
  if (Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) throw unusable(item);
  const { hostname } = new URL(url);
  return port === undefined ? hostname : `${hostname}:${Number(port)}`;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

function unusable(item: string): Error {
  return new Error(`EGRESS_ALLOW: ${JSON.stringify(item)} is no host, host:port, address or CIDR`);
}
