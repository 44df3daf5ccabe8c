import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expectEndOf, expectTheSameEnd, repeats } from "./expectations.ts";
import { cutEverywhere, type Laboratory, openLaboratory } from "./laboratory.ts";
import type { Place } from "./plan.ts";
import { callsOf, journalKey, type Story } from "./story.ts";

vi.setConfig({ testTimeout: 60_000 }); // tests that run at once share the processes of all their runs

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab.close());

const behindEffects = (place: Place) => "step" in place && place.when === "after";
/** The two moments at which most can be lost: an effect without its result, a result without its checkpoint. */
const worst = (place: Place) =>
  behindEffects(place) || ("saver" in place && place.saver === "put" && place.when === "before");
const infosOf = (story: Story, step: string) =>
  story.effects.filter((effect) => effect.step === step).map(({ info }) => info);

describe.concurrent("an agent that calls four tools in one turn", () => {
  it("runs those again that had not finished, and the model not at all", async () => {
    const cut = { dies: { step: "write 2", when: "after", committed: 3 }, waits: ["send 3"] } as const;
    const [calm, story] = await lab.stories([
      { graph: "agent", attempts: [{}] },
      { graph: "agent", attempts: [cut, {}] },
    ]);

    expect(story?.ran).toEqual({ ...calm?.ran, "write 2": 2 });
    expect(story?.repeated).toEqual([]);
    if (calm && story) expectEndOf(story, calm);
  });

  it("ends as if left alone, wherever it is cut, once or twice, and repeats nothing committed", async () => {
    const everywhere = await cutEverywhere(lab, "agent", { only: worst });

    expectTheSameEnd(everywhere);
    expect(repeats(everywhere)).toEqual([]);
  });

  it("shows each tool its call, its task and its namespace, the same ones after a kill", async () => {
    const story = await lab.story("agent", { dies: { step: "write 2", when: "after" } }, {});

    const [first, second] = infosOf(story, "write 2");
    expect(second).toMatchObject({ task: first?.task, ns: first?.ns, toolCallId: first?.toolCallId });
    expect(first).toMatchObject({ ns: `tools:${first?.task}`, toolCallId: expect.stringMatching(/^call_/) });
  });

  it("tells two calls of one tool with the same arguments apart, by task and by call", async () => {
    const [first, second] = infosOf(await lab.story("agent", {}), "send 3");

    expect(first?.task).not.toBe(second?.task);
    expect(first?.toolCallId).not.toBe(second?.toolCallId);
  });
});

describe.concurrent("a graph of one's own with LangGraph's tool node in it", () => {
  it("runs all calls of a turn as one task: one that had finished runs again with the others", async () => {
    const story = await lab.story("toolNode", { dies: { step: "write 2", when: "after" } }, {});

    expect(story.ran).toEqual({ "model says 1": 1, "read 1": 2, "write 2": 2, "send 3": 4 });
    const tasks = story.effects.slice(1).map(({ info }) => info.task);
    expect(new Set(tasks).size).toBe(1);
    expect(callsOf(story)).toEqual({ "model says 1": 1, "read 1": 1, "write 2": 1, "send 3": 2 });
  });
});

describe.concurrent("a deep agent whose sub-agent is cut", () => {
  it("goes on in the sub-agent: neither its model nor the other agent is asked again", async () => {
    const [calm, story] = await lab.stories([
      { graph: "deepAgent", attempts: [{}] },
      { graph: "deepAgent", attempts: [{ dies: { step: "send 4", when: "after" } }, {}] },
    ]);

    expect(story?.ran).toEqual({ ...calm?.ran, "send 4": 2 });
    if (calm && story) expectEndOf(story, calm);
  });

  // The two tools race, and only when the cut falls between their ends is there one to repeat.
  it("runs finished tools of the cut turn of the sub-agent again, each under its own key", {
    retry: 4,
  }, async () => {
    const cut = { dies: { step: "write 2", when: "after", committed: 6 }, waits: ["send 3"] } as const;
    const story = await lab.story("deepAgent", cut, {});

    expect(story.repeated).toEqual(["read 1"]);
    const [first, second] = infosOf(story, "read 1");
    expect(second).toMatchObject({ task: first?.task, ns: first?.ns, toolCallId: first?.toolCallId });
    expect(first?.ns).toMatch(/^tools:[^|]+\|tools:[^|]+$/);
  });

  it("ends as if left alone wherever it is cut, each call under the key it had", async () => {
    expectTheSameEnd(await cutEverywhere(lab, "deepAgent", { times: 1, only: worst }));
  });

  it("repeats nothing committed when its sub-agent is called without the key checkpoint_id", async () => {
    const everywhere = await cutEverywhere(lab, "deepAgentKept", { times: 1, only: worst });

    expectTheSameEnd(everywhere);
    expect(repeats(everywhere)).toEqual([]);
  });
});

describe.concurrent("two sub-agents at once with the same task", () => {
  it("end as if left alone, each call under a key of its own that it keeps", async () => {
    expectTheSameEnd(await cutEverywhere(lab, "deepAgentTwice", { times: 1, only: behindEffects }));
  });

  it("make the same calls by the same ids, so that these alone are no key, nor is the task in a tool node", async () => {
    const [twice, toolNode] = await lab.stories([
      { graph: "deepAgentTwice", attempts: [{}] },
      { graph: "toolNode", attempts: [{}] },
    ]);

    expect(twice && callsOf(twice, ({ info }) => String(info.toolCallId))).toMatchObject({ "send 3": 1 });
    expect(twice && callsOf(twice, journalKey)).toMatchObject({ "send 3": 2 });
    expect(toolNode && callsOf(toolNode, ({ info }) => info.task)).toMatchObject({ "send 3": 1 });
    expect(toolNode && callsOf(toolNode, journalKey)).toMatchObject({ "send 3": 2 });
  });
});
