import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { describeModelError } from "../../src/agents/model-errors.ts";
import { type SharedModelServer, sharedModelServer } from "../support/shared.ts";
import { agentsWith, errorOf, nodeWith, providersAt, runOnce } from "./support.ts";

const KEY = "sk-real-0123456789";
const server = sharedModelServer();
const thief = sharedModelServer();
beforeEach(() => {
  for (const each of [server, thief]) each.reply(["Hello."]);
});
afterEach(() => vi.unstubAllEnvs());

const PROVIDERS = ["openai", "anthropic"] as const;
const baseOf = (provider: string, at: SharedModelServer) => (provider === "openai" ? at.openaiUrl : at.url);
const keysOf = ({ requests }: SharedModelServer) =>
  requests.map(({ headers }) => headers["x-api-key"] ?? headers.authorization);
const homes = (apiKey = KEY) => providersAt(server, apiKey);

describe.each(PROVIDERS)("the key of %s", (provider) => {
  const sent = (key: string) => (provider === "openai" ? `Bearer ${key}` : key);

  it("is sent to the server that it was configured for", async () => {
    const agent = await agentsWith({ providers: homes() }).compile(nodeWith({ provider, model: "m" }));
    await runOnce(agent, "Hi");
    expect(keysOf(server)).toEqual([sent(KEY)]);
  });

  it("is not sent to another server, though the operator allows it", async () => {
    const base_url = baseOf(provider, thief);
    const agents = agentsWith({ providers: homes(), allowedBaseUrls: [base_url] });
    await runOnce(await agents.compile(nodeWith({ provider, model: "m", base_url })), "Hi");
    expect(keysOf(thief)).toEqual([sent("not-needed")]);
    expect(server.requests).toEqual([]);
  });

  it("does not go where a redirect points", async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      server.reply([{ status, headers: { location: `${thief.url}/v1/chat/completions` } }]);
      const agent = await agentsWith({ providers: homes() }).compile(nodeWith({ provider, model: "m" }));
      const thrown = await runOnce(agent, "Hi").catch((error: unknown) => error);
      expect(describeModelError(thrown)).toMatchObject({ code: "model_refused" });
    }
    expect(thief.requests).toEqual([]);
  });

  it("does not go where the environment points, nor does anything else from it", async () => {
    const there = baseOf(provider, thief);
    for (const name of [
      "OPENAI_BASE_URL",
      "OPENAI_API_BASE",
      "ANTHROPIC_BASE_URL",
      "ANTHROPIC_API_URL",
      "LANGSMITH_GATEWAY",
    ]) {
      vi.stubEnv(name, there);
    }
    const secrets = [
      "OPENAI_API_KEY",
      "OPENAI_ADMIN_KEY",
      "OPENAI_ORG_ID",
      "OPENAI_ORGANIZATION",
      "OPENAI_PROJECT_ID",
    ];
    for (const name of [...secrets, "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "LANGSMITH_API_KEY"]) {
      vi.stubEnv(name, "from-the-environment");
    }
    vi.stubEnv("OPENAI_CUSTOM_HEADERS", "x-more: from-the-environment");
    vi.stubEnv("ANTHROPIC_CUSTOM_HEADERS", "x-more: from-the-environment");

    vi.stubEnv("LC_OUTPUT_VERSION", "v1"); // would make lists of all texts

    const agent = await agentsWith({ providers: homes() }).compile(nodeWith({ provider, model: "m" }));
    const state = await agent.graph.invoke(agent.toInput("Hi"), {});

    expect(state["messages"]).toMatchObject([{ content: "Hi" }, { content: "Hello." }]);
    expect(thief.requests).toEqual([]);
    expect(keysOf(server)).toEqual([sent(KEY)]);
    expect(JSON.stringify(server.requests)).not.toContain("from-the-environment");
  });

  it("is used at once when it was rotated, also by a graph that is compiled", async () => {
    let apiKey = "sk-old-1";
    const agents = agentsWith(
      {},
      { settings: () => ({ providers: homes(apiKey), allowedBaseUrls: [], offlineModels: false }) },
    );
    const agent = await agents.compile(nodeWith({ provider, model: "m" }));
    await runOnce(agent, "Hi");
    apiKey = "sk-new-2";
    await runOnce(agent, "Hi");
    expect(keysOf(server)).toEqual([sent("sk-old-1"), sent("sk-new-2")]);
  });

  it("is in nothing that LangChain would write down", async () => {
    const agent = await agentsWith({ providers: homes() }).compile(nodeWith({ provider, model: "m" }));
    const seen: unknown[] = [];
    const note = (...args: unknown[]) => void seen.push(JSON.stringify(args));
    const state = await agent.graph.invoke(agent.toInput("Hi"), {
      callbacks: [{ handleChatModelStart: note, handleLLMEnd: note }],
    });
    expect(seen).toHaveLength(2);
    expect(JSON.stringify([seen, state])).not.toContain(KEY);
  });

  it("is missed before the run begins", async () => {
    const error = await errorOf(() => agentsWith().compile(nodeWith({ provider, model: "m" })));
    expect(error.code).toBe("missing_credentials");
    expect(error.message).toContain('provider "scripted"');
  });

  it("is missed by a run when it was taken away", async () => {
    let providers: object = { openai: { apiKey: KEY }, anthropic: { apiKey: KEY } };
    const settings = () => ({ providers, allowedBaseUrls: [], offlineModels: false }) as never;
    const agent = await agentsWith({}, { settings }).compile(nodeWith({ provider, model: "m" }));
    providers = { openai: {}, anthropic: {} };
    const thrown = await runOnce(agent, "Hi").catch((error: unknown) => error);
    expect(describeModelError(thrown)).toMatchObject({ code: "missing_credentials" });
  });
});

it.each(PROVIDERS)("a base_url that is not allowed for %s fails at its place", async (provider) => {
  const agents = agentsWith({ providers: homes() });
  const nested = { nodes: [{ config: { model: { provider, model: "m", base_url: thief.url } } }] };
  expect(await errorOf(() => agents.compile(nested))).toMatchObject({
    code: "base_url_not_allowed",
    path: "/nodes/0/config/model/base_url",
  });
});

it("a server of one's own needs no key", async () => {
  const openai = { baseUrl: server.openaiUrl };
  const agents = agentsWith({ providers: { openai, anthropic: {} } });
  expect((await runOnce(await agents.compile(nodeWith({ model: "m" })), "Hi")).output).toBe("Hello.");
});
