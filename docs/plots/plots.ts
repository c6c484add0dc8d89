// The plots there are: for each impairment, what was asked for beside what was measured.

import type { PolicyOptions } from 'etherloom'
import type { Axis, Chart, Series } from './chart.js'
import { run, type Arrival } from './run.js'

const probabilities = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]
const frames = 50_000

const percent = (value: number): string => `${Number((value * 100).toPrecision(3))} %`
const milliseconds = (value: number): string => `${Number(value.toPrecision(6))} ms`

export const plots: Record<string, () => Promise<Chart>> = {
  loss: () =>
    probability('Loss', 'frames lost', (loss) => ({ loss }), ({ length }) => 1 - length / frames),

  duplicate: () =>
    probability(
      'Duplication',
      'frames that came twice',
      (duplicate) => ({ duplicate }),
      ({ length }) => length / frames - 1,
    ),

  corrupt: () =>
    probability(
      'Corruption',
      'frames with an inverted bit',
      (corrupt) => ({ corrupt }),
      (arrivals) => arrivals.filter(({ intact }) => !intact).length / frames,
    ),

  reorder: () =>
    probability(
      'Reordering: frames that skip a delay of 10 ms',
      'frames without delay',
      (reorder) => ({ delay: '10ms', reorder }),
      (arrivals) => arrivals.filter(({ late }) => late === 0n).length / frames,
    ),

  rate: async () => {
    const asked = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((power) => 10 ** power)
    const count = 1000
    const measured = async (rate: number) => {
      const policy: PolicyOptions = { rate: `${rate}bit`, queue: `${count}frames` }
      const { arrivals } = await run(policy, { frames: count, length: 1514 })
      const last = arrivals.at(-1)?.at ?? 0n
      return (8 * 1514 * arrivals.length * 1e9) / Number(last)
    }
    const scale = { scale: 'log', format: bitsPerSecond } as const
    return against(
      'Rate, from 1,000 frames of 1,514 bytes',
      { label: 'rate asked for', ...scale },
      { label: 'rate measured', ...scale },
      asked,
      measured,
    )
  },

  delay: async () => {
    const scale = { scale: 'log', format: (value: number) => seconds(value) } as const
    return against(
      'Delay',
      { label: 'delay asked for', ...scale },
      { label: 'delay measured', ...scale },
      Array.from({ length: 13 }, (_, power) => 10 ** power),
      async (delay) => {
        const { arrivals } = await run({ delay: `${delay}ns` }, { frames: 1 })
        return Number(arrivals[0]?.late)
      },
    )
  },

  jitter: async () => {
    const { arrivals } = await run({ delay: '10ms', jitter: '2ms' }, { frames: 5000, apart: 10_000_000n })
    return {
      title: 'Jitter: delay 10 ms, jitter 2 ms, frames 10 ms apart',
      x: { label: 'delay', range: [7, 13], format: milliseconds },
      y: { label: 'share of frames that took no longer', range: [0, 1], format: percent },
      series: [
        { name: 'asked for', as: 'line', points: [[7, 0], [8, 0], [12, 1], [13, 1]] },
        { name: 'measured', as: 'points', points: distribution(arrivals, 40) },
      ],
    }
  },
}

/** One figure against what was asked for; the line is where they are equal. */
async function against(
  title: string,
  x: Axis,
  y: Axis,
  asked: readonly number[],
  measure: (asked: number) => Promise<number>,
): Promise<Chart> {
  const points: [number, number][] = []
  for (const each of asked) points.push([each, await measure(each)])
  const line: Series = { name: 'asked for', as: 'line', points: asked.map((each) => [each, each]) }
  return { title, x, y, series: [line, { name: 'measured', as: 'points', points }] }
}

function probability(
  title: string,
  what: string,
  policy: (probability: number) => PolicyOptions,
  share: (arrivals: Arrival[]) => number,
): Promise<Chart> {
  const scale = { scale: 'log', format: percent } as const
  return against(
    `${title}, from ${frames.toLocaleString('en-US')} frames`,
    { label: 'probability asked for', ...scale },
    { label: what, ...scale },
    probabilities,
    async (each) => share((await run(policy(each), { frames })).arrivals),
  )
}

/** Which share of the frames took no longer than each of some of them, in milliseconds. */
function distribution(arrivals: readonly Arrival[], count: number): [number, number][] {
  const sorted = arrivals.map(({ late }) => Number(late) / 1e6).sort((a, b) => a - b)
  return Array.from({ length: count }, (_, index) => {
    const rank = Math.floor(((index + 0.5) / count) * sorted.length)
    return [sorted[rank] as number, (rank + 1) / sorted.length]
  })
}

function scaled(units: readonly string[]): (value: number) => string {
  return (value) => {
    const step = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3 + 1e-9))
    return `${value / 1000 ** step} ${units[step]}`
  }
}
const bitsPerSecond = scaled(['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s'])
const seconds = scaled(['ns', 'µs', 'ms', 's', '1,000 s'])
