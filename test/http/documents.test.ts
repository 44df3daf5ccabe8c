import { Compile } from "typebox/compile";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildServer } from "../../src/http/server.ts";
import { echo, executeEvent, scripted } from "../support/agents.ts";
import { get, postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { nothing } from "./nothing.ts";

type Json = { [key: string]: Json } & Json[];
const METHODS = ["get", "post", "put", "patch", "delete", "options"];

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());
const read = async (path: string) => (await get(service.url + path)).json() as Json;

/** All routes but HEAD, which goes with every GET, as OpenAPI writes them. */
async function routesOfTheServer(): Promise<string[]> {
  const app = await buildServer(nothing);
  await app.ready();
  const above: string[] = [];
  const routes: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split("\n")) {
    const [, indent = "", path = "", methods = ""] = /^([│ ]*)[└├]── (\S+) \(([^)]+)\)/.exec(line) ?? [];
    if (path === "") continue;
    const depth = indent.length / 4;
    above.splice(depth, above.length, path);
    const whole = above
      .join("")
      .replace("//", "/")
      .replace(/:jobId/, "{job_id}")
      .replace(/:runId/, "{run_id}")
      .replace(/:interruptId/, "{interrupt_id}");
    for (const method of methods.split(", "))
      if (method !== "HEAD") routes.push(`${method.toLowerCase()} ${whole}`);
  }
  await app.close();
  return routes.sort();
}

describe("/openapi.json", () => {
  it("names every route of the server and no other", async () => {
    const { paths } = await read("/openapi.json");
    const documented = Object.entries(paths ?? {}).flatMap(([path, item]) =>
      METHODS.filter((method) => method in item).map((method) => `${method} ${path}`),
    );

    expect(documented.sort()).toEqual(await routesOfTheServer());
  });

  it("is OpenAPI 3.1: complete operations, references that lead somewhere, schemas that compile", async () => {
    const document = await read("/openapi.json");

    expect(document["openapi"]).toMatch(/^3\.1\.\d+$/);
    expect(document["info"]).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    for (const [path, item] of Object.entries(document["paths"] ?? {})) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const [method, operation] of Object.entries(item)) {
        expect(METHODS).toContain(method);
        checkOperation(operation, inPath);
      }
    }
    for (const reference of valuesOf(document, "$ref")) {
      expect(follow(document, String(reference)), String(reference)).toBeTypeOf("object");
    }
    for (const schema of Object.values(document["components"]?.["schemas"] ?? {})) {
      expect(() => Compile(schema)).not.toThrow();
    }
  });

  it("describes the answers as they are", async () => {
    const event = executeEvent({ agent_definition: { ...scripted("x"), name: "named" } });
    await postEvent(service.url, event);
    const document = await read("/openapi.json");

    for (const [path, url, status] of [
      ["/ready", "/ready", 200],
      ["/jobs", "/jobs?limit=1", 200],
      ["/jobs", "/jobs?limit=0", 400],
      ["/jobs/{job_id}", `/jobs/${event.data["job_id"]}`, 200],
      ["/jobs/{job_id}", "/jobs/none", 404],
      ["/jobs/{job_id}", "/jobs/%", 400],
    ] as const) {
      const reply = await get(service.url + url);
      const answer = within(document, "paths", path, "get", "responses", String(status));
      const schema = within(answer, "content", "application/json", "schema");
      const whole = "$ref" in schema ? follow(document, String(schema["$ref"])) : schema;
      expect(reply.status, url).toBe(status);
      expect([...Compile(whole).Errors(reply.json())], url).toEqual([]);
      // A property that nobody wrote down would pass: the other way round, too.
      const known = Object.keys(within(whole, "properties"));
      expect(known, url).toEqual(expect.arrayContaining(Object.keys(reply.json() as object)));
    }
  });
});

