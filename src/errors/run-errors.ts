import type { ErrorKind } from "./error-kind.ts";

/** What a run ends with: the event was taken, and its sender learns of these by a `failed` event. */
export const runErrors = {
  // The definition and the input: the run is accepted and ends in a `failed` event.
  invalid_definition: {
    status: 422,
    actor: "sender",
    means: "The agent definition does not fit the schema; the path names the place.",
    fix: "Correct the definition; GET /schemas/agent-definition.json is its schema.",
  },
  unknown_agent: {
    status: 422,
    actor: "sender",
    means: "`agent` names no agent of this service.",
    fix: "Send `agent_definition`, or mount the agent in AGENTS_DIR.",
  },
  unknown_node: {
    status: 422,
    actor: "sender",
    means: "An edge names a node that is not in the definition.",
    fix: "Correct the name; the message offers a near miss.",
  },
  unknown_tool: {
    status: 422,
    actor: "sender",
    means: "A node names a tool that is neither defined nor built in.",
    fix: "Correct the name, or define the tool under tool_definitions.",
  },
  unknown_provider: {
    status: 422,
    actor: "sender",
    means: "A model names a provider that this service does not know, or whose package it does not have.",
    fix: "Use one of the providers that the message lists, or ask the operator for the package that it names.",
  },
  duplicate_name: {
    status: 422,
    actor: "sender",
    means: "Two nodes or two tools of the definition share a name.",
    fix: "Give each its own name.",
  },
  graph_unusable: {
    status: 422,
    actor: "us",
    means: "A module of GRAPH_MODULES cannot be loaded, or exports no compiled graph.",
    fix: "Correct the module that the message names, and restart.",
  },
  not_supported_yet: {
    status: 422,
    actor: "sender",
    means: "The definition uses a part of the language that this version does not run.",
    fix: "Leave the named part out, or use a version whose CHANGELOG lists it.",
  },
  base_url_not_allowed: {
    status: 422,
    actor: "sender",
    means: "The definition's base_url is not one that the operator allows.",
    fix: "Ask the operator to add the origin to MODEL_BASE_URLS.",
  },
  offline_model_refused: {
    status: 422,
    actor: "sender",
    means: "The scripted and echo providers are refused in production.",
    fix: "Use a real provider, or set ALLOW_OFFLINE_MODELS=true.",
  },
  missing_credentials: {
    status: 422,
    actor: "us",
    means: "No API key is configured for the model's provider; the message names the variable.",
    fix: "Set the named variable, or try the definition offline with provider `scripted`.",
  },
  invalid_input: {
    status: 422,
    actor: "sender",
    means: "The input of the run does not fit.",
    fix: "Send `input` as a string or as {messages: [{role, content}]}.",
  },

  // The run itself.
  model_refused: {
    status: 422,
    actor: "sender",
    means: "The model provider refused the request for good (4xx).",
    fix: "See the message: wrong model name, wrong key, or a request that it does not take.",
  },
  model_unavailable: {
    status: 503,
    actor: "later",
    means: "The model provider failed or was overloaded, also after retries.",
    fix: "Send the job again later, or add fallbacks to the model.",
  },
  egress_refused: {
    status: 422,
    actor: "sender",
    means: "A tool wanted to reach an address that is not public. The model is told so; it ends no run.",
    fix: "Use a public address, or ask the operator to list it in EGRESS_ALLOW.",
  },
  tool_unavailable: {
    status: 503,
    actor: "later",
    means: "An MCP server or a module that a tool of the definition comes from cannot be had.",
    fix: "Look at the server or the module that the message names; the run is tried again.",
  },
  vault_unavailable: {
    status: 503,
    actor: "later",
    means: "A secret that a tool names could not be read: Vault did not answer.",
    fix: "The run is tried again; operators: check Vault.",
  },
  tool_outcome_unknown: {
    status: 422,
    actor: "sender",
    means:
      "A tool call was cut off and nobody knows whether it took effect; on_unknown forbids a second try.",
    fix: "Look for the idempotency key of the message at the tool's server, then send the job again, or not.",
  },
  limit_exceeded: {
    status: 422,
    actor: "sender",
    means: "The run hit one of its limits (steps, seconds, tokens, tool calls).",
    fix: "Raise the limit in the definition, up to the operator's maximum.",
  },
  rejected: {
    status: 422,
    actor: "sender",
    means: "A person rejected the run at an approval node that writes no channel.",
    fix: "See the comment in the message; give the node a channel to write if the run should go on.",
  },
  graph_failed: {
    status: 422,
    actor: "sender",
    means: "A step of the graph threw; the message is the step's.",
    fix: "Correct the definition or its tools.",
  },
  attempts_exhausted: {
    status: 422,
    actor: "us",
    means: "The run was tried RUN_MAX_ATTEMPTS times without getting on.",
    fix: "See the logs of the attempts; then send the job again.",
  },
  lease_lost: {
    status: 503,
    actor: "later",
    means: "Another process took this run over.",
    fix: "Nothing: the run goes on there.",
  },
} as const satisfies Record<string, ErrorKind>;
