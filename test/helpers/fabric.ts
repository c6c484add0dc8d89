/** Fabrics of memory ports: built in one line, closed whatever happens, read without waiting. */
import { expect } from 'chai'
import { readdirSync, readFileSync } from 'node:fs'
import {
  MemoryPort,
  type Batch,
  type Drops,
  type Fabric,
  type PathStats,
  type PortFabric,
} from '../../lib/index.js'
import { tagOf } from './frames.js'

interface Closable {
  close(): void | Promise<void>
}

/**
 * Gives a function that notes what a test made; all of it is closed after the test, the last first, also when the
 * test failed. Called once in a describe block; with mocha's `after`, what is noted is there for all tests of that.
 */
export function closing(hook = afterEach): <Thing extends Closable>(thing: Thing) => Thing {
  const made: Closable[] = []
  hook(async () => {
    for (const thing of made.splice(0).reverse()) await thing.close()
  })
  return (thing) => {
    made.push(thing)
    return thing
  }
}

type Named<Names extends readonly string[]> = { [Key in keyof Names]: MemoryPort }

/** Attaches a memory port for each name. */
export async function join<const Names extends readonly string[]>(
  fabric: Fabric,
  ...names: Names
): Promise<Named<Names>> {
  const ports: MemoryPort[] = []
  for (const name of names) ports.push(await fabric.attach(new MemoryPort({ name, queueLimit: 100_000 })))
  return ports as Named<Names>
}

export interface Delivered {
  tag: number
  /** Nanoseconds on the engine's clock. */
  at: bigint
  bytes: Uint8Array
}

/** The frames of a batch. */
export const unpack = (batch: Batch): Delivered[] =>
  Array.from(batch, (bytes, index) => ({ tag: tagOf(bytes), at: batch.at(index), bytes }))

/** Everything that has been delivered to the port and not been read yet. */
export function take(port: MemoryPort): Delivered[] {
  const all: Delivered[] = []
  for (let batch = port.read(); batch; batch = port.read()) all.push(...unpack(batch))
  return all
}

/** The tags of everything that has been delivered to the port and not been read yet. */
export const tags = (port: MemoryPort): number[] => take(port).map(({ tag }) => tag)

/** Reads until `count` frames have come; what is missing shows as the test's timeout. */
export async function receive(port: MemoryPort, count: number): Promise<Delivered[]> {
  const all: Delivered[] = []
  for await (const batch of port) {
    all.push(...unpack(batch))
    if (all.length >= count) break
  }
  return all
}

/** Returns when the condition holds; looks at it once per turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** The reasons with a count above zero. */
export function dropped(drops: Drops): Partial<Record<keyof Drops, number>> {
  return Object.fromEntries(
    Object.entries(drops).flatMap(([reason, frames]) => (frames > 0n ? [[reason, Number(frames)]] : [])),
  )
}

export const sum = (counts: Iterable<bigint>): bigint => [...counts].reduce((total, each) => total + each, 0n)

/** How many threads of engines run in this process. One that was joined can still be there for a moment. */
export function workerThreads(): number {
  const nameOf = (thread: string) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8')
    } catch {
      return '' // gone since it was listed
    }
  }
  return readdirSync('/proc/self/task').filter((thread) => nameOf(thread).startsWith('etherloom-')).length
}

/** offered + duplicated = delivered + dropped + waiting + in flight. */
export function expectBalance(path: PathStats, what: string): void {
  const { offered, duplicated, delivered, waiting, inFlight } = path
  expect(delivered + sum(Object.values(path.dropped)) + waiting + inFlight, what).to.equal(
    offered + duplicated,
  )
}

/** A port whose device opens when `opened` is called. */
export function slowPort(name: string): { port: MemoryPort; opened: () => void } {
  let opened = (): void => undefined
  const opening = new Promise<void>((resolve) => (opened = resolve))
  class SlowPort extends MemoryPort {
    protected override async open(fabric: PortFabric): Promise<number> {
      await opening
      return super.open(fabric)
    }
  }
  return { port: new SlowPort({ name }), opened }
}
