import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Certificate = { key: string; cert: string };
export type Authority = {
  /** PEM text of the authority itself. */
  ca: string;
  /** A certificate of it for a server; `days` below 0 is one that has run out. */
  issue(options?: { names?: readonly string[]; days?: number }): Certificate;
};

/** A private certificate authority, made by openssl in a temporary folder. */
export function makeAuthority(name = "Test CA"): Authority {
  const ca = inFolder((run, read) => {
    run("req", "-x509", ...KEY, "-keyout", "key", "-out", "cert", "-subj", `/CN=${name}`, "-days", "30");
    return { key: read("key"), cert: read("cert") };
  });
  return { ca: ca.cert, issue: (options) => issue(ca, options) };
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

function issue(
  ca: Certificate,
  { names = ["DNS:localhost", "IP:127.0.0.1"], days = 30 }: { names?: readonly string[]; days?: number } = {},
): Certificate {
  return inFolder((run, read, write) => {
    write("ca-key", ca.key);
    write("ca-cert", ca.cert);
    write("names", `subjectAltName=${names.join(",")}\n`);
    run("req", ...KEY, "-keyout", "key", "-out", "request", "-subj", "/CN=sink");
    const start = new Date(Date.now() - 60 * 86_400_000);
    const end = new Date(Date.now() + days * 86_400_000);
    // `openssl x509` of 3.0 cannot date back; `ca` can.
    write("index", "");
    write("serial", "01");
    write("config", CONFIG);
    const dates = ["-startdate", stamp(start), "-enddate", stamp(end)];
    const signing = ["-cert", "ca-cert", "-keyfile", "ca-key", "-in", "request", "-out", "cert"];
    run("ca", "-batch", "-config", "config", ...signing, "-extfile", "names", "-notext", ...dates);
    return { key: read("key"), cert: read("cert") };
  });
}

const CONFIG = `
[ca]
default_ca = it
[it]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
`;

/** As openssl wants it: YYMMDDHHMMSSZ. */
const stamp = (date: Date) => `${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`;

type Run = (...args: string[]) => void;

function inFolder<T>(
  work: (run: Run, read: (file: string) => string, write: (file: string, text: string) => void) => T,
): T {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  try {
    const run: Run = (...args) => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
    const read = (file: string) => readFileSync(join(folder, file), "utf8");
    const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
    return work(run, read, write);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
