// The plots there are: for each impairment, what was asked for beside what was measured.

import type { PolicyOptions } from 'etherloom'
import { delayTable } from '../../lib/policy/lines/delay-tables.js'
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
      'Reordering',
      'frames without delay',
      (reorder) => ({ delay: '10ms', reorder }),
      (arrivals) => arrivals.filter(({ late }) => late === 0n).length / frames,
    ),

  'loss-in-bursts': async () => {
    const asked = [1, 2, 5, 10, 20, 50, 100]
    return against(
      `Loss in bursts: 10 % of ${frames.toLocaleString('en-US')} frames`,
      { label: 'mean burst asked for, frames', scale: 'log' },
      { label: 'mean burst measured, frames', scale: 'log' },
      asked.slice(1),
      async (burst) => meanRun(lostOf((await run({ loss: { rate: 0.1, burst } }, { frames })).arrivals)),
    )
  },

  'loss-correlated': async () => {
    const correlations = [0, 0.1, 0.25, 0.5, 0.75, 0.9]
    const lost = async (policy: PolicyOptions) =>
      1 - (await run(policy, { frames })).arrivals.length / frames
    const exact: [number, number][] = []
    const netem: [number, number][] = []
    for (const correlation of correlations) {
      exact.push([correlation, await lost({ loss: { rate: 0.1, correlation } })])
      netem.push([correlation, await lost({ netem: `loss 10% ${correlation * 100}%` })])
    }
    return {
      title: 'Loss of 10 %, correlated',
      x: { label: 'correlation asked for', format: percent },
      y: { label: 'frames lost', range: [0, 0.15], format: percent },
      series: [
        { name: 'asked for', as: 'line', points: correlations.map((each) => [each, 0.1]) },
        { name: 'measured, exact', as: 'points', points: exact },
        { name: 'measured, netem', as: 'points', points: netem },
      ],
    }
  },

  'netem-limit': async () => {
    const [asked, length] = [[30, 60, 90, 120, 150, 180, 210, 240], 1500]
    const delivered = async (policy: PolicyOptions): Promise<[number, number][]> => {
      const points: [number, number][] = []
      for (const rate of asked) {
        const apart = BigInt(Math.round((8000 * length) / rate))
        const frames = Number(500_000_000n / apart) // for half a second
        const { arrivals } = await run(policy, { frames, length, apart })
        points.push([rate, (rate * arrivals.length) / frames])
      }
      return points
    }
    return {
      title: 'A delay of 100 ms, frames of 1,500 bytes',
      x: { label: 'sent, Mbit/s' },
      y: { label: 'arrived, Mbit/s' },
      series: [
        { name: 'all', as: 'line', points: asked.map((each) => [each, each]) },
        { name: 'delay: 100ms', as: 'points', points: await delivered({ delay: '100ms' }) },
        { name: 'netem: delay 100ms', as: 'points', points: await delivered({ netem: 'delay 100ms' }) },
      ],
    }
  },

  gemodel: async () => {
    const asked = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
    const [r, lossBad, lossGood] = [0.2, 0.7, 0.001]
    const points: [number, number][] = []
    for (const p of asked) {
      const loss = { model: 'gemodel', p, r, lossBad, lossGood } as const
      const { arrivals } = await run({ loss }, { frames: 2 * frames })
      points.push([p, 1 - arrivals.length / (2 * frames)])
    }
    return {
      title: 'Gilbert-Elliott: r 20 %, loss 70 % and 0.1 %',
      x: { label: 'p, from good to bad', scale: 'log', format: percent },
      y: { label: 'frames lost', scale: 'log', format: percent },
      series: [
        { name: 'closed form', as: 'line', points: asked.map((p) => [p, (r * lossGood + p * lossBad) / (p + r)]) },
        { name: 'measured', as: 'points', points },
      ],
    }
  },

  'bit-errors': async () => {
    const lengths = [64, 128, 256, 512, 1024, 1514]
    const bitErrorRate = 1e-5
    const points: [number, number][] = []
    for (const length of lengths) {
      const { arrivals } = await run({ bitErrorRate }, { frames: 20_000, length })
      points.push([length, 1 - arrivals.length / 20_000])
    }
    return {
      title: 'Bit error rate 0.00001, 20,000 frames of each length',
      x: { label: 'length, bytes' },
      y: { label: 'frames lost', format: percent },
      series: [
        { name: '1 - (1 - b)^8L', as: 'line', points: lengths.map((length) => [length, 1 - (1 - bitErrorRate) ** (8 * length)]) },
        { name: 'measured', as: 'points', points },
      ],
    }
  },

  outage: async () => {
    const { arrivals } = await run({ outage: { every: '20ms', for: '5ms' } }, { frames: 1000, apart: 100_000n })
    const received = new Set(arrivals.map(({ number }) => number))
    const up = (at: number) => (at % 20 < 5 ? 0 : 1)
    const times = Array.from({ length: 1000 }, (_, number) => number / 10)
    return {
      title: 'Outage: 5 ms in every 20 ms, a frame each 0.1 ms',
      x: { label: 'sent at', format: milliseconds },
      y: { label: 'received', range: [-0.1, 1.1], format: (value) => (value === 0 ? 'no' : value === 1 ? 'yes' : '') },
      series: [
        { name: 'asked for', as: 'steps', points: times.map((at) => [at, up(at)]) },
        { name: 'measured', as: 'points', points: times.filter((_, number) => number % 10 === 3).map((at) => [at, received.has(Math.round(at * 10)) ? 1 : 0]) },
      ],
    }
  },

  cell: async () => {
    const lengths = Array.from({ length: 45 }, (_, index) => 60 + 5 * index)
    const cells = (length: number) => Math.ceil(length / 48)
    const points: [number, number][] = []
    for (const length of lengths) {
      const { arrivals } = await run({ rate: '10Mbit', cell: { size: 48, overhead: 5 } }, { frames: 1, length })
      points.push([length, Number(arrivals[0]?.late) / 1e3])
    }
    return {
      title: 'Cells of 48 + 5 bytes on a line of 10 Mbit/s',
      x: { label: 'length, bytes', range: [60, 280] },
      y: { label: 'time on the line, µs' },
      series: [
        {
          name: '53 bytes a cell',
          as: 'steps',
          points: lengths.map((length) => [length, (8 * 53 * cells(length)) / 10]),
        },
        { name: 'measured', as: 'points', points },
      ],
    }
  },

  burst: async () => {
    const [rate, bucket, length] = [8e6, 64 * 1024, 1000]
    const { arrivals } = await run(
      { rate: '8Mbit', burst: '64KiB', queue: '10000frames' },
      { frames: 300, length },
    )
    const bound = (at: number) => (bucket + (rate * at) / 8e3) / 1024
    return {
      title: 'Token bucket: 8 Mbit/s, 64 KiB, 300 frames at once',
      x: { label: 'time', format: milliseconds },
      y: { label: 'left so far, KiB' },
      series: [
        { name: 'burst + rate · t', as: 'line', points: [0, 230].map((at) => [at, bound(at)]) },
        { name: 'measured', as: 'points', points: arrivals.filter((_, index) => index % 6 === 5).map(({ at, number }) => [Number(at) / 1e6, ((number + 1) * length) / 1024]) },
      ],
    }
  },

  discipline: async () => {
    const waits = async (discipline: 'tail-drop' | 'codel') => {
      const policy: PolicyOptions = { rate: '10Mbit', queue: '200ms', discipline }
      const { arrivals } = await run(policy, { frames: 3000, length: 1000, apart: 700_000n })
      return arrivals.map(({ at, late }): [number, number] => [Number(at - late) / 1e6, Number(late) / 1e6 - 0.8])
    }
    const thin = (points: [number, number][]) => points.filter((_, index) => index % 40 === 0)
    return {
      title: 'A line of 10 Mbit/s that is offered 11.4',
      x: { label: 'sent at', format: milliseconds },
      y: { label: 'waited', format: milliseconds },
      series: [
        { name: 'limit 200 ms', as: 'line', points: [[0, 200], [2100, 200]] },
        { name: 'tail drop', as: 'points', points: thin(await waits('tail-drop')) },
        { name: 'CoDel', as: 'points', points: thin(await waits('codel')) },
      ],
    }
  },

  red: async () => {
    const [min, max, probability] = [10_000, 100_000, 0.5]
    const share = (average: number) => {
      const b = (probability * (average - min)) / (max - min)
      return (2 * b) / (1 + b) // the mean distance of drops is that of 1 to 1 / b
    }
    const points: [number, number][] = []
    for (const lost of [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5]) {
      // A frame of 1,000 bytes takes 1 ms.
      const policy: PolicyOptions = { rate: '8Mbit', queue: '10000frames', discipline: { red: { min: `${min}B`, max: `${max}B`, probability } } }
      const { arrivals } = await run(policy, { frames: 10_000, length: 1000, apart: BigInt(1e6 * (1 - lost)) })
      const settled = arrivals.filter(({ number }) => number >= 5000)
      const waited = settled.reduce((sum, { late }) => sum + Number(late) - 1e6, 0) / settled.length
      points.push([waited / 1000, 1 - settled.length / 5000])
    }
    return {
      title: 'RED from 10 to 100 kB, 50 %, on a line that is offered too much',
      x: { label: 'bytes that wait, on average', range: [0, 100_000], format: (value) => `${value / 1000} kB` },
      y: { label: 'frames lost', range: [0, 0.7], format: percent },
      series: [
        { name: '2 b / (1 + b)', as: 'line', points: [[0, 0], ...Array.from({ length: 46 }, (_, step): [number, number] => [min + 2000 * step, share(min + 2000 * step)])] },
        { name: 'measured', as: 'points', points },
      ],
    }
  },

  slot: async () => {
    const { arrivals } = await run(
      { slot: { min: '10ms', frames: 5 } },
      { frames: 60, apart: 1_500_000n },
    )
    return {
      title: 'Slots: one every 10 ms, of 5 frames; a frame sent each 1.5 ms',
      x: { label: 'left at', format: milliseconds },
      y: { label: 'frame' },
      series: [
        { name: 'sent', as: 'line', points: [[0, 0], [59 * 1.5, 59]] },
        { name: 'left', as: 'points', points: arrivals.map(({ at, number }) => [Number(at) / 1e6, number]) },
      ],
    }
  },

  trace: async () => {
    const rows = [
      { at: '0s', rate: '8Mbit' },
      { at: '50ms', rate: '2Mbit' },
      { at: '100ms', rate: '0bit' },
      { at: '130ms', rate: '16Mbit' },
      { at: '160ms', rate: '8Mbit' },
    ] as const
    const { arrivals } = await run(
      { trace: { rows: [...rows], end: 'hold' }, queue: '10000frames' },
      { frames: 160, length: 1000 },
    )
    const allowed = [[0, 0], [50, 50], [100, 62.5], [130, 62.5], [160, 122.5], [197.5, 160]] as const
    return {
      title: 'Trace: 8, 2, 0, 16 and 8 Mbit/s',
      x: { label: 'time', format: milliseconds },
      y: { label: 'frames that have left' },
      series: [
        { name: 'asked for', as: 'line', points: allowed },
        { name: 'measured', as: 'points', points: arrivals.filter((_, index) => index % 4 === 3).map(({ at, number }) => [Number(at) / 1e6, number + 1]) },
      ],
    }
  },

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
        { name: 'measured', as: 'points', points: cumulative(arrivals, 40) },
      ],
    }
  },
}

