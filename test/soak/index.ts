/** `npm run soak -- [--minutes N] [--seed S] [--workers N] [--clock real|virtual]`, or `--round N` or `--program FILE` for one round again. */
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { soak } from './soak.js'
import type { Program } from './steps.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    workers: { type: 'string' },
    clock: { type: 'string' },
    round: { type: 'string' },
    program: { type: 'string' },
  },
})

function number(
  option: 'minutes' | 'seed' | 'workers' | 'round',
  least: number,
  most: number,
): number | undefined {
  const text = values[option]
  if (text === undefined) return undefined
  const given = Number(text)
  if (text !== '' && given >= least && given <= most && (option === 'minutes' || Number.isInteger(given)))
    return given
  console.error(`--${option} is a number from ${least} to ${most}, not '${text}'`)
  process.exit(2)
}

const { clock } = values
if (clock !== undefined && clock !== 'real' && clock !== 'virtual') {
  console.error(`--clock is real or virtual, not '${clock}'`)
  process.exit(2)
}

const stop = new AbortController()
const interrupt = (): void => {
  console.log('\ninterrupted: this round is ended in order')
  stop.abort()
}
process.once('SIGINT', interrupt).once('SIGTERM', interrupt)

const [workers, round] = [number('workers', 1, 64), number('round', 0, 2 ** 31)]
const well = await soak({
  minutes: number('minutes', 0, 10_000) ?? 1,
  seed: number('seed', 0, 2 ** 31) ?? randomInt(2 ** 31),
  ...(workers !== undefined && { workers }),
  ...(clock !== undefined && { clock }),
  ...(round !== undefined && { round }),
  ...(values.program !== undefined && {
    program: JSON.parse(readFileSync(values.program, 'utf8')) as Program,
  }),
  say: (line) => console.log(line),
  signal: stop.signal,
})
process.exit(well ? (stop.signal.aborted ? 130 : 0) : 1) // also where a round hangs
