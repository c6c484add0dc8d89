/**
 * Runs a target on inputs that it makes of others: one that reaches blocks of the code which none before has reached is
 * kept, and changed in its turn. Called by index.ts, and with stored inputs only by test/unit/fuzz.test.ts.
 */
import { setImmediate as immediate } from 'node:timers/promises'
import { Draw } from '../helpers/draw.js'
import { shrink } from '../soak/shrink.js'
import { Coverage } from './coverage.js'
import { mutate } from './mutate.js'
import type { Target } from './target.js'

/** Processor time that an input of a few kB may take, in milliseconds: what else waits for the event loop meanwhile. */
const longestTime = 1000
/** How much the inputs may leave behind at most: none is kept. */
const mostMemory = 512 * 2 ** 20
/** How long a failing input is made smaller. */
const shrinkFor = 20_000

/**
 * Frees what was left behind, and what that had: the memory of an addon goes some collections after its object, and the
 * collector does not feel how much it is.
 */
async function collect(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await immediate()
    globalThis.gc?.()
  }
}

export interface Found {
  input: Buffer
  problem: string
}

export interface Outcome {
  executions: number
  /** Those that reached something new, the first first. */
  kept: Buffer[]
  found?: Found
}

/** What is wrong with how the target takes an input; nothing where all is right. */
export async function tryInput(target: Target, input: Buffer): Promise<string | undefined> {
  const before = process.cpuUsage()
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  try {
    await target.read(input)
    await new Promise((resolve) => process.nextTick(resolve)) // when warnings are told
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  } finally {
    process.off('warning', warn)
  }
  if (warnings[0]) return `a warning of the process: ${warnings[0].message}`
  const { user, system } = process.cpuUsage(before)
  const took = (user + system) / 1000
  return took > longestTime ? `took ${took.toFixed(0)} ms of processor time` : undefined
}

export async function fuzz(
  target: Target,
  stored: readonly Buffer[],
  { until, seed, before }: { until: () => boolean; seed: number; before: (input: Buffer) => void },
): Promise<Outcome> {
  const memoryBefore = process.memoryUsage.rss()
  const hasGrown = (): boolean => process.memoryUsage.rss() - memoryBefore > mostMemory
  const coverage = new Coverage()
  const draw = new Draw(seed)
  const kept: Buffer[] = []
  const seen = new Set<string>()
  let executions = 0
  /** Blocks that have run now and never before. */
  const news = async (): Promise<string[]> =>
    [...(await coverage.taken())].filter((block) => !seen.has(block))
  /** Keeps those of the inputs that reach something new: all of them do, or halves of them are asked. */
  const keep = async (inputs: readonly Buffer[]): Promise<void> => {
    for (const input of inputs) await tryInput(target, input)
    const fresh = await news()
    if (fresh.length === 0) return
    if (inputs.length > 1) {
      const middle = inputs.length >> 1
      await keep(inputs.slice(0, middle))
      await keep(inputs.slice(middle))
    } else kept.push(...inputs)
    for (const block of fresh) seen.add(block) // also what is not reached a second time
  }
  /** Asking for the coverage takes ten milliseconds, far longer than most inputs: it is asked for many at once. */
  const together = async (inputs: readonly Buffer[]): Promise<Found | undefined> => {
    for (const input of inputs) {
      before(input)
      executions++
      const problem = await tryInput(target, input)
      if (problem !== undefined) return { input: await smaller(target, input, problem), problem }
      if (until()) break
    }
    const fresh = await news()
    if (fresh.length > 0) await keep(inputs)
    for (const block of fresh) seen.add(block)
    return undefined
  }
  await coverage.start()
  try {
    let inputs: Buffer[] = [...stored, ...target.seeds.map((each) => Buffer.from(each))]
    for (;;) {
      const found = await together(inputs)
      if (found || until()) return { executions, kept, ...(found && { found }) }
      if (process.memoryUsage().arrayBuffers > mostMemory / 4 || hasGrown()) await collect()
      if (hasGrown())
        return {
          executions,
          kept,
          found: {
            input: inputs[0] as Buffer,
            problem: `memory has grown by more than ${mostMemory >> 20} MiB`,
          },
        }
      inputs = Array.from({ length: target.together ?? 128 }, () =>
        mutate(kept.length > 0 ? draw.of(kept) : Buffer.alloc(0), kept, target.words, draw),
      )
    }
  } finally {
    coverage.stop()
  }
}

/** A shorter input with the same problem: its first words, as what it quotes changes with the input. */
async function smaller(target: Target, input: Buffer, problem: string): Promise<Buffer> {
  const end = performance.now() + shrinkFor
  const kind = problem.slice(0, 12)
  const bytes = await shrink(
    [...input],
    async (shorter) => (await tryInput(target, Buffer.from(shorter)))?.startsWith(kind) ?? false,
    () => performance.now() > end,
  )
  return Buffer.from(bytes)
}
