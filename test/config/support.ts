import { expect } from "vitest";
import { readConfig } from "../../src/config.ts";

export type Env = Record<string, string | undefined>;
export const configOf = (env: Env) => readConfig(env).config;
export const notesOf = (env: Env) => readConfig(env).notes.join("\n");

/** The lines under the headline of the one start-up error. */
export function problemsOf(env: Env): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    const [headline, ...lines] = String((error as Error).message).split("\n");
    expect(headline).toBe("The configuration is not usable:");
    return lines.map((line) => line.trim());
  }
}
