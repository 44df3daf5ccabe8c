import { afterAll } from "vitest";
import { witness } from "./witness.ts";

// Set up for every test file: one that was shown a secret fails, whatever it tested.
afterAll(() => {
  witness.testify();
  if (witness.hits.length > 0) throw new Error(`secrets were shown:\n${witness.hits.join("\n")}`);
});
