// Medians, percentiles and the order in which variants take turns.

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) throw new Error('there is no median of nothing');
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Nearest rank; 0 of nothing. */
export function percentile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** Median of the rounds' own ratios: what slows a whole round down does not count. */
export function pairedRatio(values: readonly number[], baselines: readonly number[]): number {
  return median(values.map((value, round) => value / (baselines[round] as number)));
}

/** Each round begins with another variant, so that none always runs on a machine the same one has just warmed. */
export function rotate<T>(variants: readonly T[], round: number): T[] {
  const start = round % variants.length;
  return [...variants.slice(start), ...variants.slice(0, start)];
}
