import { describe, expect, it } from "vitest";
import { readOverrides } from "../../src/events/outgoing.ts";

const extensions = (value: unknown) => JSON.stringify({ extensions: value });

describe("K_CE_OVERRIDES", () => {
  it.each([undefined, "", "  ", "{}", '{"extensions":{}}', '{"extensions":null}', '{"other":1}'])(
    "holds nothing when it is %j",
    (text) => {
      expect(readOverrides(text).size).toBe(0);
    },
  );

  it("gives its extensions in the order of their names, so that the bytes of events do not depend on a setting's order", () => {
    expect([...readOverrides(extensions({ team: "blue", env: "prod € %", traceparent: "" }))]).toEqual([
      ["env", "prod € %"],
      ["team", "blue"],
      ["traceparent", ""],
    ]);
  });

  it.each([
    ["text that is no JSON", "{", "is not JSON"],
    ["a list", "[]", "must be a JSON object"],
    ["null", "null", "must be a JSON object"],
    ["a string", '"x"', "must be a JSON object"],
    ["extensions that are a list", extensions([]), "must be an object"],
    ["extensions that are text", extensions("x"), "must be an object"],
    ["a core attribute", extensions({ id: "x" }), '"id" is part of CloudEvents'],
    ["another core attribute", extensions({ datacontenttype: "x" }), "is part of CloudEvents"],
    ["data", extensions({ data: "x" }), "is part of CloudEvents"],
    ["data_base64", extensions({ data_base64: "x" }), "is part of CloudEvents"],
    ["a capital in a name", extensions({ Team: "x" }), "a-z and 0-9"],
    ["a line break in a name", extensions({ "a\r\nb": "x" }), '"a\\r\\nb" may only hold'],
    ["an empty name", extensions({ "": "x" }), "a-z and 0-9"],
    ["the prototype as a name", '{"extensions":{"__proto__":"x"}}', "a-z and 0-9"],
    ["a number", extensions({ team: 5 }), '"team" must be a string'],
    ["null as a value", extensions({ team: null }), "must be a string"],
    ["a line break in a value", extensions({ team: "a\r\nb" }), "control character"],
    ["DEL in a value", extensions({ team: "\x7f" }), "control character"],
    ["half a surrogate pair", '{"extensions":{"team":"\\ud800"}}', "no Unicode"],
  ])("stops the start for %s", (_, text, message) => {
    expect(() => readOverrides(text)).toThrow(message);
    expect(() => readOverrides(text)).toThrow(/^K_CE_OVERRIDES[^\n]*$/);
  });
});
