type Package = { readonly package: string; readonly className: string; readonly mostTokens?: string };

/**
 * Providers whose package the operator may add, under the names of LangChain's universal loader.
 * Not among them: azure_openai, whose servers speak the OpenAI API (provider `openai` with a
 * base_url), and langsmith, a gateway to which prompts would go through a third party.
 */
export const UNIVERSAL = {
  aws: { package: "@langchain/aws", className: "ChatBedrockConverse" },
  bedrock: { package: "@langchain/aws", className: "ChatBedrockConverse" },
  cerebras: { package: "@langchain/cerebras", className: "ChatCerebras" },
  cohere: { package: "@langchain/cohere", className: "ChatCohere" },
  deepseek: { package: "@langchain/deepseek", className: "ChatDeepSeek" },
  fireworks: { package: "@langchain/fireworks", className: "ChatFireworks" },
  google: { package: "@langchain/google", className: "ChatGoogle", mostTokens: "maxOutputTokens" },
  "google-genai": {
    package: "@langchain/google-genai",
    className: "ChatGoogleGenerativeAI",
    mostTokens: "maxOutputTokens",
  },
  "google-vertexai": {
    package: "@langchain/google-vertexai",
    className: "ChatVertexAI",
    mostTokens: "maxOutputTokens",
  },
  groq: { package: "@langchain/groq", className: "ChatGroq" },
  mistralai: { package: "@langchain/mistralai", className: "ChatMistralAI" },
  ollama: { package: "@langchain/ollama", className: "ChatOllama", mostTokens: "numPredict" },
  perplexity: { package: "@langchain/perplexity", className: "ChatPerplexity" },
  together: { package: "@langchain/together-ai", className: "ChatTogetherAI" },
  xai: { package: "@langchain/xai", className: "ChatXAI" },
} as const satisfies Record<string, Package>;

export type UniversalProvider = keyof typeof UNIVERSAL;

export const UNIVERSAL_PROVIDERS = Object.keys(UNIVERSAL) as UniversalProvider[]; // the keys written above
