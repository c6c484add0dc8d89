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

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * The interval that holds the median of what the values were drawn from with a confidence of at least 95 %, whatever
 * their distribution: between two of them, by rank. Each value is below the median with probability 1/2, so how many are
 * follows a binomial distribution. With fewer than 6 values it is all there is, and the confidence is less. NaN of none.
 */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b)
  const count = sorted.length
  let outside = 0 // the chance that the median lies below the value of rank `rank`, from 0
  let term = 0.5 ** count
  let rank = 0
  while (outside + term <= 0.025 && rank < count >> 1) {
    outside += term
    term *= (count - rank) / (rank + 1)
    rank++
  }
  const at = Math.max(rank - 1, 0)
  return { low: sorted[at] ?? NaN, high: sorted[count - 1 - at] ?? NaN }
}
