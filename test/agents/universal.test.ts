import { ChatOpenAI } from "@langchain/openai";
import { describe, expect, it, vi } from "vitest";
import { LocalGate } from "../../src/agents/gate.ts";
import { describeModelError } from "../../src/agents/model-errors.ts";
import { universalModel } from "../../src/agents/universal.ts";
import { UNIVERSAL_PROVIDERS } from "../../src/agents/universal-providers.ts";
import { sharedModelServer } from "../support/shared.ts";
import { agentsWith, errorOf, modelOf, nodeWith } from "./support.ts";

const server = sharedModelServer();

/** As the packages are: a class that finds its key and its server by itself. */
class ChatGroq extends ChatOpenAI {
  constructor(fields: object) {
    super({ ...fields, apiKey: "sk-of-its-own", configuration: { baseURL: server.openaiUrl } });
  }
}

const told = vi.fn();
async function groq(
  module: Record<string, unknown> = { ChatGroq },
  gate = new LocalGate(8),
  model: object = {},
) {
  const sent = nodeWith({ provider: "groq", model: "m", temperature: 0.4, max_tokens: 9, ...model });
  const definition = modelOf(sent);
  const load = async (name: string) => {
    expect(name).toBe("@langchain/groq");
    return module;
  };
  const enter = (signal: AbortSignal | undefined) => gate.enter("groq", signal);
  return await universalModel(definition, {
    provider: "groq",
    maxRetries: 0,
    callbacks: [],
    enter,
    told,
    load,
  });
}

describe("a provider whose package is not installed", () => {
  it.each(UNIVERSAL_PROVIDERS)("%s is refused with the package to add", async (provider) => {
    const error = await errorOf(() => agentsWith().compile(nodeWith({ provider, model: "m" })));
    expect(error).toMatchObject({ code: "unknown_provider", path: "/nodes/0/model/provider" });
    expect(error.message).toMatch(/needs the package (@langchain\/[\w-]+), .* "npm install \1"/);
  });

  it.each(["azure_openai", "langsmith", "__proto__", "../../etc", "constructor"])(
    "%s is none that could be installed",
    async (provider) => {
      const error = await errorOf(() => agentsWith().compile(nodeWith({ provider, model: "m" })));
      expect(error).toMatchObject({ code: "unknown_provider", path: "/nodes/0/model/provider" });
    },
  );
});

describe("a provider whose package is installed", () => {
  it("gets model, temperature and most tokens, and answers", async () => {
    server.reply(["Hello."]);
    const model = await groq();
    expect((await model.invoke("Hi")).text).toBe("Hello.");
    expect(server.requests[0]?.json).toMatchObject({ model: "m", temperature: 0.4 });
    expect(server.requests[0]?.body).toMatch(/"max_(completion_)?tokens":9/);
    expect(told.mock.lastCall?.[0]).toBeUndefined();
  });

  it("has the tools bound", async () => {
    server.reply([{ tool_calls: [{ name: "look", args: { a: 1 } }] }]);
    const bound = (await groq()).bindTools?.([{ name: "look", schema: { type: "object", properties: {} } }]);
    expect((await bound?.invoke("Hi"))?.tool_calls).toMatchObject([{ name: "look", args: { a: 1 } }]);
    expect(JSON.stringify(server.requests[0]?.json["tools"])).toContain('"look"');
  });

  it("has its places too", async () => {
    server.reply([{ content: "Hi.", delay_ms: 5 }]);
    const model = await groq({ ChatGroq }, new LocalGate(3));
    await Promise.all(Array.from({ length: 20 }, () => model.invoke("Hi")));
    expect(server.mostAtOnce).toBe(3);
  });

  it("can be pointed nowhere by a definition", async () => {
    const error = await errorOf(() =>
      groq({ ChatGroq }, undefined, { base_url: "https://api.openai.com/v1" }),
    );
    expect(error).toMatchObject({ code: "base_url_not_allowed", path: "/nodes/0/model/base_url" });
  });

  it("fails with our errors, whatever its own are", async () => {
    const kinds: [Error, object][] = [
      [Object.assign(new Error("slow down sk-12345678"), { statusCode: 429 }), { code: "model_unavailable" }],
      [Object.assign(new Error("no"), { $metadata: { httpStatusCode: 403 } }), { code: "model_refused" }],
      [Object.assign(new Error("no"), { response: { status: 400 } }), { code: "model_refused" }],
      [new TypeError("fetch failed"), { code: "model_unavailable" }],
    ];
    for (const [thrown, expected] of kinds) {
      class Failing extends ChatGroq {
        override invoke(): never {
          throw thrown;
        }
      }
      const model = await groq({ ChatGroq: Failing });
      const error = describeModelError(await model.invoke("Hi").catch((each: unknown) => each));
      expect(error).toMatchObject(expected);
      expect(error?.message).not.toContain("12345678");
    }
  });

  it("that is not set up says so, without what it may quote", async () => {
    class Keyless {
      constructor() {
        throw new Error("GROQ_API_KEY is wrong: sk-secret-12345678");
      }
    }
    const error = await errorOf(() => groq({ ChatGroq: Keyless }));
    expect(error.code).toBe("missing_credentials");
    expect(error.message).toBe(
      'provider "groq" is not set up in this service: GROQ_API_KEY is wrong: [redacted]',
    );
  });

  it("of an edition without the class is refused", async () => {
    expect((await errorOf(() => groq({}))).message).toContain("has no ChatGroq");
  });
});
