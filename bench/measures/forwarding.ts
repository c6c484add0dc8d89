// How many frames per second get from the sender to the receiver when more are offered than fit; where the receiver has
// several ports, all that they get together.
//
// What is equal: the generator, its namespace, its core, its frames and how it sends them; the receiver, which counts
// a frame when its stack takes it from the interface and then drops it as nobody's protocol.
// What is not: a process forwards on a core of its own, with the generator on the other, and loses what it cannot
// keep up with; the kernel's bridge forwards inside the generator's send call, on the generator's core, and so
// throttles it instead.

import { setTimeout as sleep } from 'node:timers/promises'
import { built } from '../build.js'
import type { Child } from '../children.js'
import type { Figure, Measure, Session, Setup } from '../case.js'
import type { HostPort, Network } from '../network.js'
import { processorSecondsOf, residentMegabytesOf } from '../processes.js'

/** How long a forwarder may take to its first frame. */
const deadlineMs = 10_000
/** Long enough for the queues to fill and for JavaScript to be compiled, after the first frame has come through. */
const warmUpMs = 500
/** Frames that kernels may send of their own meanwhile, such as those of IPv6 to all routers. */
const ofTheKernel = 100

export interface ForwardingOptions {
  /** Of every frame, from header to payload, without check sequence: 60 to 1514 bytes. */
  length: number
  /**
   * `one`: the first port sends to the address of the second. `all`: every port sends to the addresses of all others
   * in turn, each frame to the next.
   */
  from?: 'one' | 'all'
}

export function forwarding({ length, from = 'one' }: ForwardingOptions): Measure {
  return {
    figures: [
      { name: 'forwarded', unit: 'frames/s', digits: 0, better: 'more' },
      // What would be forwarded if nothing were lost: a frame that is flooded counts as its copies.
      { name: 'offered', unit: 'frames/s', digits: 0 },
      ...processFigures,
    ],

    async sample(network, session, setup) {
      const { before, after, statement } = await load(network, session, setup, { length, from })
      const others = network.ports.length - 1
      if (after.received > (statement.sent + ofTheKernel) * others)
        throw new Error('the receiver got more frames than were sent')
      const copies = from === 'one' ? others : 1
      return [
        perSecond('received', before, after),
        ...sharedFigures('received', before, after, statement, copies),
      ]
    },

    // The kernel throttles the generator; a process that takes all there is could have done more.
    doubt: ([forwarded = NaN, offered = NaN, refused = NaN, busy = NaN, resident = NaN]) =>
      !Number.isNaN(resident) && refused < 5 && forwarded > 0.98 * offered
        ? 'the generator was the limit'
        : busyDoubt(busy),
  }
}

/**
 * How many frames per second the generator gets rid of, where nothing but the kernel's path into the interface and a
 * reader that does nothing stand behind it: what all other figures of the same frames are below.
 */
export function sending({ length }: ForwardingOptions): Measure {
  return {
    figures: [
      { name: 'taken', unit: 'frames/s', digits: 0, better: 'more' },
      { name: 'offered', unit: 'frames/s', digits: 0 },
      ...processFigures,
    ],

    async sample(network, session, setup) {
      const { before, after, statement } = await load(
        network,
        session,
        setup,
        { length, from: 'one' },
        'sent',
      )
      return [perSecond('sent', before, after), ...sharedFigures('sent', before, after, statement)]
    },

    doubt: ([, , , busy = NaN]) => busyDoubt(busy),
  }
}

const processFigures: readonly Figure[] = [
  // How many of the generator's batches met a full queue: where none did and nothing was lost, it was the limit.
  { name: 'refused', unit: '% of batches', digits: 0 },
  // How much of its core the forwarding process had, or the generator where the kernel forwards in its calls.
  { name: 'busy', unit: '%', digits: 0 },
  { name: 'resident', unit: 'MB', digits: 0 },
  // Processor time of that process for each frame of the first figure.
  { name: 'cost', unit: 'ns', digits: 0, better: 'less' },
]

function busyDoubt(busy: number): string | undefined {
  return busy < 90 ? 'other programs had a part of the core, or it waited' : undefined
}

/** What the generator says at its end. */
interface Statement {
  sent: number
  batches: number
  refused: number
}

interface Observation {
  seconds: number
  offered: number
  sent: number
  received: number
  processorSeconds: number
  /** NaN where the kernel forwards. */
  residentMegabytes: number
}

/** Runs the generator and observes, when `moved` frames have been seen and all is warm, the start and end of the time. */
async function load(
  network: Network,
  { pid }: Session,
  { machine, seconds }: Setup,
  { length, from }: Required<ForwardingOptions>,
  moved: 'received' | 'sent' = 'received',
): Promise<{ before: Observation; after: Observation; statement: Statement }> {
  await network.up()
  const generator = await network.start(
    [built('generator'), String(length), ...(from === 'one' ? oneToOne : allToAll)(network.ports)],
    { core: machine.generatorCore, namespace: network.sender.path },
  )
  await firstFrame(network, generator, moved)
  await sleep(warmUpMs)
  const before = await observe(network, generator, pid)
  await sleep(seconds * 1000)
  const after = await observe(network, generator, pid)
  if (after[moved] === before[moved]) throw new Error('after a while, no frame came through any more')
  return { before, after, statement: JSON.parse(await generator.stop()) as Statement }
}

function oneToOne([from, to]: readonly HostPort[]): string[] {
  if (from === undefined || to === undefined) throw new TypeError('a network with fewer than two ports')
  return [from.name, 'to', to.address]
}

function allToAll(ports: readonly HostPort[]): string[] {
  return [...ports.map(({ name }) => name), 'to', ...ports.map(({ address }) => address)]
}

/** Waits for it; those by which the generator introduces many ports are before it. */
async function firstFrame(network: Network, generator: Child, moved: 'received' | 'sent'): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while ((await network.receiver.counters())[moved] + (await network.sender.counters())[moved] === 0) {
    if (network.failure !== undefined) throw network.failure
    if (performance.now() > deadline) throw new Error('no frame reached the receiver')
    await sleep(10)
  }
}

async function observe({ sender, receiver }: Network, generator: Child, pid?: number): Promise<Observation> {
  const processorSeconds = await processorSecondsOf(pid ?? generator.pid)
  const { offered, sent } = await sender.counters()
  const { received } = await receiver.counters()
  const residentMegabytes = pid === undefined ? NaN : await residentMegabytesOf(pid)
  return { seconds: performance.now() / 1000, offered, sent, received, processorSeconds, residentMegabytes }
}

function perSecond(quantity: keyof Observation, before: Observation, after: Observation): number {
  return (after[quantity] - before[quantity]) / (after.seconds - before.seconds)
}

function sharedFigures(
  moved: 'received' | 'sent',
  before: Observation,
  after: Observation,
  { refused, batches }: Statement,
  copies = 1,
): number[] {
  return [
    perSecond('offered', before, after) * copies,
    (refused / batches) * 100,
    perSecond('processorSeconds', before, after) * 100,
    after.residentMegabytes,
    (perSecond('processorSeconds', before, after) / perSecond(moved, before, after)) * 1e9,
  ]
}
