// Proves that the package installs and runs where there is nothing but a small Debian and Node.js: no compiler, no make, no
// Python. `node scripts/fresh-root.mjs TARBALL [--quick]`, as root. The tarball is what `npm pack` made. In an empty root file
// system, under each Node.js, it is installed with and without install scripts, and what a user does first is done: the
// README's program, ESM, CommonJS, worker threads, `etherloom up`, `exec`, `demo`, and `up --rootless` by a user without rights.
// TypeScript then checks a program against its types in each way of resolving modules. The table at the end has the times: of
// installations medians, beside packages that bring a prebuilt addon, too. Everything that it makes is gone afterwards.
// Called by pack-smoke.mjs.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { addNode, addSystem, inside, lacking, registry } from './debian-root.mjs'
import { endable, removeWhole } from './endable.mjs'
import { Stop, inRoot, isMain, main, readmeProgram, run } from './tools.mjs'

/** Packages that bring a prebuilt addon in their tarball, as etherloom does, for comparison. */
const peers = ['bufferutil@4', 'sodium-native@5']

/** Under which Node.js, in how many rounds, and what else: all, or what every landing passes. */
export const extents = {
  whole: { majors: ['20', '22', '24'], rounds: 5, compared: peers },
  quick: { majors: ['20', '24'], rounds: 1, compared: [] },
}

/** No step takes so many seconds. */
const limit = '120'

/** What must not be there, so that nothing can be built in secret. */
const compilers = ['cc', 'c++', 'gcc', 'g++', 'clang', 'make', 'python3', 'node-gyp']

/** How a project is checked that takes nothing of its packages' types on trust. */
export const strict = {
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  typeRoots: [inRoot('node_modules/@types')],
}

/** How TypeScript may resolve modules, each with the kinds of files that can import a module of ours there. */
const resolutions = {
  node16: [{ module: 'node16' }, ['mts']],
  nodenext: [{ module: 'nodenext' }, ['mts', 'cts']],
  bundler: [{ module: 'esnext', moduleResolution: 'bundler' }, ['ts', 'mts']],
}

const typedProgram = `import * as etherloom from 'etherloom'
export { lab } from 'etherloom/testing'
export const { TapPort, World, connect } = etherloom
export const hub: etherloom.Hub = new etherloom.Hub({ name: 'lab' })
`

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** The root file system, and what is done in it under one Node.js. */
class Root {
  #folder
  #env
  #told
  #scratch

