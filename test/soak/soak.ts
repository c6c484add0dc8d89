/**
 * The soak: rounds of random programs until the time is over, each on engines of its own, the real and the virtual clock in
 * turn; then whether the process has grown, or left anything. Called by index.ts.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { lacksNetwork } from '../helpers/kernel.js'
import { bounds, fewestSamples, growth, type Sample } from './checks.js'
import { generate, type Wishes } from './generate.js'
import { Interpreter, inWords, type Outcome } from './interpret.js'
import { shrink } from './shrink.js'
import type { Program } from './steps.js'

export interface SoakOptions {
  minutes: number
  seed: number
  /** Of all rounds; by default the two take turns. */
  clock?: 'real' | 'virtual'
  workers?: number
  /** Only this round. */
  round?: number
  /** Only this program. */
  program?: Program
  say: (line: string) => void
  /** Ends it in order, after the step that is under way. */
  signal: AbortSignal
}

/** A program ends within a few seconds; one that has not by then hangs. */
const hangsAfter = 60_000
/** How long a failing program is made smaller at most. */
const shrinkFor = 120_000

/** Resolves with whether all was well. */
export async function soak(options: SoakOptions): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'etherloom-soak-'))
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder // captures have folders there
  try {
    return await new Soak(options, folder).run()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
    rmSync(folder, { recursive: true, force: true })
  }
}

class Soak {
  readonly #options: SoakOptions
  readonly #folder: string
  readonly #taps: boolean
  readonly #samples: Sample[] = []
  readonly #warnings: string[] = []
  readonly #began = performance.now()
  #rounds = 0
  #steps = 0
  #offered = 0n

  constructor(options: SoakOptions, folder: string) {
    this.#options = options
    this.#folder = folder
    const lacking = lacksNetwork()
    this.#taps = lacking === undefined
    if (lacking !== undefined) options.say(`without TAPs: ${lacking}`)
  }

  async run(): Promise<boolean> {
    const { seed, minutes, round, program, signal, say } = this.#options
    const hear = (problem: unknown) => this.#warnings.push(inWords(problem))
    process.on('unhandledRejection', hear).on('warning', hear)
    say(`soak: seed ${seed}, ${program || round !== undefined ? 'one round' : `${minutes} min`}`)
    say(`while it runs, the program of the round is in ${this.#current}`)
    try {
      const end = this.#began + minutes * 60_000
      if (program) return await this.#round(program, 'the program')
      if (round !== undefined) return await this.#round(this.#programOf(round), `round ${round}`)
      for (let number = 0; performance.now() < end && !signal.aborted; number++) {
        if (!(await this.#round(this.#programOf(number), `round ${number}`))) return false
        await this.#sample()
      }
      return this.#judge()
    } finally {
      process.off('unhandledRejection', hear).off('warning', hear)
      this.#summary()
    }
  }

  get #current(): string {
    return join(this.#folder, 'program.json')
  }

  #programOf(round: number): Program {
    const { seed, workers, clock } = this.#options
    const wishes: Wishes = {
      clock: clock ?? (round % 2 === 0 ? 'real' : 'virtual'),
      taps: this.#taps,
      ...(workers !== undefined && { workers }),
    }
    return generate((Math.imul(seed, 1_000_003) + round) >>> 0, wishes)
  }

  async #round(program: Program, what: string): Promise<boolean> {
    const outcome = await this.#execute(program)
    this.#rounds++
    this.#steps += outcome.steps
    this.#offered += outcome.offered
    if (outcome.failure === undefined) return true
    await this.#report(program, what, outcome.failure)
    return false
  }

