// When frames that are sent at an even pace arrive: how much later than the path's delay, or how many bits a second.
// Both are taken from the kernel's stamps of what the receiver's stack gets, so it does not matter when a program reads it.

import { setTimeout as sleep } from 'node:timers/promises'
import { built } from '../build.js'
import type { Figure, Measure, Session, Setup } from '../case.js'
import { portName, type Network } from '../network.js'
import { processorSecondsOf } from '../processes.js'

/** Long enough for a queue to fill, for a token bucket to empty and for JavaScript to be compiled. */
const warmUpMs = 500

export interface DelayOptions {
  /** What the path shall add. */
  milliseconds: number
  framesPerSecond: number
}

/** How exactly a path delays. Every figure is what is left when the delay is taken away. */
export function delayError({ milliseconds, framesPerSecond }: DelayOptions): Measure {
  return {
    figures: [
      { name: 'p99', unit: 'µs', digits: 1 },
      { name: 'p1', unit: 'µs', digits: 1 },
      { name: 'p50', unit: 'µs', digits: 1 },
      { name: 'earliest', unit: 'µs', digits: 1 },
      { name: 'latest', unit: 'µs', digits: 1 },
      { name: 'received', unit: 'frames/s', digits: 0 },
      { name: 'offered', unit: 'frames/s', digits: 0 },
      costFigure,
    ],

    async sample(network, session, setup) {
      const arrivals = await observe(network, session, setup, { framesPerSecond, length: 60 })
      const { p99, p1, p50, earliest, latest } = arrivals
      const beyond = [p99, p1, p50, earliest, latest].map((delay) => delay - milliseconds * 1000)
      return [...beyond, arrivals.frames / arrivals.seconds, arrivals.offered, arrivals.cost]
    },

    doubt: (medians) => paceDoubt(medians.at(-2), framesPerSecond),
  }
}

/** How exactly a path keeps its rate, when a quarter more is offered. Bits are those of frames without check sequence. */
export function rateError({ bitsPerSecond }: { bitsPerSecond: number }): Measure {
  const length = 1514
  const framesPerSecond = (1.25 * bitsPerSecond) / (8 * length)
  return {
    figures: [
      { name: 'rate', unit: 'Mbit/s', digits: 3 },
      // How far that is from the nominal rate, either way.
      { name: 'error', unit: '%', digits: 3 },
      { name: 'offered', unit: 'frames/s', digits: 0 },
      costFigure,
    ],

    async sample(network, session, setup) {
      const arrivals = await observe(network, session, setup, { framesPerSecond, length })
      const { bytes, seconds, offered, cost } = arrivals
      const measured = (8 * bytes) / seconds
      return [measured / 1e6, Math.abs(measured / bitsPerSecond - 1) * 100, offered, cost]
    },

    doubt: (medians) => paceDoubt(medians.at(-2), framesPerSecond),
  }
}

/** Processor time of the forwarding process for each frame that came through; NaN where the kernel forwards. */
const costFigure: Figure = { name: 'cost', unit: 'ns', digits: 0, better: 'less' }

/** What frame_meter.c states; times under way in microseconds. */
interface Arrivals {
  frames: number
  bytes: number
  seconds: number
  missed: number
  earliest: number
  p1: number
  p50: number
  p99: number
  latest: number
}

/** The figures say little of a path that was not given what it should have been. */
function paceDoubt(offered: number | undefined, framesPerSecond: number): string | undefined {
  return (offered ?? 0) < 0.95 * framesPerSecond ? 'the sender could not keep its pace' : undefined
}

interface Load {
  framesPerSecond: number
  length: number
}

async function observe(
  network: Network,
  { pid }: Session,
  { machine, seconds }: Setup,
  { framesPerSecond, length }: Load,
): Promise<Arrivals & { offered: number; cost: number }> {
  const processor = () => (pid === undefined ? NaN : processorSecondsOf(pid))
  await network.up()
  const address = network.ports.find(({ host }) => host === network.receiver)?.address ?? ''
  const sender = await network.start(
    [built('paced_sender'), portName, address, String(framesPerSecond), String(length)],
    { core: machine.generatorCore, namespace: network.sender.path },
  )
  await sleep(warmUpMs)
  const meter = await network.start([built('frame_meter'), portName], {
    core: machine.generatorCore,
    namespace: network.receiver.path,
  })
  const before = await processor()
  await sleep(seconds * 1000)
  const used = (await processor()) - before
  const arrivals = JSON.parse(await meter.stop()) as Arrivals
  const sending = JSON.parse(await sender.stop()) as { sent: number; seconds: number }
  if (arrivals.missed > 0) throw new Error(`the meter had no room for ${arrivals.missed} frames`)
  return {
    ...arrivals,
    offered: sending.sent / sending.seconds,
    cost: (used / arrivals.frames) * 1e9,
  }
}