for (const distribution of ['normal', 'pareto', 'paretonormal'] as const)
  plots[`distribution-${distribution}`] = async () => {
    const policy: PolicyOptions = { delay: '100ms', jitter: '10ms', distribution }
    const { arrivals } = await run(policy, { frames: 5000, apart: 200_000_000n })
    const table = new Int16Array(delayTable(distribution).bytes.buffer)
    const places = Array.from({ length: 60 }, (_, index) => Math.floor(((index + 0.5) / 60) * table.length))
    const sorted = [...table].sort((a, b) => a - b)
    return {
      title: `Distribution ${distribution}: delay 100 ms, jitter 10 ms`,
      x: { label: 'delay', range: [50, 150], format: milliseconds },
      y: { label: 'share of frames that took no longer', range: [0, 1], format: percent },
      series: [
        {
          name: "tc's table",
          as: 'line',
          points: places.map((place) => [100 + (10 * (sorted[place] as number)) / 8192, place / table.length]),
        },
        { name: 'measured', as: 'points', points: cumulative(arrivals, 40) },
      ],
    }
  }

/** Which frames did not arrive. */
function lostOf(arrivals: readonly Arrival[]): number[] {
  const received = new Set(arrivals.map(({ number }) => number))
  return Array.from({ length: frames }, (_, number) => number).filter((number) => !received.has(number))
}

/** The mean length of runs of numbers that follow each other. */
function meanRun(numbers: readonly number[]): number {
  const runs = numbers.filter((number, index) => index === 0 || numbers[index - 1] !== number - 1)
  return numbers.length / runs.length
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
function cumulative(arrivals: readonly Arrival[], count: number): [number, number][] {
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
