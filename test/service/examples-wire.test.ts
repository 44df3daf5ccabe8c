import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../agents/tool-server.ts";
import { resumeEvent } from "../support/approvals.ts";
import { type ModelReply, type ModelServer, startModelServer } from "../support/model-server.ts";
import { postEvent, type Reply, send } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";

const folder = resolve(import.meta.dirname, "../../examples");

type Call = {
  prompt: string;
  said: string[];
  tools: string[];
  model: string;
  temperature: unknown;
  maxTokens: unknown;
};
type Message = { role: string; content: unknown };

describe("an example on the wire", () => {
  let models: ModelServer;
  let tools: ToolServer;
  let service: TestService;
  beforeAll(async () => {
    models = await startModelServer();
    tools = await startToolServer();
    service = await startTestService({
      OPENAI_BASE_URL: models.openaiUrl,
      OPENAI_API_KEY: "test-key",
      EGRESS_ALLOW: "127.0.0.0/8",
      AGENTS_DIR: join(folder, "agents"),
      GRAPH_MODULES: `shout=${join(folder, "graphs/shout.mjs")}`,
    });
  });
  beforeEach(() => {
    models.requests.length = 0;
    tools.seen.length = 0;
  });
  afterAll(async () => {
    await service.close();
    await models.close();
    await tools[Symbol.asyncDispose]();
  });

  const post = async (name: string): Promise<Reply> => {
    const headers = { "content-type": "application/cloudevents+json" };
    const event = readFileSync(join(folder, `${name}.event.json`), "utf8");
    return await send("POST", service.url, event.replaceAll("http://127.0.0.1:8081", tools.url), { headers });
  };
  const completed = (reply: Reply) => {
    expect(reply.json()).toMatchObject({ result: { status: "completed" } });
    return (reply.json() as { result: Record<string, unknown> }).result;
  };
  /** What the server saw, a line for each model call. */
  const calls = (): Call[] =>
    models.requests.map(({ json }) => {
      const messages = json["messages"] as Message[];
      const text = ({ content }: Message) =>
        typeof content === "string"
          ? content
          : (content as { text: string }[]).map((part) => part.text).join("");
      return {
        prompt: messages
          .filter(({ role }) => role === "system")
          .map(text)
          .join("\n"),
        said: messages.filter(({ role }) => role !== "system").map((each) => `${each.role}: ${text(each)}`),
        tools: ((json["tools"] ?? []) as { function: { name: string } }[]).map((tool) => tool.function.name),
        model: String(json["model"]),
        temperature: json["temperature"],
        maxTokens: json["max_tokens"] ?? json["max_completion_tokens"],
      };
    });
  /** Each prompt has its answers, by a word of it; the last repeats. */
  const answers = (table: Record<string, ModelReply[]>) => {
    const given = new Map<string, number>();
    models.reply(({ body }) => {
      const found = Object.entries(table).find(([word]) => body.includes(word));
      if (found === undefined) throw new Error(`nobody answers ${body.slice(0, 300)}`);
      const [word, list] = found;
      const count = given.get(word) ?? 0;
      given.set(word, count + 1);
      return list[count] ?? list.at(-1) ?? "";
    });
  };
  const task = (to: string, description: string): ModelReply => ({
    tool_calls: [{ name: "task", args: { subagent_type: to, description } }],
  });

  it("research-team delegates to specialists, each with its model, prompt and tools", async () => {
    answers({
      "You lead a research team": [
        task("researcher", "Find ages"),
        task("writer", "Write it"),
        "Bees get six weeks old.",
      ],
      "You find facts": [{ tool_calls: [{ name: "search", args: { query: "bee age" } }] }, "Six weeks."],
      "You write short texts": [task("checker", "Look at it"), "A text."],
      "You check texts": ["No mistakes."],
    });

    const result = completed(await post("research-team"));

    expect(result["output"]).toBe("Bees get six weeks old.");
    expect(tools.seen.map(({ url }) => url)).toEqual(["/search?q=bee%20age"]);
    const seen = calls();
    const of = (word: string) => seen.filter(({ prompt }) => prompt.includes(word));
    const lead = of("You lead");
    expect(lead.map(({ model, temperature }) => [model, temperature])).toEqual(
      Array(3).fill(["gpt-4o", 0.1]),
    );
    expect(lead[0]?.tools).toEqual(expect.arrayContaining(["task", "write_todos", "read_file"]));
    expect(lead[0]?.tools).not.toContain("search");
    expect(JSON.stringify(models.requests[0]?.json["tools"])).toContain(
      "researcher: Finds facts in the library.",
    );
    expect(JSON.stringify(models.requests[0]?.json["tools"])).not.toContain("checker");
    const [find, found] = of("You find facts");
    expect(find).toMatchObject({ model: "gpt-4o-mini", temperature: 0, said: ["user: Find ages"] });
    expect(find?.tools).toContain("search");
    expect(find?.tools).not.toContain("task");
    expect(found?.said.at(-1)).toBe('tool: {"ok":true}');
    const [write] = of("You write short texts");
    expect(write).toMatchObject({ temperature: 0.9, said: ["user: Write it"] });
    expect(write?.tools).toContain("task");
    expect(of("You check texts")).toMatchObject([
      { temperature: 0.3, maxTokens: 100, said: ["user: Look at it"] },
    ]);
  });

  it("review-pipeline asks three reviewers at once and one editor behind them", async () => {
    answers({
      "Review the style": [{ content: "Short.", delay_ms: 200 }],
      "Review the facts": ["Bees are insects."],
      "Review the tone": ["Firm."],
      "Sum the notes up": ["Correct it."],
    });

    const result = completed(await post("review-pipeline"));

    expect(result["state"]).toEqual({
      text: "Bees are birds.",
      notes: ["Bees are insects.", "Short.", "Firm."], // by the ids of their nodes, whoever was first
      verdict: "Correct it.",
    });
    expect(result["output"]).toEqual(result["state"]);
    const seen = calls();
    expect(
      seen
        .slice(0, 3)
        .map(({ temperature }) => temperature)
        .toSorted(),
    ).toEqual([0, 0.2, 0.5]);
    expect(seen[0]?.said).toEqual(["user: text:\nBees are birds."]);
    expect(seen).toHaveLength(4);
    expect(seen[3]).toMatchObject({ model: "gpt-4o", temperature: 0.1, prompt: "Sum the notes up." });
    expect(seen[3]?.said.join()).toContain('"Bees are insects.",\n  "Short.",\n  "Firm."');
  });

  it("critic-loop goes round until the marks are good", async () => {
    const marks = (score: number, advice: string): ModelReply => ({
      tool_calls: [{ name: "answer", args: { score, advice } }],
    });
    answers({
      "Write a slogan": ["Honey!", "Honey, honey!"],
      "Give the newest draft": [marks(4, "Longer."), marks(9, "Fine.")],
    });

    const result = completed(await post("critic-loop"));

    expect(result["state"]).toEqual({ drafts: ["Honey!", "Honey, honey!"], score: 9, advice: "Fine." });
    expect(result["structured"]).toEqual({ score: 9, advice: "Fine." });
    expect(calls().map(({ temperature }) => temperature)).toEqual([0.9, 0, 0.9, 0]);
    expect(calls()[1]?.tools).toEqual(["answer"]);
    expect(calls()[2]?.said).toEqual(["user: A slogan for honey.", "user: advice:\nLonger."]);
  });

  it("critic-loop takes no marks that do not fit the schema", async () => {
    answers({ "Write a slogan": ["Honey!"], "Give the newest draft": ["Nine, I would say."] });
    const event = JSON.parse(readFileSync(join(folder, "critic-loop.event.json"), "utf8"));

    const reply = await postEvent(service.url, {
      ...event,
      id: "loop-2",
      data: { ...event.data, job_id: "loop-2" },
    });

    expect(reply.json()).toMatchObject({ error: { code: "graph_failed" } });
    expect(String((reply.json() as { error: { message: string } }).error.message)).toContain("output_schema");
  });

  it.each([
    ["approve", "It is out.", "Say that it is published."],
    ["reject", "It is not out.", "Say that it is not published, and why."],
  ])("approval: %s", async (decision, output, prompt) => {
    answers({
      "Write an announcement": ["Apples!"],
      "Say that it is published": ["It is out."],
      "Say that it is not published": ["It is not out."],
    });
    const event = JSON.parse(readFileSync(join(folder, "approval.event.json"), "utf8"));
    const jobId = `approval-${decision}`;

    const asked = await postEvent(service.url, {
      ...event,
      id: jobId,
      data: { ...event.data, job_id: jobId },
    });
    const { interrupts } = asked.json() as { interrupts: Record<string, unknown>[] };
    const decisions = [{ interrupt_id: interrupts[0]?.["interrupt_id"], decision, comment: "so be it" }];
    const reply = await postEvent(service.url, resumeEvent(jobId, { decisions }));

    expect(interrupts).toMatchObject([
      { kind: "approval", message: "May this be published?", allowed: ["approve", "reject"] },
    ]);
    expect(JSON.stringify(interrupts)).toContain("Apples!");
    expect(completed(reply)["output"]).toBe(output);
    expect(calls().map((call) => call.prompt)).toEqual(["Write an announcement.", prompt]);
  });

  it("router asks for one of the labels and goes there alone", async () => {
    answers({
      "Where does the question belong": ["I would say: the money desk", "**Billing**."],
      bills: ["A mistake."],
    });

    const result = completed(await post("router"));

    expect(result["output"]).toBe("A mistake.");
    const seen = calls();
    expect(seen.map(({ maxTokens, temperature }) => [temperature, maxTokens])).toEqual([
      [0, 5],
      [0, 5],
      [0.2, undefined],
    ]);
    expect(seen[0]?.prompt).toContain("billing, technical");
    expect(seen[2]?.said).toEqual(["user: Why did I pay twice?"]);
  });

  it("structured-output gives the object and lets the model correct itself", async () => {
    const answer = (args: object): ModelReply => ({ tool_calls: [{ name: "answer", args: { ...args } }] });
    models.reply([answer({ name: "Ada", age: "old" }), answer({ name: "Ada", age: 36 })]);

    const result = completed(await post("structured-output"));

    expect(result["structured"]).toEqual({ name: "Ada", age: 36 });
    expect(calls()[1]?.said.at(-1)).toMatch(/^tool: /);
  });

  it("tool-step calls the tool with arguments from the state", async () => {
    tools.reply((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end('{"degrees":7}');
    });
    models.reply(["It is cold."]);

    const result = completed(await post("tool-step"));

    expect(tools.seen.map(({ url }) => url)).toEqual(["/weather?city=Oslo"]);
    expect(result).toMatchObject({ output: "It is cold.", state: { city: "Oslo", weather: { degrees: 7 } } });
    expect(calls()[0]?.said.join()).toContain('"degrees": 7');
  });

  it("named-agent runs the definition of the file", async () => {
    models.reply(["Hi."]);

    const result = completed(await post("named-agent"));

    expect(result["output"]).toBe("Hi.");
    expect(calls()).toMatchObject([
      {
        prompt: "You greet people.\nBe short.\n",
        temperature: 0.6,
        model: "gpt-4o-mini",
        said: ["user: Hello!"],
      },
    ]);
  });

  it("graph-module runs the operator's graph as it is", async () => {
    expect(completed(await post("graph-module"))["output"]).toBe("IS ANYBODY THERE?!");
    expect(models.requests).toEqual([]);
  });

  it("and the nested definition of the service that came before, with a specialist and a state schema", async () => {
    answers({ "You orchestrate": [task("helper", "Say hi"), "Done."], "You help": ["Hi."] });
    const config = (name: string, prompt: string) => ({
      name,
      model: { provider: "openai", model: "gpt-4o" },
      system_prompt: prompt,
      tools: [],
    });
    const state = {
      messages: { type: "list", item_type: "dict", reducer: "add_messages" },
      topic: { type: "str" },
    };
    const agent_definition = {
      tool_definitions: [],
      nodes: [
        {
          id: "o",
          type: "Orchestrator",
          config: { ...config("main", "You orchestrate."), state_schema: state },
        },
        { id: "h", type: "Specialist", config: config("helper", "You help people with what they need.") },
      ],
      edges: [{ from: "o", to: "h" }],
    };
    const input_payload = { messages: [{ role: "user", content: "Hello" }], topic: "greetings" };

    const reply = await postEvent(service.url, {
      id: "nested-1",
      source: "tests",
      type: "dev.my-platform.agent.execute",
      data: { job_id: "nested-1", agent_definition, input_payload },
    });

    expect(completed(reply)).toMatchObject({ output: "Done.", state: { topic: "greetings" } });
    expect(calls().map(({ said }) => said[0])).toEqual(["user: Hello", "user: Say hi", "user: Hello"]);
    expect(JSON.stringify(models.requests[0]?.json["tools"])).toContain(
      "helper: You help people with what they need.",
    );
  });
});