  async #execute(program: Program): Promise<Outcome> {
    writeFileSync(this.#current, JSON.stringify(program))
    const interpreter = new Interpreter(program, this.#folder)
    const timer = new AbortController()
    const ended = await Promise.race([
      interpreter.run(() => this.#options.signal.aborted),
      pause(hangsAfter, undefined, { signal: timer.signal }).catch(() => undefined),
    ])
    timer.abort()
    const outcome = ended ?? hung(interpreter.at)
    await new Promise((resolve) => setImmediate(resolve)) // rejections that nobody hears, and warnings
    rmSync(this.#current)
    const left = readdirSync(this.#folder)
    for (const name of left) rmSync(join(this.#folder, name), { recursive: true, force: true })
    const problems = [
      ...this.#warnings.splice(0).map((warning) => `nobody heard: ${warning}`),
      ...(left.length > 0 && ended ? [`left in ${tmpdir()}: ${left.join(', ')}`] : []),
    ]
    return outcome.failure === undefined && problems.length > 0
      ? { ...outcome, failure: problems.join('; ') }
      : outcome
  }

  async #report(program: Program, what: string, failure: string): Promise<void> {
    const { say, seed, workers, signal, round } = this.#options
    say(`\nFAILED in ${what} of seed ${seed}: ${failure}`)
    const again = `--seed ${seed}${workers === undefined ? '' : ` --workers ${workers}`}`
    if (what !== 'the program' || round !== undefined)
      say(`repeat it: npm run soak -- ${again} --round ${what.replace('round ', '')}`)
    if (failure.startsWith('hangs')) {
      say(`it is not made smaller, since it still runs here:\n${JSON.stringify(program)}`)
      return
    }
    const end = performance.now() + shrinkFor
    const enough = () => performance.now() > end || signal.aborted
    // On the real clock threads race: what does not fail at once gets two more chances.
    const chances = program.clock === 'real' ? 3 : 1
    let last = failure
    const fails = async (steps: readonly Program['steps'][number][]): Promise<boolean> => {
      for (let chance = 0; chance < chances && !enough(); chance++) {
        const outcome = await this.#execute({ ...program, steps: [...steps] })
        if (outcome.failure === undefined) continue
        last = outcome.failure
        return true
      }
      return false
    }
    const steps = await shrink(program.steps, fails, enough)
    say(`${program.steps.length} steps were made ${steps.length}: ${last}`)
    say(`repeat it: save these lines as FILE; npm run soak -- --program FILE`)
    const { clock, engines, seed: own } = program
    const lines = steps.map((step) => `    ${JSON.stringify(step)}`).join(',\n')
    const head = `  "clock": "${clock}",\n  "engines": ${JSON.stringify(engines)},\n  "seed": ${own},\n`
    say(`{\n${head}  "steps": [\n${lines}\n  ]\n}`)
  }

  /** What the process has now; what ends by itself, such as a joined thread's entry in /proc, gets a moment. */
  async #sample(): Promise<void> {
    // What is collected has finalisers, and only what they let go of is collected next.
    for (let pass = 0; pass < 3; pass++) {
      collect()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const fewest = this.#samples.at(-1)
    let sample = measure()
    for (let look = 0; look < 40 && fewest && sample.threads > fewest.threads; look++) {
      await pause(5)
      sample = measure()
    }
    this.#samples.push(sample)
  }

  #judge(): boolean {
    const { say, seed } = this.#options
    const grown = growth(this.#samples)
    const last = this.#samples.at(-1)
    if (last)
      say(
        `now: RSS ${(last.rss / 2 ** 20).toFixed(0)} MiB, ${last.descriptors} descriptors, ${last.threads} threads`,
      )
    const left = leftBehind()
    for (const each of [...(grown ?? []), ...left]) say(`FAILED, seed ${seed}: ${each}`)
    if (grown === undefined) say(`growth is not judged: fewer than ${fewestSamples} rounds after the warm-up`)
    else if (grown.length === 0)
      say(
        `flat: medians of the first and the last third differ by at most ${bounds.rss >> 20} MiB, ` +
          `${bounds.descriptors} descriptors, ${bounds.threads} threads`,
      )
    return left.length === 0 && (grown ?? []).length === 0
  }

  #summary(): void {
    const seconds = (performance.now() - this.#began) / 1000
    const perSecond = Math.round(Number(this.#offered) / seconds)
    this.#options.say(
      `${this.#rounds} rounds, ${this.#steps} steps, ${this.#offered} frames offered in ${seconds.toFixed(0)} s, ` +
        `${perSecond} per second, seed ${this.#options.seed}`,
    )
  }
}

const hung = (at: string): Outcome => ({
  steps: 0,
  offered: 0n,
  failure: `hangs: not over after ${hangsAfter / 1000} s, at ${at}`,
})

setFlagsFromString('--expose-gc')
/** So that memory is what is in use, not what has not been looked at yet. */
const collect = runInNewContext('gc') as () => void

const measure = (): Sample => ({
  rss: process.memoryUsage.rss(),
  descriptors: readdirSync('/proc/self/fd').length,
  threads: readdirSync('/proc/self/task').length,
})

/** Child processes and interfaces of ours that are still there. The compiler of TypeScript is not ours. */
function leftBehind(): string[] {
  const children = readdirSync('/proc/self/task').flatMap((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean)
    } catch {
      return [] // gone, or a kernel without the list
    }
  })
  const programs = children.flatMap((child) => {
    try {
      const name = readFileSync(`/proc/${child}/comm`, 'utf8').trim()
      return name === 'esbuild' ? [] : [`the process ${child} (${name}) is left`]
    } catch {
      return []
    }
  })
  const links = readFileSync('/proc/net/dev', 'utf8').includes('soak0:')
    ? ['the interface soak0 is left']
    : []
  return [...programs, ...links]
}
