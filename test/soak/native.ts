/**
 * The soak of the native half alone: runs test/native/soak/ in a process of its own, also with sanitizers, says in which
 * round it failed, died or hangs, and makes that round's program smaller. Called by index.ts.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { bounds, fewestSamples, growth, type Sample } from './checks.js'
import { shrink } from './shrink.js'

export interface NativeSoakOptions {
  minutes: number
  seed: number
  /** Ends after the round in which so many frames were offered to paths. */
  frames?: number
  workers?: number
  /** Only this round, and of it only these steps. */
  round?: number
  steps?: readonly number[]
  /** As of the compiler's -fsanitize. */
  sanitize: string
  say: (line: string) => void
  signal: AbortSignal
}

/** How long a round may take: a few seconds, and with sanitizers on a busy machine a minute. */
const hangsAfter = 240_000
const shrinkFor = 300_000
/** Threads race: what does not fail at once gets more chances. */
const chances = 3

interface Run {
  rounds: number
  offered: bigint
  samples: Sample[]
  /** The round that was begun last, and how many steps it has. */
  round?: number
  steps: number
  fault?: string
  /** Of a run that is not heard while it runs. */
  output: string
}

/** Stops at the first report, which is then that of the round; what is freed is kept for a while, but not for ever. */
const environment = {
  TSAN_OPTIONS: 'halt_on_error=1',
  ASAN_OPTIONS: 'quarantine_size_mb=16',
  UBSAN_OPTIONS: 'print_stacktrace=1',
}

/** Resolves with whether all was well. */
export async function soakNatively(options: NativeSoakOptions): Promise<boolean> {
  return soakBinary(await build(options.sanitize), options)
}

/** The same with a program that says what the native tests say. */
export async function soakBinary(binary: string, options: NativeSoakOptions): Promise<boolean> {
  const { say, seed, minutes, round, steps, sanitize, signal } = options
  say(
    `soak, native${sanitize && ` (${sanitize})`}: seed ${seed}, ${round === undefined ? `${minutes} min` : 'one round'}`,
  )
  const began = performance.now()
  const given = {
    seed,
    minutes,
    ...(options.frames !== undefined && { frames: options.frames }),
    ...(options.workers !== undefined && { workers: options.workers }),
  }
  const only = { ...given, ...(round !== undefined && { round }), ...(steps && { steps: steps.join(',') }) }
  const run = await execute(binary, only, signal, true)
  const seconds = (performance.now() - began) / 1000
  say(
    `${run.rounds} rounds, ${run.offered} frames offered in ${seconds.toFixed(0)} s, ` +
      `${Math.round(Number(run.offered) / seconds)} per second, seed ${seed}`,
  )
  if (signal.aborted) return true
  if (run.fault === undefined) return flat(run.samples, say, seed)
  say(`\nFAILED in round ${run.round} of seed ${seed}: ${run.fault}`)
  const again = [
    `npm run soak -- --native`,
    ...(sanitize ? [`--sanitize=${sanitize}`] : []),
    `--seed ${seed}`,
    ...(options.workers === undefined ? [] : [`--workers ${options.workers}`]),
    `--round ${run.round}`,
  ].join(' ')
  say(`repeat it: ${again}`)
  if (run.round === undefined || steps) return false

  const end = performance.now() + shrinkFor
  const enough = () => performance.now() > end || signal.aborted
  let last = ''
  const smallest = await shrink(
    Array.from({ length: run.steps }, (_, step) => step),
    async (shorter) => {
      for (let chance = 0; chance < chances && !enough(); chance++) {
        const which = { ...given, round: run.round as number, steps: shorter.join(',') }
        const { fault, output } = await execute(binary, which, signal, false)
        if (fault === undefined) continue
        last = `${output}${fault}`
        return true
      }
      return false
    },
    enough,
  )
  if (last === '') say('it did not fail again, whole or in part')
  else
    say(
      `${run.steps} steps were made ${smallest.length}:\n${last}\nrepeat it: ${again} --steps ${smallest.join(',')}`,
    )
  return false
}

async function build(sanitize: string): Promise<string> {
  interface Build {
    make: () => void
    readonly testBinary: string
  }
  const { NativeBuild } = (await import(new URL('../../scripts/gyp.mjs', import.meta.url).href)) as {
    NativeBuild: new (which: { tests: boolean; sanitize: string }) => Build
  }
  const made = new NativeBuild({ tests: true, sanitize })
  made.make()
  return made.testBinary
}

/** Runs the binary to its end. What it says is described in test/native/soak/soak.cpp. */
function execute(
  binary: string,
  given: Record<string, number | string>,
  signal: AbortSignal,
  heard: boolean,
): Promise<Run> {
  const run: Run = { rounds: 0, offered: 0n, samples: [], steps: 0, output: '' }
  const words = Object.entries(given).map(([name, value]) => `${name}=${value}`)
  const child = spawn(binary, ['--soak', ...words], {
    stdio: ['ignore', 'pipe', heard ? 'inherit' : 'pipe'],
    env: { ...process.env, ...environment },
  })
  return new Promise((resolve, reject) => {
    const kill = () => child.kill('SIGKILL')
    const timer = setTimeout(() => {
      run.fault = `hangs: not over after ${hangsAfter / 1000} s`
      kill()
    }, hangsAfter)
    signal.addEventListener('abort', kill, { once: true })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (run.output += text))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const [word, ...rest] = line.split(' ')
      if (word === 'round') {
        const [round, steps] = rest.map(Number) as [number, number]
        Object.assign(run, { round, steps })
        timer.refresh()
      } else if (word === 'done') {
        const [offered, rss, descriptors, threads] = rest.map(Number) as [number, number, number, number]
        run.rounds++
        run.offered += BigInt(offered)
        run.samples.push({ rss, descriptors, threads })
      } else if (word === 'fault') {
        run.fault = rest.join(' ')
      } else {
        run.output += `${line}\n`
      }
    })
    child.once('error', reject)
    child.once('close', (code, by) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', kill)
      if (code !== 0 && !signal.aborted) run.fault ??= `died: ${by ?? `exit code ${code}`}`
      resolve(run)
    })
  })
}

function flat(samples: readonly Sample[], say: (line: string) => void, seed: number): boolean {
  const grown = growth(samples)
  for (const each of grown ?? []) say(`FAILED, seed ${seed}: ${each}`)
  if (grown === undefined) say(`growth is not judged: fewer than ${fewestSamples} rounds after the warm-up`)
  else if (grown.length === 0)
    say(
      `flat: medians of the first and the last third differ by at most ${bounds.rss >> 20} MiB, ` +
        `${bounds.descriptors} descriptors, ${bounds.threads} threads`,
    )
  return (grown ?? []).length === 0
}
