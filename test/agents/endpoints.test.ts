import { describe, expect, it } from "vitest";
import {
  type HostedProvider,
  isPublic,
  keyFor,
  type ModelSettings,
  resolveEndpoint,
} from "../../src/agents/endpoints.ts";
import { errorOf, settingsWith } from "./support.ts";

const PATH = "/nodes/0/model/base_url";
const keyed = settingsWith({ providers: { openai: { apiKey: "sk-real" }, anthropic: { apiKey: "sk-ant" } } });

function endpoint(
  baseUrl?: string,
  settings: ModelSettings = keyed,
  provider: HostedProvider = "openai",
): URL {
  return resolveEndpoint(provider, baseUrl, settings, PATH);
}

describe("where a model's requests go", () => {
  it("is the provider's own server when nobody says otherwise", () => {
    expect(endpoint().href).toBe("https://api.openai.com/v1");
    expect(endpoint(undefined, keyed, "anthropic").href).toBe("https://api.anthropic.com/");
  });

  it("is the configured server when there is one", () => {
    const settings = settingsWith({
      providers: { openai: { baseUrl: "http://llm:8000/v1" }, anthropic: {} },
    });
    expect(endpoint(undefined, settings).href).toBe("http://llm:8000/v1");
  });

  it("is what the definition names, if it is the provider's own, the configured or an allowed one", () => {
    const providers = { openai: { baseUrl: "http://llm:8000/v1" }, anthropic: {} };
    const settings = settingsWith({ providers, allowedBaseUrls: ["https://gateway.example/team-a/"] });
    for (const url of [
      "https://api.openai.com/v1",
      "HTTPS://API.OpenAI.com:443/v1/",
      "http://llm:8000/v1",
      "https://gateway.example/team-a",
      "https://gateway.example/team-a/openai/v1",
    ]) {
      expect(endpoint(url, settings).href).toBe(new URL(url).href);
    }
  });

  it.each([
    "https://api.openai.com@evil.example/v1",
    "https://api.openai.com.evil.example/v1",
    "https://api.openai.com./v1",
    "https://api.openai.com:8443/v1",
    "http://api.openai.com/v1",
    "https://user:pass@api.openai.com/v1",
    "https://api.openai.com/",
    "https://api.openai.com/v10",
    "https://api.openai.com/v1/../..",
    "https://api.openai.com/v1/%2e%2e/admin",
    "https://api.openai.com/v1/..%2f..%2fadmin",
    "https://api.openai.com/v1/..%5cadmin",
    "https://api.openai.com/v1?to=evil",
    "https://api.openai.com/v1#evil",
    "https://api.openai.com\\@evil.example/v1",
    "https://evil.example/https://api.openai.com/v1",
    "https://api.anthropic.com",
    "https://аpi.openai.com/v1", // the first letter is Cyrillic
    "//api.openai.com/v1",
    "api.openai.com/v1",
    "file:///etc/passwd",
    "data:text/plain,x",
    "http://169.254.169.254/latest",
    "",
  ])("is never %s", async (url) => {
    expect(await errorOf(() => endpoint(url))).toMatchObject({ code: "base_url_not_allowed", path: PATH });
  });

  it("is not widened by an entry of the operator's list that is no usable URL", async () => {
    const settings = settingsWith({
      allowedBaseUrls: ["", "*", "https://", "gateway.example", "https://u:p@gw.example"],
    });
    for (const url of ["https://gateway.example/v1", "https://gw.example/v1", "https://evil.example"]) {
      expect((await errorOf(() => endpoint(url, settings))).code).toBe("base_url_not_allowed");
    }
  });

  it("must itself be usable where the operator configures it", async () => {
    const settings = settingsWith({ providers: { openai: { baseUrl: "llm:8000" }, anthropic: {} } });
    expect((await errorOf(() => endpoint(undefined, settings))).code).toBe("base_url_not_allowed");
  });
});

describe("the key of a provider", () => {
  const local = "http://llm:8000/v1";

  it("goes to the provider's own server", () => {
    expect(keyFor("openai", endpoint(), keyed)).toBe("sk-real");
    expect(keyFor("anthropic", endpoint(undefined, keyed, "anthropic"), keyed)).toBe("sk-ant");
  });

  it("loses the line feed that it has from a file", () => {
    const settings = settingsWith({ providers: { openai: { apiKey: " sk-real\n" }, anthropic: {} } });
    expect(keyFor("openai", endpoint(), settings)).toBe("sk-real");
  });

  it("goes to the configured server, and then not to the public one", async () => {
    const settings = settingsWith({
      providers: { openai: { apiKey: "sk-real", baseUrl: local }, anthropic: {} },
    });
    expect(keyFor("openai", endpoint(undefined, settings), settings)).toBe("sk-real");

    const error = await errorOf(() =>
      keyFor("openai", endpoint("https://api.openai.com/v1", settings), settings),
    );

    expect(error.code).toBe("missing_credentials");
    expect(error.message).toContain("OPENAI_API_KEY is set for another server than https://api.openai.com");
  });

  it("goes to no other server, allowed as it may be", () => {
    const settings = { ...keyed, allowedBaseUrls: [local] };
    expect(keyFor("openai", endpoint(local, settings), settings)).toBe("not-needed");
  });

  it("need not be set for a configured server of one's own", () => {
    const settings = settingsWith({ providers: { openai: { baseUrl: local }, anthropic: {} } });
    expect(keyFor("openai", endpoint(undefined, settings), settings)).toBe("not-needed");
  });

  it.each([
    ["openai", "OPENAI_API_KEY"],
    ["anthropic", "ANTHROPIC_API_KEY"],
  ] as const)("of %s is missed by name, with the way to do without", async (provider, variable) => {
    const settings = settingsWith();
    const error = await errorOf(() => keyFor(provider, endpoint(undefined, settings, provider), settings));
    expect(error.code).toBe("missing_credentials");
    expect(error.message).toContain(`${variable} is not set`);
    expect(error.message).toContain('provider "scripted"');
  });

  it.each(["sk-real\r\nx-evil: 1", "sk-réal", "sk real"])(
    "that no header can carry is refused unquoted (%#)",
    async (apiKey) => {
      const settings = settingsWith({ providers: { openai: { apiKey }, anthropic: {} } });
      const error = await errorOf(() => keyFor("openai", endpoint(), settings));
      expect(error.code).toBe("missing_credentials");
      expect(error.message).not.toContain(apiKey);
    },
  );
});

describe("a provider's public server", () => {
  it("is told apart from every server that the operator named: it gets no trace", () => {
    expect(isPublic("openai", endpoint())).toBe(true);
    expect(isPublic("anthropic", endpoint(undefined, keyed, "anthropic"))).toBe(true);
    for (const url of [
      "https://proxy.example/v1",
      "https://api.openai.com:8443/v1",
      "http://api.openai.com/v1",
    ]) {
      expect(isPublic("openai", new URL(url))).toBe(false);
    }
  });
});