  constructor(scratch) {
    this.#scratch = scratch
    this.#folder = path.join(scratch, 'root')
    mkdirSync(this.#folder)
    addSystem(this.#folder, scratch)
    this.#told = registry(this.#folder)
    this.#env = {}
  }

  at(...parts) {
    return path.join(this.#folder, ...parts)
  }

  /** From now on this Node.js is the one that is found. Returns its version. */
  use(major) {
    const place = addNode(this.#folder, this.#scratch, major)
    this.#env = { PATH: `${place}/bin:/usr/sbin:/usr/bin`, HOME: '/root', LANG: 'C.UTF-8' }
    const found = compilers.filter((name) =>
      [`${place}/bin`, 'usr/bin', 'usr/sbin'].some((folder) => existsSync(this.at(folder, name))),
    )
    if (found.length > 0) throw new Stop(`the root is not empty: it has ${found.join(', ')}`)
    const [program, ...words] = inside(this.#folder, ['node', '--version'], { env: this.#env })
    return execFileSync(program, words, { encoding: 'utf8' }).trim()
  }

  /** Runs a command in a folder of it to its end, which is a good one, and returns the seconds that it took. */
  run(cwd, command, { network = false, as = [], env = {} } = {}) {
    const timed = [...as, 'timeout', '--kill-after=5', limit, ...command]
    const all = { ...this.#env, ...(network && this.#told), ...env }
    const [program, ...words] = inside(this.#folder, timed, { cwd, network, env: all })
    const started = performance.now()
    run(program, words, { quiet: true })
    return (performance.now() - started) / 1000
  }

  /** Installs a package in a new project, and returns the seconds. Without a `cache` it is a new one. */
  install(project, spec, { cache, words = [] } = {}) {
    rmSync(this.at(project), { recursive: true, force: true })
    mkdirSync(this.at(project), { recursive: true })
    writeFileSync(this.at(project, 'package.json'), '{ "private": true }')
    const kept = cache ?? path.join(project, '.cache')
    const command = ['npm', 'install', '--no-audit', '--no-fund', `--cache=${kept}`, ...words, spec]
    return this.run(project, command, { network: true })
  }
}

/** Under one Node.js: a row of the table per thing done, with seconds. */
function prove(root, major, { tarball, program, rounds, compared }) {
  const home = `/home/node-${major}`
  const [ours, cache] = [`${home}/project`, `${home}/cache`]
  const rows = new Map()
  const time = (title, once, times = 1) => {
    rows.set(title, median(Array.from({ length: times }, once)))
  }
  mkdirSync(root.at(home), { recursive: true })
  for (const spec of [tarball, ...compared]) {
    const name = spec === tarball ? 'etherloom' : spec
    try {
      time(`install ${name}`, () => root.install(ours, spec), rounds)
      root.install(ours, spec, { cache })
      time(
        `install ${name}, from npm's cache`,
        () => root.install(ours, spec, { cache, words: ['--prefer-offline'] }),
        rounds,
      )
    } catch (error) {
      if (spec === tarball || !(error instanceof Stop)) throw error
      console.log(`left out: ${name} cannot be installed here, so nothing is compared with it`)
    }
  }
  const bare = `${home}/bare`
  time('install etherloom --ignore-scripts', () =>
    root.install(bare, tarball, { cache, words: ['--ignore-scripts'] }),
  )
  root.install(ours, tarball, { cache })
  for (const place of [ours, bare]) {
    cpSync(inRoot('test/installed'), root.at(place), { recursive: true })
    writeFileSync(root.at(place, 'readme.mjs'), program)
  }
  time("the README's program", () => root.run(ours, ['node', 'readme.mjs']))
  time('the same without install scripts', () => root.run(bare, ['node', 'readme.mjs']))
  time('import', () => root.run(ours, ['node', 'module.mjs']))
  time('require', () => root.run(ours, ['node', 'commonjs.cjs']))
  time('worker threads', () => root.run(ours, ['node', 'worker.mjs']))
  time('npx etherloom --version', () => root.run(ours, ['npx', '--no-install', 'etherloom', '--version']))
  time('up, show, exec, end', () => root.run(ours, ['node', 'up.mjs']))
  const as = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups']
  const env = { HOME: '/tmp', npm_config_cache: '/tmp/npm' }
  time('the same, rootless, as nobody', () => root.run(ours, ['node', 'up.mjs', '--rootless'], { as, env }))
  time('npx etherloom demo', () => root.run(ours, ['npx', '--no-install', 'etherloom', 'demo']))
  return rows
}

/** TypeScript is outside: what it reads is the project inside, which any of the installations made. */
function checkTypes(project) {
  const compiler = inRoot('node_modules/typescript/bin/tsc')
  for (const [name, [options, endings]] of Object.entries(resolutions)) {
    const files = endings.map((ending) => `typed.${ending}`)
    for (const file of files) writeFileSync(path.join(project, file), typedProgram)
    writeFileSync(
      path.join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...strict, ...options }, files }),
    )
    run(process.execPath, [compiler, '--project', project], { quiet: true })
    console.log(`types, module resolution ${name} (${endings.map((ending) => `.${ending}`).join(', ')}): ok`)
  }
}

function print(columns) {
  const titles = [...new Set([...columns.values()].flatMap((rows) => [...rows.keys()]))]
  const width = Math.max(...titles.map(({ length }) => length))
  const line = (title, cells) =>
    console.log([title.padEnd(width), ...cells.map((cell) => cell.padStart(10))].join('  '))
  line('seconds', [...columns.keys()])
  for (const title of titles)
    line(
      title,
      [...columns.values()].map((rows) => rows.get(title)?.toFixed(2) ?? '-'),
    )
}

/** What is under a folder, in KiB. */
const size = (folder) =>
  Number(execFileSync('du', ['--summarize', '--block-size=1K', folder], { encoding: 'utf8' }).split('\t')[0])

/** Does all of it; says so, and does nothing, where it cannot be done. */
export function proveInstallation(tarball, { majors, rounds, compared }) {
  const why = lacking()
  if (why !== undefined) {
    console.log(`skipped: a root of its own cannot be made: ${why}`)
    return
  }
  const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-root-'))
  try {
    const root = new Root(scratch)
    cpSync(tarball, root.at('etherloom.tgz'))
    console.log(
      `a root file system with ${readdirSync(path.join(scratch, 'archives')).length - 1} Debian packages: ${Math.round(size(root.at()) / 1024)} MiB`,
    )
    const columns = new Map()
    for (const major of majors) {
      const version = root.use(major)
      columns.set(
        version,
        prove(root, major, { tarball: '/etherloom.tgz', program: readmeProgram(), rounds, compared }),
      )
      console.log(`Node.js ${version}: ok`)
    }
    const project = root.at(`/home/node-${majors[0]}/project`)
    checkTypes(project)
    print(columns)
    console.log(`node_modules: ${size(path.join(project, 'node_modules'))} KiB`)
  } finally {
    removeWhole(scratch)
  }
}

if (isMain(import.meta.url)) {
  await endable()
  await main(() => {
    const options = { quick: { type: 'boolean' } }
    const { values, positionals } = parseArgs({ allowPositionals: true, options })
    const [tarball] = positionals
    if (tarball === undefined || !existsSync(tarball)) throw new Stop('Give the tarball that npm pack made.')
    const why = lacking()
    if (why !== undefined) throw new Stop(`A root of its own cannot be made: ${why}.`)
    proveInstallation(path.resolve(tarball), extents[values.quick ? 'quick' : 'whole'])
  })
}
