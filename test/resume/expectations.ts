import { expect } from "vitest";
import type { CutEverywhere } from "./laboratory.ts";
import { callsOf, lasting, type Story } from "./story.ts";

/** Each cut run ended as the one that was left alone, and each call of it is known by the same key. */
export function expectTheSameEnd({ calm, cut }: CutEverywhere): void {
  expect(cut.length).toBeGreaterThan(5);
  const wrong = cut.filter(({ story }) => {
    const sameState = equal(lasting(story.state), lasting(calm.state));
    return story.error !== undefined || !sameState || !equal(callsOf(story), calm.ran);
  });
  expect(wrong).toEqual([]);
}

/** Steps that ran again although their result was committed, with the place where the run was cut. */
export function repeats({ cut }: CutEverywhere): unknown[] {
  return cut
    .filter(({ story }) => story.repeated.length > 0)
    .map(({ dies, story }) => [dies, story.repeated]);
}

export function expectEndOf(story: Story, calm: Story): void {
  expect(story.error).toBeUndefined();
  expect(lasting(story.state)).toEqual(lasting(calm.state));
}

function equal(left: unknown, right: unknown): boolean {
  return sorted(left) === sorted(right);
}

function sorted(value: unknown): string {
  const byKey = (_: string, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return String(JSON.stringify(value, byKey));
}