describe("/schemas/agent-definition.json", () => {
  it("is a JSON Schema that takes a good definition and refuses bad ones", async () => {
    const reply = await get(`${service.url}/schemas/agent-definition.json`);
    const schema = reply.json() as Json;
    const check = Compile(schema);

    expect(reply.headers["content-type"]).toMatch(/^application\/schema\+json/);
    expect(schema["$schema"]).toBe("https://json-schema.org/draft/2020-12/schema");
    for (const good of [
      echo(),
      scripted("a", { content: "b" }),
      { ...echo(), name: "n", limits: { steps: 3 } },
    ]) {
      expect(check.Check(good), JSON.stringify(good)).toBe(true);
    }
    const bad = [
      null,
      {},
      { nodes: [] },
      { ...echo(), nods: [] },
      { nodes: [{ type: "agent" }] },
      { ...echo(), limits: { steps: 0 } },
    ];
    for (const definition of bad) expect(check.Check(definition), JSON.stringify(definition)).toBe(false);
  });
});

describe("/metrics", () => {
  const BUCKETS = ["0.1", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "+Inf"];

  it("is Prometheus text 0.0.4 with the metrics of the service that came before", async () => {
    await postEvent(service.url, executeEvent());
    const reply = await get(`${service.url}/metrics`);

    expect(reply.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    const lines = reply.text.trimEnd().split("\n");
    const form = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9.e+-]+)$/;
    expect(lines.filter((line) => line !== "" && !form.test(line))).toEqual([]);
    expect(reply.text.endsWith("\n")).toBe(true);
    expect(lines.filter((line) => line.startsWith("# TYPE"))).toEqual(
      expect.arrayContaining([
        "# TYPE agent_executor_jobs_total counter",
        "# TYPE agent_executor_job_duration_seconds histogram",
        "# TYPE agent_executor_vault_auth_failures_total counter",
        "# TYPE agent_executor_db_connection_errors_total counter",
        "# TYPE agent_executor_redis_publish_errors_total counter",
      ]),
    );
    const buckets = [...reply.text.matchAll(/^agent_executor_job_duration_seconds_bucket\{le="([^"]+)"\}/gm)];
    expect(buckets.map(([, le]) => le)).toEqual(BUCKETS);
  });

  it("counts the runs by their outcome, and shows all outcomes from the start", async () => {
    const count = async (status: string) => {
      const { text } = await get(`${service.url}/metrics`);
      return Number(
        new RegExp(`^agent_executor_jobs_total\\{status="${status}"\\} (\\d+)$`, "m").exec(text)?.[1],
      );
    };
    const [completed, failed] = [await count("completed"), await count("failed")];

    await postEvent(service.url, executeEvent());
    await postEvent(service.url, executeEvent({ agent_definition: {} }));

    expect([await count("completed"), await count("failed")]).toEqual([completed + 1, failed + 1]);
  });

  it("names nothing that a caller sent", async () => {
    const job_id = "a-job-that-nobody-names-so";
    await postEvent(service.url, executeEvent({ job_id }));

    expect((await get(`${service.url}/metrics`)).text).not.toContain(job_id);
  });
});

function checkOperation(operation: Json, inPath: readonly (string | undefined)[]): void {
  expect(operation["summary"]).toBeTypeOf("string");
  const responses = Object.entries(operation["responses"] ?? {});
  expect(responses.length).toBeGreaterThan(0);
  for (const [status, response] of responses) {
    expect(status).toMatch(/^[2-5]\d\d$/);
    expect(response["description"]).toBeTypeOf("string");
  }
  const parameters = operation["parameters"] ?? [];
  for (const parameter of parameters) {
    expect(parameter).toMatchObject({ name: expect.any(String), schema: expect.any(Object) });
    expect(["path", "query", "header"]).toContain(parameter["in"]);
  }
  const required = parameters.filter(
    (parameter) => String(parameter["in"]) === "path" && parameter["required"],
  );
  expect(required.map((parameter) => String(parameter["name"]))).toEqual(inPath);
}

function follow(document: Json, reference: string): Json {
  return within(document, ...reference.replace(/^#\//, "").split("/"));
}

function within(document: Json, ...keys: string[]): Json {
  return keys.reduce((at, key) => {
    const inner = at[key];
    if (inner === undefined) throw new Error(`there is no ${keys.join(" > ")}`);
    return inner;
  }, document);
}

function* valuesOf(value: unknown, key: string): Generator<unknown> {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if (name === key && typeof inner === "string") yield inner;
    yield* valuesOf(inner, key);
  }
}
