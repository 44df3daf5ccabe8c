/** What the service may get from Vault; a part that is not here was not there. */
export type PostgresSecret = {
  host?: string | undefined;
  port?: number | undefined;
  user?: string | undefined;
  password?: string | undefined;
  database?: string | undefined;
  ssl?: false | { rejectUnauthorized: boolean } | undefined;
};
export type RedisSecret = {
  host: string;
  port: number;
  username?: string | undefined;
  password?: string | undefined;
};
export type ModelSecret = { apiKey: string; baseUrl?: string | undefined };

export type SecretValues = {
  postgres?: PostgresSecret;
  redis?: RedisSecret;
  openai?: ModelSecret;
  anthropic?: ModelSecret;
};
export type SecretName = keyof SecretValues;

/** Where each lies below VAULT_SECRET_PREFIX. */
export const SECRET_PATHS: Readonly<Record<SecretName, string>> = {
  postgres: "postgres",
  redis: "redis",
  openai: "llm-providers/openai",
  anthropic: "llm-providers/anthropic",
};

type Fields = Readonly<Record<string, unknown>>;

/** A secret whose fields are not as they must be; the message names the field and never its value. */
export class UnusableSecret extends Error {}

export const readSecret: { readonly [Name in SecretName]: (fields: Fields) => Required<SecretValues>[Name] } =
  {
    postgres: (fields) => ({
      host: text(fields, "host"),
      port: port(fields),
      user: text(fields, "username") ?? text(fields, "user"),
      password: text(fields, "password"),
      database: text(fields, "database"),
      ssl: ssl(fields),
    }),
    redis: (fields) => ({
      host: must(text(fields, "host"), "host"),
      port: port(fields) ?? 6379,
      username: text(fields, "username"),
      password: text(fields, "password"),
    }),
    openai: model,
    anthropic: model,
  };

function model(fields: Fields): ModelSecret {
  return { apiKey: must(text(fields, "api_key"), "api_key"), baseUrl: text(fields, "base_url") };
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? "";
  if (typeof value !== "string") throw new UnusableSecret(`its ${name} is not a text`);
  return value.trim() === "" ? undefined : value.replace(/[\r\n]+$/, ""); // as `vault kv put x=@file` leaves it
}

function port(fields: Fields): number | undefined {
  const value = fields["port"] ?? "";
  if (value === "") return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new UnusableSecret("its port is not a number from 1 to 65535");
  }
  return number;
}

/** `sslmode`, with the words of DATABASE_URL. */
function ssl(fields: Fields): PostgresSecret["ssl"] {
  const mode = text(fields, "sslmode");
  if (mode === undefined) return undefined;
  const modes = ["disable", "no-verify", "require", "verify-full"];
  if (!modes.includes(mode)) throw new UnusableSecret(`its sslmode is none of ${modes.join(", ")}`);
  return mode !== "disable" && { rejectUnauthorized: mode !== "no-verify" };
}

function must(value: string | undefined, name: string): string {
  if (value === undefined) throw new UnusableSecret(`it has no ${name}`);
  return value;
}
