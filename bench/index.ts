// The command line of the benchmark: npm run bench -- [CASE...] [--runs N] [--seconds S] [--smoke] ...
// Exits with 0 when every goal is met (with --against: no row is slower than 0.97), 1 when one is not, a run fails or the subject cannot run, 2 on misuse.

import { parseArgs } from 'node:util'
import { suggestion } from '../lib/values/options.js'
import { againstToJson, againstToText, casesAgainst, heldAgainst } from './against.js'
import { build } from './build.js'
import { cases } from './cases/index.js'
import { describeMachine } from './machine.js'
import { succeeded, toJson, toMarkdown, toText } from './report.js'
import { runCase, type CaseResult } from './runner.js'

const usage = `usage: npm run bench -- [CASE...] [options]

  --runs N      rounds, each with every peer once (default 15)
  --seconds S   how long each run is measured (default 1)
  --smoke       one round of one second, nothing is judged
  --against DIR this build and that of another checkout in turn, which must be built; nothing else runs
  --json        print everything as JSON
  --markdown    print the table as Markdown

cases: ${cases.map(({ name }) => name).join(', ')}`

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '1' },
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      against: { type: 'string' },
    },
  })
  const rounds = values.smoke ? 1 : Number(values.runs)
  const seconds = values.smoke ? 1 : Number(values.seconds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--runs takes a whole number from 1')
  if (!(seconds > 0 && seconds <= 3600)) throw new RangeError('--seconds takes a number up to 3600')
  const unknown = positionals.find((name) => !cases.some((known) => known.name === name))
  if (unknown !== undefined) {
    const meant = suggestion(
      unknown,
      cases.map(({ name }) => name),
    )
    throw new RangeError(`there is no case called ${unknown}${meant}`)
  }

  if (values.against !== undefined && values.markdown)
    throw new RangeError('--markdown prints the table of the peers, which --against does not run')
  const chosen = positionals.length === 0 ? cases : cases.filter(({ name }) => positionals.includes(name))
  const { against, json, markdown } = values
  const [print, held] =
    against === undefined
      ? [json ? toJson : markdown ? toMarkdown : toText, succeeded]
      : [json ? againstToJson : againstToText, heldAgainst]
  return { chosen, rounds, seconds, judged: !values.smoke, against, print, held }
}

async function main(options: ReturnType<typeof readOptions>) {
  const { rounds, seconds, judged, against, print, held } = options
  await build()
  const { cases: chosen, missing } =
    against === undefined
      ? { cases: options.chosen, missing: [] }
      : await casesAgainst(against, options.chosen)
  if (missing.length > 0) console.error(`not in ${against}, and left out: ${missing.join(', ')}`)
  const setup = { machine: await describeMachine(), seconds }
  const results: CaseResult[] = []
  const roundsOf = (subject: { rounds?: number }): number => Math.min(rounds, subject.rounds ?? rounds)
  for (const subject of chosen) {
    const its = roundsOf(subject)
    const progress = (round: number, { name }: { name: string }) =>
      console.error(`${subject.name}: round ${round} of ${its}, ${name}`)
    results.push(await runCase(subject, its, setup, progress))
  }
  const report = { setup, rounds: Math.max(0, ...chosen.map(roundsOf)), results, judged }
  console.log(print(report))
  process.exitCode = held(report) ? 0 : 1
}

try {
  const options = readOptions()
  await main(options).catch((error: unknown) => {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 2
}
