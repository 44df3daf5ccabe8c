import { describe, expect, test } from "vitest";
import { variables } from "../../src/config/variables.ts";
import { configOf, problemsOf } from "./support.ts";

describe("values", () => {
  test.each([
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "80.5"],
    ["PORT", "1e3"],
    ["PORT", "0x50"],
    ["MAX_BODY_BYTES", "65535"],
    ["RUN_LEASE_SECONDS", "2"],
    ["LOG_LEVEL", "loud"],
    ["HOST", "http://0.0.0.0"],
    ["ALLOW_OFFLINE_MODELS", "yes"],
    ["PG_SCHEMA", 'agents"; drop'],
    ["EVENT_TYPE_PREFIX", "dev.agent."],
    ["EVENT_SOURCE", "my service"],
    ["K_SINK", "sink.default.svc"],
    ["K_SINK", "/relative"],
    ["K_SINK", "tcp://10.0.0.1:80"],
    ["OPENAI_BASE_URL", "ftp://models"],
    ["MODEL_BASE_URLS", "https://a.example,,https://b.example"],
  ])("%s refuses %s, shows it and says what it expects", (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: .+ is not usable; expected .+`));
    expect(problems[0]).toContain(JSON.stringify(value));
  });

  test.each(variables.filter((row) => row.type === "integer"))(
    "$name takes its limits and nothing beyond",
    (row) => {
      const { name, minimum = Number.NaN, maximum = Number.NaN } = row;
      const base = { PG_HOST: "db", REDIS_HOST: "redis" };
      for (const value of [minimum, maximum]) expect(problemsOf({ ...base, [name]: `${value}` })).toEqual([]);
      for (const value of [minimum - 1, maximum + 1]) {
        expect(problemsOf({ ...base, [name]: `${value}` })).toHaveLength(1);
      }
    },
  );

  test("Redis is named by its parts or by a URL, and a part goes before the URL", () => {
    const url = "rediss://ann:p%40ss@cache.example:7000/3";
    const server = { host: "cache.example", port: 7000, username: "ann", database: 3, tls: true };

    expect(configOf({ REDIS_URL: url }).redis).toMatchObject({ ...server, password: "p@ss" });
    expect(configOf({ REDIS_URL: url, REDIS_PASSWORD: "other" }).redis).toMatchObject({ password: "other" });
    expect(configOf({ REDIS_HOST: "redis", REDIS_PORT: "tcp://10.0.0.1:6379" }).redis).toMatchObject({
      host: "redis",
      port: 6379,
      tls: false,
    });
    expect(configOf({}).redis).toBeUndefined();
    for (const wrong of ["http://x", "redis", "redis://h/one"]) {
      expect(problemsOf({ REDIS_URL: wrong })).toEqual([expect.stringContaining("REDIS_URL: the value")]);
    }
  });

  test("production may leave Redis to Vault", () => {
    const vault = { NODE_ENV: "production", PG_HOST: "db", VAULT_ADDR: "https://vault" };
    expect(configOf(vault).redis).toBeUndefined();
  });

  test("an empty or blank value is no value", () => {
    const blank = Object.fromEntries(variables.map(({ name }) => [name, ""]));
    expect(configOf(blank)).toEqual(configOf({}));
    expect(configOf({ PORT: "  ", K_CE_OVERRIDES: "" })).toEqual(configOf({}));
  });

  test("space around a value and the newline at the end of a secret file do not count", () => {
    const config = configOf({
      PORT: " 9000 ",
      LOG_LEVEL: "DEBUG",
      OPENAI_API_KEY: "sk-1\n",
      K_SINK: "http://s\n",
    });
    expect(config.server.port).toBe(9000);
    expect(config.logLevel).toBe("debug");
    expect(config.models.openai.apiKey).toBe("sk-1");
    expect(config.sink?.url).toBe("http://s");
  });

  test("a sink brings its time limits along, and the overrides are handed on as text", () => {
    const config = configOf({
      K_SINK: "https://broker/ns/default",
      K_SINK_TIMEOUT: "3",
      K_CE_OVERRIDES: "{}",
    });
    expect(config.sink).toEqual({ url: "https://broker/ns/default", timeoutSeconds: 3, deadlineSeconds: 10 });
    expect(config.events.ceOverrides).toBe("{}");
  });

  test("MODEL_BASE_URLS is a list", () => {
    const { models } = configOf({ MODEL_BASE_URLS: "https://a.example/v1, http://localhost:11434" });
    expect(models.baseUrls).toEqual(["https://a.example/v1", "http://localhost:11434"]);
  });

  test("a long value is cut and a control character is escaped in the message", () => {
    expect(problemsOf({ PORT: "9".repeat(500) })[0]?.length).toBeLessThan(150);
    expect(problemsOf({ PORT: "80\n80" })).toHaveLength(1);
  });

  test.each(["K_SINK", "OPENAI_BASE_URL", "MODEL_BASE_URLS"])(
    "%s with a password is refused unseen",
    (name) => {
      const problems = problemsOf({ [name]: "https://me:hunter2@example.com" });
      expect(problems).toEqual([expect.stringContaining("without user and password")]);
      expect(problems[0]).not.toContain("hunter2");
    },
  );

  test("the configuration cannot be changed, however deep", () => {
    const config = configOf({ PG_HOST: "db", K_SINK: "http://s" });
    const parts = [
      config,
      config.server,
      config.postgres,
      config.sink,
      config.models.openai,
      config.models.baseUrls,
    ];
    expect(parts.filter((part) => !Object.isFrozen(part))).toEqual([]);
  });
});
