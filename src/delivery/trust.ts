import { X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import tls from "node:tls";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text. Throws where there is none, or one that cannot be read. */
export function readCertificates(pem: string, what: string): string[] {
  const certificates = pem.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error(`${what} holds no certificate in PEM form`);
  for (const [i, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw new Error(`${what}: certificate ${i + 1} of ${certificates.length} cannot be read`, { cause });
    }
  }
  return certificates;
}

/** What TLS trusts when it trusts these as well: a list of one's own replaces the usual one, so it is in it. */
export function withUsualRoots(certificates: readonly string[]): string[] {
  // From Node 22.15 on, and so not in the types of 20: with it NODE_EXTRA_CA_CERTS stays in force.
  const { getCACertificates } = tls as { getCACertificates?: (type: "default") => string[] };
  return [...(getCACertificates?.("default") ?? tls.rootCertificates), ...certificates];
}

/** Certificates of the files of a folder, as trust bundles are mounted; without the folder there are none. */
export async function certificatesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const certificates = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
    .map(async ({ name }) => {
      const pem = await readFile(join(folder, name), "utf8");
      return pem.match(CERTIFICATE) ? readCertificates(pem, join(folder, name)) : [];
    });
  return (await Promise.all(certificates)).flat();
}
