import { describe, expect, it } from "vitest";
import { toInput } from "../../src/agents/input.ts";
import { errorOf } from "./support.ts";

describe("the input of a run", () => {
  it("may be a string: one user message", () => {
    expect(toInput("Hello!")).toEqual({ messages: [{ role: "user", content: "Hello!" }] });
  });

  it.each(["user", "human", "assistant", "ai", "system"])("may hold messages of role %s", (role) => {
    const input = { messages: [{ role, content: "Hello!" }] };
    expect(toInput(input)).toEqual(input);
  });

  it("passes content parts on as they are", () => {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } };
    const input = { messages: [{ role: "user", content: [{ type: "text", text: "What is it?" }, image] }] };
    expect(toInput(input)).toEqual(input);
  });

  it("may be empty for a pipeline, which may need nothing to begin with", () => {
    expect(toInput({}, { shape: "pipeline", channels: [] })).toMatchObject({ turn_input: {} });
  });

  const message = { role: "user", content: "a" };
  it.each([
    ["nothing", undefined, "/input"],
    ["null", null, "/input"],
    ["a number", 5, "/input"],
    ["a list", [message], "/input"],
    ["an empty string", "", "/input"],
    ["an empty object", {}, "/input/messages"],
    ["no message", { messages: [] }, "/input/messages"],
    ["messages that are no list", { messages: "Hello!" }, "/input/messages"],
    ["a field that nobody reads", { messages: [message], topic: "cats" }, "/input/topic"],
    ["a misspelt field", { mesages: [message] }, "/input/mesages"],
    ["a message that is a text", { messages: ["Hello!"] }, "/input/messages/0"],
    ["a message without role", { messages: [message, { content: "a" }] }, "/input/messages/1/role"],
    ["an unknown role", { messages: [{ role: "usr", content: "a" }] }, "/input/messages/0/role"],
    [
      "a tool's answer without its call",
      { messages: [{ role: "tool", content: "a" }] },
      "/input/messages/0/role",
    ],
    ["a message without content", { messages: [{ role: "user" }] }, "/input/messages/0/content"],
    ["an empty message", { messages: [{ role: "user", content: "" }] }, "/input/messages/0/content"],
    ["no content parts", { messages: [{ role: "user", content: [] }] }, "/input/messages/0/content"],
    ["a part without type", { messages: [{ role: "user", content: ["a"] }] }, "/input/messages/0/content/0"],
    ["a field of a message", { messages: [{ ...message, name: "x" }] }, "/input/messages/0/name"],
  ])("is refused when it is or has %s", async (_, input, path) => {
    expect(await errorOf(() => toInput(input))).toMatchObject({ code: "invalid_input", path });
  });

  it("offers near misses", async () => {
    expect((await errorOf(() => toInput({ mesages: [] }))).message).toContain('did you mean "messages"');
    const wrongRole = { messages: [{ role: "asistant", content: "a" }] };
    expect((await errorOf(() => toInput(wrongRole))).message).toContain('did you mean "assistant"');
  });
});
