/** The two figures that the demo's verdicts rest on. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/**
 * The counts that n independent trials of this probability stay within, in all but `1 - confidence` of cases: the
 * central interval of the binomial distribution, from its exact probabilities.
 */
export function binomialInterval(trials: number, probability: number, confidence: number): [number, number] {
  const tail = (1 - confidence) / 2
  let low = 0
  let high = trials
  let below = 0
  let mass = (1 - probability) ** trials
  for (let count = 0; count <= trials; count++) {
    if (below + mass < tail) low = count + 1
    below += mass
    if (below >= 1 - tail) {
      high = count
      break
    }
    mass *= (((trials - count) / (count + 1)) * probability) / (1 - probability)
  }
  return [low, high]
}
