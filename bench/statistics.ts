// The arithmetic of the benchmark. Rounds are interleaved (A B C A B C ...), so what disturbs the machine for longer
// than a round meets all peers alike: a ratio is made within each round, and the median is taken of those. Many short
// rounds therefore say more than few long ones.

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** NaN throughout where there is nothing to summarise. */
export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? NaN)
  return { median: (lower + upper) / 2, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN }
}

/** Round by round, `values` divided by `base`. */
export function ratios(values: readonly number[], base: readonly number[]): number[] {
  return values.map((value, round) => value / (base[round] ?? NaN))
}
