/** The command line of the soak: `npm run soak -- [options]`, see `usage`. Exits with 0 when all was well, 1 when not, 2 on misuse. */
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { soakNatively } from './native.js'
import type { Program } from './steps.js'

const usage = `usage: npm run soak -- [options]

  --minutes N     how long, from 0 (one round) to 10000 (default 1)
  --seed S        of all programs (default: a random one, which is printed)
  --workers N     of every engine, from 1 to 64 (default: 1 to 4 by chance)
  --round N       only this round of the seed

  --clock WHICH   real or virtual (default: in turn)
  --program FILE  only this program, as a failure printed it

  --native        the native half alone, on the real clock; built first
  --sanitize=LIST with --native: address,undefined or thread
  --frames N      with --native: ends after the round in which so many frames have been offered to paths
  --steps LIST    with --native and --round: only these steps, as a failure printed them`

function misuse(problem: string): never {
  console.error(`${problem}\n\n${usage}`)
  process.exit(2)
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        minutes: { type: 'string', default: '1' },
        seed: { type: 'string' },
        workers: { type: 'string' },
        clock: { type: 'string' },
        round: { type: 'string' },
        program: { type: 'string' },
        native: { type: 'boolean', default: false },
        sanitize: { type: 'string' },
        frames: { type: 'string' },
        steps: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return misuse((error as Error).message)
  }
}

const values = readOptions()
if (values.help) {
  console.log(usage)
  process.exit(0)
}

function number(
  option: 'minutes' | 'seed' | 'workers' | 'round' | 'frames',
  least: number,
  most: number,
): number | undefined {
  const text = values[option]
  if (text === undefined) return undefined
  const given = Number(text)
  const fraction = option === 'minutes' && !values.native
  if (text !== '' && given >= least && given <= most && (fraction || Number.isInteger(given))) return given
  return misuse(`--${option} is a ${fraction ? '' : 'whole '}number from ${least} to ${most}, not '${text}'`)
}

for (const option of values.native
  ? (['clock', 'program'] as const)
  : (['sanitize', 'frames', 'steps'] as const))
  if (values[option] !== undefined)
    misuse(`--${option} goes ${values.native ? 'not with' : 'only with'} --native`)
const { clock, sanitize = '' } = values
if (clock !== undefined && clock !== 'real' && clock !== 'virtual')
  misuse(`--clock is real or virtual, not '${clock}'`)
if (!['', 'address,undefined', 'thread'].includes(sanitize))
  misuse(`--sanitize is address,undefined or thread, not '${sanitize}'`)
if (values.steps !== undefined && (values.round === undefined || !/^\d+(,\d+)*$/.test(values.steps)))
  misuse(`--steps is a list of numbers, as 0,3,4, and goes with --round`)

const stop = new AbortController()
const interrupt = (): void => {
  console.log(values.native ? '\ninterrupted' : '\ninterrupted: this round is ended in order')
  stop.abort()
}
process.once('SIGINT', interrupt).once('SIGTERM', interrupt)

const [workers, round, frames] = [
  number('workers', 1, 64),
  number('round', 0, 2 ** 31),
  number('frames', 1, Number.MAX_SAFE_INTEGER),
]
const shared = {
  minutes: number('minutes', 0, 10_000) ?? 1,
  seed: number('seed', 0, 2 ** 31) ?? randomInt(2 ** 31),
  ...(workers !== undefined && { workers }),
  ...(round !== undefined && { round }),
  say: (line: string) => console.log(line),
  signal: stop.signal,
}
const well = values.native
  ? await soakNatively({
      ...shared,
      sanitize,
      ...(frames !== undefined && { frames }),
      ...(values.steps !== undefined && { steps: values.steps.split(',').map(Number) }),
    })
  : // Imported here, since it loads the addon.
    await (
      await import('./soak.js')
    ).soak({
      ...shared,
      ...(clock !== undefined && { clock }),
      ...(values.program !== undefined && {
        program: JSON.parse(readFileSync(values.program, 'utf8')) as Program,
      }),
    })
process.exit(well ? (stop.signal.aborted ? 130 : 0) : 1) // also where a round hangs
