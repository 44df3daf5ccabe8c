/** The middle of them; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = NaN, high = NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** The value that this share of them stays at or below. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** What nobody could measure stays unknown, also in what is made of it. */
export function medianOf<T>(items: readonly T[], read: (item: T) => number | undefined): number | undefined {
  const values = items.map(read).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

/** How far apart rounds of the same thing were. */
export function spread(values: readonly number[]): number {
  return Math.max(...values) / Math.min(...values);
}
