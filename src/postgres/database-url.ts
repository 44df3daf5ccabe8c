const SSL_MODES = ["disable", "no-verify", "require", "verify-full"]; // only `no-verify` skips the certificate

/** Parts that are missing are empty. Nothing is ever quoted: in a bad URL the password may be anywhere. */
export function readDatabaseUrl(text: string, { problems, notes }: { problems: string[]; notes: string[] }) {
  try {
    const url = new URL(text);
    const { sslmode = "disable", host = url.hostname, ...unused } = Object.fromEntries(url.searchParams);
    // A bare "/", "?" or "#" in the password ends it too early, and its "@" lands in the tail.
    const tail = url.pathname + url.search + url.hash;
    if (!/^postgres(ql)?:$/.test(url.protocol) || /[@#]/.test(tail)) throw new Error("not a Postgres URL");
    if (!SSL_MODES.includes(sslmode)) {
      problems.push(`DATABASE_URL: its sslmode is not known; expected one of ${SSL_MODES.join(", ")}`);
    }
    for (const name of Object.keys(unused)) notes.push(`DATABASE_URL: its ${name} is not used`);
    const ssl = sslmode !== "disable" && { rejectUnauthorized: sslmode !== "no-verify" };
    const inUrl = [host.replace(/^\[|\]$/g, ""), url.username, url.password, url.pathname.slice(1)];
    const [name, user, password, database] = inUrl.map(decodeURIComponent);
    return { host: name, port: url.port, user, password, database, ssl };
  } catch {
    const expected = "postgres://user:password@host:port/database, special characters percent-encoded";
    problems.push(`DATABASE_URL: cannot be read; expected ${expected}`);
    return { ssl: false as const };
  }
}
