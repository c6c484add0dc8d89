// What it costs to start: `node bench/start-up.mjs [--runs N]`, N rounds (default 11). In each round an empty program of
// Node.js and what users start take turns; printed are the processor time and the time that each takes beyond the empty
// one of its round, medians with least and greatest, in milliseconds. Of dist/, so build it first: npm run build:lib.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const command = path.join(root, 'dist/bin/etherloom.js')
const library = JSON.stringify(pathToFileURL(path.join(root, 'dist/lib/index.js')).href)
const topology = path.join(root, 'examples/two-sites.yaml')

const starts = {
  'an empty program': ['--input-type=module', '--eval', ''],
  "import 'etherloom'": ['--input-type=module', '--eval', `await import(${library})`],
  'etherloom --help': [command, '--help'],
  'etherloom show': [command, 'show'],
  'etherloom validate': [command, 'validate', topology],
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '11' } } })
const rounds = Number(values.runs)
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--runs takes a whole number from 1')

// By getrusage(2) of children, whose difference is the one that has just ended; its own clock is finer than ticks.
const spent = `
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print((used.ru_utime + used.ru_stime) * 1000, (time.monotonic() - began) * 1000)
`

function measure(words, env) {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', spent, process.execPath, ...words], {
    encoding: 'utf8',
    env,
  })
  if (status !== 0) throw new Error(`node ${words.join(' ')}: ${stderr}`)
  return stdout.trim().split(' ').map(Number)
}

const middle = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const [least, median, greatest] = [0, Math.floor(sorted.length / 2), sorted.length - 1].map((at) =>
    sorted[at].toFixed(0),
  )
  return `${median} (${least} to ${greatest})`
}

const home = mkdtempSync(path.join(tmpdir(), 'etherloom-start-'))
const env = { ...process.env, ETHERLOOM_CONTROL_DIRECTORY: home }
const instance = spawn(
  process.execPath,
  [command, 'up', '--json', path.join(root, 'bench/programs/start-up.yaml')],
  { env, stdio: ['ignore', 'pipe', 'inherit'] },
)
try {
  await once(instance.stdout, 'data')
  const figures = Object.fromEntries(Object.keys(starts).map((name) => [name, []]))
  for (let round = 0; round < rounds; ++round)
    for (const [name, words] of Object.entries(starts)) figures[name].push(measure(words, env))
  const [empty] = Object.values(figures)
  const beyond = (all, what) => middle(all.map((figure, round) => figure[what] - empty[round][what]))
  console.log(`${'ms beyond an empty program'.padEnd(28)}${'processor'.padEnd(18)}time`)
  for (const [name, all] of Object.entries(figures).slice(1))
    console.log(name.padEnd(28) + beyond(all, 0).padEnd(18) + beyond(all, 1))
  const alone = (what) => middle(empty.map((figure) => figure[what]))
  console.log(`${'the empty program'.padEnd(28)}${alone(0).padEnd(18)}${alone(1)}`)
} finally {
  instance.kill('SIGTERM')
  rmSync(home, { recursive: true, force: true })
}
