/**
 * Who must act before the same thing can succeed: the sender of the event, a later retry of the
 * same bytes, or the people who run this service.
 */
export type Actor = "sender" | "later" | "us";

export type ErrorKind = {
  /** The status of an HTTP answer that carries this error. Failures of a run never become a status. */
  readonly status: number;
  readonly actor: Actor;
  /** What happened, and what to do: one line each, printed in docs/errors.md. */
  readonly means: string;
  readonly fix: string;
};

/** Every error of the service, once. Codes are part of the contract: never rename, only add. */
export const catalogue = {
  // The door: the event cannot become a run.
  invalid_event: {
    status: 400,
    actor: "sender",
    means: "The request is not a usable CloudEvent; the message names the attribute or the place.",
    fix: "Correct the named attribute and send the event again.",
  },
  invalid_request: {
    status: 400,
    actor: "sender",
    means: "A query parameter or a path of the jobs API is malformed.",
    fix: "Correct the named parameter.",
  },
  unsupported_event_type: {
    status: 422,
    actor: "sender",
    means: "The event type is not one that this service takes.",
    fix: "Send one of the execute, resume or cancel types, or filter the trigger by type.",
  },
  unauthenticated: {
    status: 401,
    actor: "sender",
    means: "The request carries no valid bearer token.",
    fix: "Send a token of the configured issuer and audience.",
  },
  forbidden: {
    status: 403,
    actor: "sender",
    means: "The caller may not use this service, or the job is someone else's.",
    fix: "Use the identity that started the job, or ask the operator to list yours.",
  },
  unknown_job: {
    status: 404,
    actor: "sender",
    means: "No job of this id is stored.",
    fix: "Check the job id; final jobs are deleted after RETENTION_DAYS.",
  },
  not_found: {
    status: 404,
    actor: "sender",
    means: "No such route.",
    fix: "See /openapi.json for the routes.",
  },
  method_not_allowed: {
    status: 405,
    actor: "sender",
    means: "The route exists, the method does not.",
    fix: "Use a method of the Allow header.",
  },
  slow_body: {
    status: 408,
    actor: "later",
    means: "The request body did not arrive within BODY_TIMEOUT_SECONDS.",
    fix: "Send the event again over a faster connection.",
  },
  unknown_run: {
    status: 422,
    actor: "sender",
    means: "The event is about a job or a run that is not stored.",
    fix: "Check the ids; final jobs are deleted after RETENTION_DAYS.",
  },
  unknown_interrupt: {
    status: 422,
    actor: "sender",
    means: "The decision names no interrupt of this job, or the job waits for nobody.",
    fix: "Take interrupt_id from the interrupted event or from GET /jobs/{job_id}.",
  },
  interrupt_answered: {
    status: 422,
    actor: "sender",
    means: "Another decision for this interrupt came first; only the first counts.",
    fix: "Look at the job: its run goes on with the first decision.",
  },
  lost_race: {
    status: 409,
    actor: "sender",
    means: "Somebody else decided this interrupt first (jobs API).",
    fix: "Look at the job: its run goes on with the first decision.",
  },
  not_retryable: {
    status: 409,
    actor: "sender",
    means: "The run cannot be retried: it has completed, or a later turn has begun (jobs API).",
    fix: 'Send a new execute event, or retry from "input".',
  },
  interrupt_closed: {
    status: 422,
    actor: "sender",
    means: "The interrupt cannot be decided any more: its time is over, or its run has ended.",
    fix: "Look at the job; send a new execute event if the work is still wanted.",
  },
  decision_not_allowed: {
    status: 422,
    actor: "sender",
    means: "The decision does not fit what was asked: its kind, its arguments or its args_digest.",
    fix: "Send one of the allowed decisions, with arguments that fit the tool's schema.",
  },
  run_in_progress: {
    status: 409,
    actor: "later",
    means: "The job is at work and asks nothing at the moment.",
    fix: "Send the decision once an interrupted event has come.",
  },
  duplicate_in_progress: {
    status: 409,
    actor: "later",
    means: "A copy of this event is being worked on and another request already waits for it.",
    fix: "Nothing: the outcome is on its way. A later retry gets the stored answer.",
  },
  body_too_large: {
    status: 413,
    actor: "sender",
    means: "The request body is larger than MAX_BODY_BYTES.",
    fix: "Send less, or raise MAX_BODY_BYTES.",
  },
  unsupported_media_type: {
    status: 415,
    actor: "sender",
    means: "The content type, charset or content encoding is not one that this service reads.",
    fix: "Send UTF-8 JSON, uncompressed, as a binary, structured or batched CloudEvent.",
  },
  not_supported: {
    status: 422,
    actor: "sender",
    means: "The event asks for something that this version does not do.",
    fix: "See the message for what is missing and the CHANGELOG for what is there.",
  },
  too_many_requests: {
    status: 429,
    actor: "later",
    means: "More requests are in flight, or more runs are queued, than the limits allow.",
    fix: "Send the event again after Retry-After seconds.",
  },
  headers_too_large: {
    status: 431,
    actor: "sender",
    means: "The header block is larger than 16 KiB.",
    fix: "Send the event in structured mode.",
  },
  shutting_down: {
    status: 503,
    actor: "later",
    means: "This process is stopping; the run, if there is one, goes on elsewhere.",
    fix: "Send the event again after Retry-After seconds.",
  },
  not_ready: {
    status: 503,
    actor: "later",
    means: "The service has not finished connecting, so nothing was stored.",
    fix: "Send the event again after Retry-After seconds; /ready says what is missing.",
  },
  database_unavailable: {
    status: 503,
    actor: "later",
    means: "Postgres did not answer.",
    fix: "Send the event again after Retry-After seconds; operators: check Postgres.",
  },
  issuer_unavailable: {
    status: 503,
    actor: "later",
    means: "The keys that would prove the bearer token could not be fetched from its issuer.",
    fix: "Send the request again after Retry-After seconds; operators: check OIDC_ISSUER and OIDC_JWKS_URL.",
  },
  sink_unavailable: {
    status: 503,
    actor: "later",
    means: "The run is finished and stored, but K_SINK did not take its result in time.",
    fix: "Nothing: the result is sent again until the sink takes it.",
  },
  nats_unavailable: {
    status: 503,
    actor: "later",
    means: "NATS did not take what was sent to it.",
    fix: "Nothing: it is sent again; operators: check NATS_URL and the limits of the streams.",
  },
  deliveries_exhausted: {
    status: 422,
    actor: "us",
    means: "NATS delivered a message NATS_MAX_DELIVER times and it never became a run.",
    fix: "See the logs for why it was put off; then send the copy on agent.dead again.",
  },
  internal: {
    status: 500,
    actor: "us",
    means: "A defect of this service; the log line of the request has the details.",
    fix: "Report it with the log line.",
  },

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

export type ErrorCode = keyof typeof catalogue;
