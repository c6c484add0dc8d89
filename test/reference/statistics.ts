/**
 * Two samples, one law? Bounds for samples that were drawn independently of each other. Every comparison here fails
 * by chance about once in 100,000 runs.
 */

/** Standard deviations; exceeded by chance with probability 7e-6. */
const deviations = 4.5

/** Kolmogorov-Smirnov: D·√(nm/(n+m)) is above it with probability 1e-5, after √(ln(2/1e-5)/2). */
const kolmogorov = 2.47

/** Frames per batch: what happens to one frame is forgotten long before as many have passed. */
const batch = 100

/** A share of frames of which something holds, and how far a sample of it can be from the law. */
export interface Share {
  mean: number
  /** Of the mean of one batch. */
  variance: number
  batches: number
}

/**
 * The share of the indices below `count` for which it holds. Neighbours need not be independent (method of batch
 * means, A. Law, "Simulation Modeling and Analysis", 9.5.3): the means of batches very nearly are.
 */
export function share(count: number, holds: (index: number) => boolean): Share {
  const batches = Math.floor(count / batch)
  let [sum, squares] = [0, 0]
  for (let number = 0; number < batches; number++) {
    let hits = 0
    for (let index = number * batch; index < (number + 1) * batch; index++) hits += Number(holds(index))
    sum += hits / batch
    squares += (hits / batch) ** 2
  }
  const mean = sum / batches
  return { mean, variance: squares / batches - mean ** 2, batches }
}

/**
 * How far the share of the kernel may be from ours, if both follow one law. The variance is that of our sample, the
 * larger one.
 */
export const allowed = (ours: Share, kernel: Share): number =>
  deviations * Math.sqrt(ours.variance * (1 / ours.batches + 1 / kernel.batches))

/** How far apart two distribution functions of samples of one law may be. */
export const allowedDistance = (count: number, otherCount: number): number =>
  kolmogorov * Math.sqrt(1 / count + 1 / otherCount)

/**
 * The largest distance between the distribution function of a sample and one of values that are known to lie in
 * intervals: 0 where some choice of the values would agree. Intervals only hide differences, they never make any.
 */
export function distance(
  sample: readonly number[],
  intervals: readonly { from: number; to: number }[],
): number {
  const ascending = (numbers: number[]) => Float64Array.from(numbers).sort()
  const exact = ascending([...sample])
  const lowest = ascending(intervals.map(({ from }) => from))
  const highest = ascending(intervals.map(({ to }) => to))
  return Math.max(largestExcess(highest, exact), largestExcess(exact, lowest))
}

/** The most by which the distribution function of the first sample exceeds that of the second. Both ascend. */
function largestExcess(first: Float64Array, second: Float64Array): number {
  let [excess, passed] = [0, 0]
  first.forEach((value, index) => {
    while (passed < second.length && second[passed]! <= value) passed++
    excess = Math.max(excess, (index + 1) / first.length - passed / second.length)
  })
  return excess
}
