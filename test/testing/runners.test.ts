/** Labs in the runners themselves: who closes them, what a failure leaves, and that its line repeats it. */
import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { testFile } from '../helpers/kernel.js'
import { readPcapng } from '../helpers/pcapng.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const foreign = join(root, 'test/runners/node_modules')
const program = (name: string): string => join(foreign, name)

/** The words of a Node that runs a file; those that are installed apart run copies, beside links to their packages. */
const runners: Record<string, { words: string[]; example: string; packages?: string[] }> = {
  mocha: {
    words: [join(root, 'node_modules/mocha/bin/mocha.js'), '--no-config'],
    example: 'mocha/faults.spec.mjs',
  },
  'node:test': { words: ['--test'], example: 'node-test/faults.test.mjs' },
  vitest: {
    words: [program('vitest/vitest.mjs'), 'run'],
    example: 'vitest/faults.test.mjs',
    packages: ['vitest'],
  },
  jest: {
    words: [
      '--experimental-vm-modules',
      program('jest/bin/jest.js'),
      '--testMatch=**/*.test.mjs',
      '--rootDir=.',
    ],
    example: 'jest/faults.test.mjs',
    packages: ['jest'],
  },
}

describe('Labs in test runners', function () {
  this.timeout(240_000) // runners of others take seconds to start, beside other work
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'etherloom-runners-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  const run = (words: readonly string[], { cwd, shell = '' }: { cwd: string; shell?: string }) => {
    const { NODE_TEST_CONTEXT: _, ...rest } = process.env
    const [command, ...given] = shell === '' ? [process.execPath, ...words] : ['sh', '-c', shell]
    const { status, stdout, stderr } = spawnSync(command, given, {
      cwd,
      env: { ...rest, TMPDIR: folder, ETHERLOOM_FAILURES_DIRECTORY: join(folder, 'failures') },
      encoding: 'utf8',
      timeout: 100_000,
    })
    return { status, output: stdout + stderr }
  }

  /** Where the file can be run: where it is, or a project of its own. */
  const place = (file: string, packages: readonly string[] | undefined): { cwd: string; file: string } => {
    if (!packages) return { cwd: root, file }
    const project = join(folder, 'project')
    mkdirSync(join(project, 'tests'), { recursive: true })
    mkdirSync(join(project, 'node_modules/.bin'), { recursive: true })
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
    symlinkSync(root, join(project, 'node_modules/etherloom'))
    for (const name of packages) {
      symlinkSync(program(name), join(project, 'node_modules', name))
      symlinkSync(realpathSync(join(foreign, '.bin', name)), join(project, 'node_modules/.bin', name))
    }
    copyFileSync(join(root, 'examples/testing/network.yaml'), join(project, 'network.yaml'))
    const name = basename(file).replace('.spec.', '.test.')
    copyFileSync(file, join(project, 'tests', name))
    return { cwd: project, file: `tests/${name}` }
  }
  const left = () => readdirSync(folder).filter((name) => /^etherloom-lab-|^failures$/.test(name))
  const arrivals = (output: string) => /arrived (\d+) ([\d,]*)/.exec(output)?.slice(1) ?? []

  for (const [name, { words, example, packages }] of Object.entries(runners)) {
    it(`${name}: the example passes, and leaves nothing`, function () {
      if (packages && !existsSync(foreign)) this.skip() // node scripts/setup.mjs --test
      const { cwd, file } = place(join(root, 'examples/testing', example), packages)
      const { status, output } = run([...words, file], { cwd })
      expect(status, output).to.equal(0)
      expect(left()).to.deep.equal([])
    })

    it(`${name}: labs close by themselves; a failure leaves frames, topology, seed and the line that repeats it`, function () {
      if (packages && !existsSync(foreign)) this.skip() // node scripts/setup.mjs --test
      const { cwd, file } = place(testFile('testing/programs/fails.spec.mjs'), packages)
      const { status, output } = run([...words, file], { cwd })
      expect(status, output).to.not.equal(0)
      expect(output).to.match(/closed (\d) of \1/)
      expect(output).to.include('order true')
      expect(left()).to.deep.equal(['failures'])
      const kept = readdirSync(join(folder, 'failures')).find((each) => each.includes('so')) ?? ''
      const failure = join(folder, 'failures', kept)
      expect(readdirSync(failure).sort()).to.deep.equal(['lab.fates.pcapng', 'repeat.sh', 'topology.yaml'])
      const { packets } = readPcapng(readFileSync(join(failure, 'lab.fates.pcapng')))
      const [seed, numbers = ''] = arrivals(output)
      expect(packets.length).to.equal(32)
      expect(packets.filter(({ comment }) => comment.includes('fate=delivered')).length).to.equal(
        numbers.split(',').filter((each) => each !== '').length,
      )
      expect(readFileSync(join(failure, 'topology.yaml'), 'utf8')).to.include(`seed: ${seed}\n`)
      const line = readFileSync(join(failure, 'repeat.sh'), 'utf8').trim()
      expect(output.replaceAll('\\\\', '\\')).to.include(line) // TAP doubles them
      const again = run([], { cwd, shell: line.replace('npx jest', "npx jest --testMatch='**/*.test.mjs'") })
      expect(again.status, again.output).to.not.equal(0)
      expect(arrivals(again.output), again.output).to.deep.equal([seed, numbers])
    })
  }

  /** A file of node:test with one lab, made in a hook; where its error goes is told by the exit code and what is left. */
  const runNodeTest = (lines: readonly string[], words: readonly string[] = [], name = 'hooks.test.mjs') => {
    const { cwd } = place(testFile('testing/programs/fails.spec.mjs'), [])
    const imports = [
      "import test, { after, before, beforeEach } from 'node:test'",
      "import { lab } from 'etherloom/testing'",
    ]
    const topology = "const topology = { fabrics: { lab: { kind: 'hub', ports: { a: { memory: {} } } } } }"
    writeFileSync(join(cwd, name), [...imports, topology, 'let net', ...lines].join('\n'))
    const result = run([...words, '--test', name], { cwd })
    rmSync(cwd, { recursive: true }) // for the next
    return result
  }
  const passes = "test('passes', () => console.log(`closed ${net.engine.closed}`))"

  for (const hook of ['before', 'beforeEach'])
    it(`node:test: '${hook}' without a test is an error that says what to do, and keeps nothing`, () => {
      const { status, output } = runNodeTest([`${hook}(async () => { net = await lab(topology) })`, passes])
      expect(status, output).to.equal(1)
      expect(output).to.include(
        `a '${hook}' of node:test is running and no test, so nobody would close the lab`,
      )
      expect(left()).to.deep.equal([])
    })

  it("node:test: 'beforeEach' with its test has the lab until that has ended", () => {
    const { status, output } = runNodeTest([
      'beforeEach(async (t) => { net = await lab(topology, { test: t }) })',
      passes,
      'after(() => console.log(`then ${net.engine.closed}`))',
    ])
    expect(status, output).to.equal(0)
    expect(output).to.include('closed false').and.to.include('then true')
    expect(left()).to.deep.equal([])
  })

  it("mocha: 'before' with its context has the lab until its block has ended", () => {
    const { cwd, file } = place(testFile('testing/programs/fails.spec.mjs'), [])
    const lines = [
      "import { lab } from 'etherloom/testing'",
      "const topology = { fabrics: { lab: { kind: 'hub', ports: { a: { memory: {} } } } } }",
      "describe('block', () => {",
      'let net',
      'before(async function () { net = await lab(topology, { test: this }) })',
      "it('first', () => console.log(`first ${net.engine.closed}`))",
      "it('second', () => console.log(`second ${net.engine.closed}`))",
      '})',
    ]
    writeFileSync(join(cwd, file), lines.join('\n'))
    const { status, output } = run([...(runners.mocha?.words ?? []), file], { cwd })
    expect(status, output).to.equal(0)
    expect(output).to.include('first false').and.to.include('second false')
    expect(left()).to.deep.equal([])
  })

  it('node:test: the line that repeats a failure has the options of Node', () => {
    const { output } = runNodeTest(
      ["test('fails', async () => { await lab(topology); throw new Error('on purpose') })"],
      ['--import=data:text/javascript,', '--test-timeout', '60000'],
    )
    expect(output).to.match(
      /^.*ETHERLOOM_SEED=\d+ node '--import=data:text\/javascript,' --test --test-name-pattern=fails /m,
    )
  })

  it('the line that repeats has the seed of labs without one, not that of another', () => {
    const fails = "throw new Error('on purpose')"
    const seeds = (output: string) =>
      [...output.matchAll(/^#? *(ETHERLOOM_SEED=\d+ )?node /gm)].map(([, seed]) => seed)
    const own = runNodeTest([`test('own', async () => { await lab(topology, { seed: 7 }); ${fails} })`])
    expect(seeds(own.output), own.output).to.deep.equal([undefined])
    const both = runNodeTest([
      `test('both', async () => { await lab(topology, { seed: 7 }); const { seed } = await lab(topology)`,
      `console.log('drew', seed); ${fails} })`,
    ])
    const line = `ETHERLOOM_SEED=${/drew (\d+)/.exec(both.output)?.[1]} `
    expect(seeds(both.output), both.output).to.deep.equal([line, line])
  })

  it('failures of the same name in two files are both kept; what cannot be kept is said, and gone', () => {
    const fails = ["test('fails', async () => { await lab(topology); throw new Error('on purpose') })"]
    runNodeTest(fails, [], 'one.test.mjs')
    runNodeTest(fails, [], 'two.test.mjs')
    const failures = join(folder, 'failures')
    expect(readdirSync(failures)).to.deep.equal(['one.test.mjs-fails', 'two.test.mjs-fails'])
    rmSync(failures, { recursive: true })
    writeFileSync(failures, 'in the way')
    const { status, output } = runNodeTest(fails)
    expect(status).to.equal(1)
    expect(output)
      .to.include('on purpose')
      .and.to.include("'fails' failed; what became of its frames could not be kept")
    expect(left()).to.deep.equal(['failures'])
  })
})
