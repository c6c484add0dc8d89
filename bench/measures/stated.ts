// Figures that a program takes of itself and states at its end, for what happens within one process.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Figure, Measure } from '../case.js'
import { processorSecondsOf } from '../processes.js'

/** Lets the peer work for the time of a run, then takes each figure from its statement, where it has the same name. */
export function stated(...figures: [Figure, ...Figure[]]): Measure {
  return {
    figures,
    async sample(_network, session, { seconds }) {
      await sleep(seconds * 1000)
      return statedFigures(figures, await session.stop())
    },
  }
}

/** As `stated`, of frames per second, with the processor time that the process took for each of them. */
export function statedFrames(frames: Figure, ...others: Figure[]): Measure {
  const measure = stated(frames, ...others)
  return {
    ...measure,
    figures: [...measure.figures, { name: 'cost', unit: 'ns', digits: 0, better: 'less' }],
    async sample(_network, session, setup) {
      const processor = () => (session.pid === undefined ? NaN : processorSecondsOf(session.pid))
      const before = await processor()
      await sleep(setup.seconds * 1000)
      const used = (await processor()) - before
      const taken = statedFigures(measure.figures, await session.stop())
      return [...taken, (used / setup.seconds / (taken[0] ?? NaN)) * 1e9]
    },
  }
}

/** As `measure`, with further figures from the statement of the peer. */
export function withStated(measure: Measure, ...figures: Figure[]): Measure {
  return {
    ...measure,
    figures: [...measure.figures, ...figures],
    async sample(network, session, setup) {
      const taken = await measure.sample(network, session, setup)
      return [...taken, ...statedFigures(figures, await session.stop())]
    },
  }
}

function statedFigures(figures: readonly Figure[], statement: unknown): number[] {
  const stated = statement as Readonly<Record<string, number>> | undefined
  return figures.map(({ name }) => stated?.[name] ?? NaN)
}
