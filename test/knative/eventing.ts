import type { IBroker, ITrigger } from "@kubernetes-models/knative/eventing.knative.dev/v1";
import type { IEventType } from "@kubernetes-models/knative/eventing.knative.dev/v1beta2";
import type { IPingSource, ISinkBinding } from "@kubernetes-models/knative/sources.knative.dev/v1";
import { AgentError } from "../../src/errors/agent-error.ts";
import { type Command, readCommand } from "../../src/events/commands.ts";
import { readOverrides } from "../../src/events/outgoing.ts";
import { all, type Bundle } from "./manifests.ts";
import { check } from "./pods.ts";

const PREFIX = "dev.my-platform.agent";
const RESULTS = ["completed", "failed", "interrupted", "cancelled"].map((verb) => `${PREFIX}.${verb}`);

/** What the service does with an event of this type: its own words, not a list of ours. */
function commandOf(type: string): Command["kind"] | "refused" {
  const data = { kind: "json" as const, value: { job_id: "a-job", resume: true } };
  const event = { id: "1", source: "test", type, specversion: "1.0" as const, extensions: new Map(), data };
  try {
    return readCommand(event, PREFIX).kind;
  } catch (error) {
    if (error instanceof AgentError && error.code === "unsupported_event_type") return "refused";
    throw error;
  }
}

/** The types that the service takes, as it tells the sender of another one. */
export function takenTypes(): string[] {
  const data = { kind: "none" as const };
  const event = {
    id: "1",
    source: "test",
    type: "else",
    specversion: "1.0" as const,
    extensions: new Map(),
    data,
  };
  try {
    readCommand(event, PREFIX);
  } catch (error) {
    const found = String(error).match(/dev\.my-platform\.agent\.\w+/g) ?? [];
    if (found.length >= 3) return found.sort();
  }
  throw new Error("the service no longer says which types it takes");
}

export function eventingProblems(bundle: Bundle): string[] {
  const triggers = all<ITrigger>(bundle, "Trigger");
  return [
    ...triggers.flatMap((trigger) =>
      triggerProblems(trigger).map((problem) => `Trigger ${trigger.metadata?.name}: ${problem}`),
    ),
    ...coverageProblems(triggers),
    ...all<IBroker>(bundle, "Broker").flatMap(brokerProblems),
    ...eventTypeProblems(all<IEventType>(bundle, "EventType")),
    ...all<ISinkBinding>(bundle, "SinkBinding").flatMap((each) => sinkBindingProblems(each, triggers)),
    ...all<IPingSource>(bundle, "PingSource").flatMap(pingProblems),
  ];
}

function triggerProblems({ spec }: ITrigger): string[] {
  const type = spec?.filter?.attributes?.["type"];
  if (typeof type !== "string") return ["without a filter for a type every result would come back"];
  const command = commandOf(type);
  const { retry = 0, backoffPolicy, timeout, deadLetterSink } = spec?.delivery ?? {};
  return [
    ...check(command !== "own-result", `${type} is the service's own result: a loop`),
    ...check(command !== "refused", `the service does not take ${type}`),
    ...check(spec?.broker !== undefined && spec.broker !== "", "it needs a broker"),
    ...check(spec?.subscriber?.ref?.kind === "Service", "its subscriber must be the service"),
    ...check(retry >= 10 && backoffPolicy === "exponential", "it must outlast a restart by retries"),
    ...check(timeout === "PT10M", "it must wait as long as the service may take to answer (600 s)"),
    ...check(!!deadLetterSink?.ref, "what nobody takes must go somewhere"),
  ];
}

/** Together the Triggers must bring all that the service takes, each type once. */
function coverageProblems(triggers: readonly ITrigger[]): string[] {
  const types = triggers.map(({ spec }) => spec?.filter?.attributes?.["type"]);
  return takenTypes().flatMap((type) => {
    const count = types.filter((each) => each === type).length;
    return check(count === 1, `${count} Triggers for ${type}`);
  });
}

function brokerProblems({ metadata, spec }: IBroker): string[] {
  const brokerClass = metadata?.annotations?.["eventing.knative.dev/broker.class"];
  return [
    ...check(brokerClass !== undefined, `Broker ${metadata?.name}: its class must be said`),
    ...check(
      (spec?.delivery?.retry ?? 0) > 0,
      `Broker ${metadata?.name}: without retries a restart loses events`,
    ),
  ];
}

function eventTypeProblems(eventTypes: readonly IEventType[]): string[] {
  const declared = eventTypes.map(({ spec }) => spec?.type ?? "").sort();
  const meant = [...takenTypes(), ...RESULTS].sort();
  return [
    ...check(declared.join() === meant.join(), `EventTypes are ${declared}, meant are ${meant}`),
    ...RESULTS.flatMap((type) =>
      check(commandOf(type) === "own-result", `${type} is no result of the service`),
    ),
  ];
}

function sinkBindingProblems({ spec }: ISinkBinding, triggers: readonly ITrigger[]): string[] {
  const sameBroker = triggers.every((trigger) => trigger.spec?.broker === spec?.sink?.ref?.name);
  const { kind, name, selector } = spec?.subject ?? {};
  return [
    ...check(kind === "Service" && name === "agent-executor" && !selector, "SinkBinding: not on the service"),
    ...check(sameBroker, "SinkBinding: results go to another broker than the one that jobs come from"),
    ...overrideProblems(JSON.stringify(spec?.ceOverrides ?? {})),
  ];
}

/** The service would refuse to start with overrides that it cannot take. */
function overrideProblems(text: string): string[] {
  try {
    readOverrides(text);
    return [];
  } catch (error) {
    return [`SinkBinding: ${error}`];
  }
}

function pingProblems({ spec }: IPingSource): string[] {
  return [
    ...check(spec?.sink?.ref?.kind === "Service", "PingSource: it must wake the service"),
    ...check(
      spec?.contentType === "application/json" && spec.data === "{}",
      "PingSource: its data must be JSON",
    ),
    ...check(/^(\*|\*\/[1-5]) \* \* \* \*$/.test(spec?.schedule ?? ""), "PingSource: every few minutes"),
    ...check(commandOf("dev.knative.sources.ping") === "ping", "PingSource: the service takes no pings"),
  ];
}
