/**
 * No call that JavaScript can make of what etherloom exports ends the process, hangs, or is refused in words that are no
 * sentence: every class and function is called with everything that it does not ask for. The calls are made of the
 * declarations (api.ts), so that what is exported tomorrow is tried tomorrow. They run in processes of their own
 * (calls.ts), in a network namespace where one can be made.
 */
import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lacksNetwork, testFile } from '../helpers/kernel.js'
import { readApi, type Api } from './api.js'
import type { Finding, Job } from './calls.js'

/** A process without a new call for so long hangs. */
const hangsAfter = 60_000

describe('Silly calls', function () {
  this.timeout(300_000)
  let folder: string
  let api: Api
  const running = new Set<ChildProcess>()

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'etherloom-silly-'))
    api = readApi()
    writeFileSync(join(folder, 'api.json'), JSON.stringify(api))
  })
  after(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  /** Runs a job; resolves with what it found, and the classes of which it had something to call. */
  const run = async (
    name: string,
    job: Job,
  ): Promise<{ findings: Finding[]; had: string[]; calls: number }> => {
    const [own, log] = [join(folder, name), join(folder, `${name}.log`)]
    mkdirSync(own)
    const words = [
      '--import=tsx',
      testFile('silly/calls.ts'),
      join(folder, 'api.json'),
      own,
      log,
      JSON.stringify(job),
    ]
    const apart = lacksNetwork() === undefined ? ['unshare', '--net'] : []
    const [command = '', ...rest] = [...apart, process.execPath, ...words]
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    let [output, errors, hangs, last] = ['', '', false, '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8').trim() : 'nothing yet')
    const watch = setInterval(() => {
      hangs = last === said()
      last = said()
      if (hangs) child.kill('SIGKILL')
    }, hangsAfter)
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    clearInterval(watch)
    running.delete(child)
    const lines = output
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Finding | { had: string[]; calls: number })
    const findings = lines.filter((line) => 'problem' in line)
    const end = lines.find((line) => 'had' in line)
    if (end) return { findings, ...end }
    const how = hangs ? 'hangs' : `ended with ${signal ?? code}`
    expect.fail(`${how}; the last calls were\n${said()}\n${errors.slice(-4000)}\n${inLines(findings)}`)
  }
  const inLines = (findings: readonly Finding[]): string =>
    findings.map(({ call, problem }) => `${call}: ${problem}`).join('\n')

  /** How many processes the classes are spread over: two run at a time. */
  const processes = 4

  it('of every class and function are refused as an EtherloomError, and frames pass all the same', async () => {
    const owners = [...new Set(api.members.map(({ owner }) => owner))]
    expect(owners).to.include.members([
      'Engine',
      'TapPort',
      'connect',
      'parseRate',
      'Timeline',
      'Lab',
      'assertLab',
      'etherloomMatchers',
    ]) // it is the API
    const shares = Array.from({ length: processes }, (_, share) =>
      owners.filter((_, index) => index % processes === share),
    )
    const ends: Awaited<ReturnType<typeof run>>[] = []
    const inTurn = async (): Promise<void> => {
      for (let share = shares.shift(); share; share = shares.shift())
        ends.push(await run(`share${shares.length}`, { owners: share }))
    }
    await Promise.all([inTurn(), inTurn()])
    expect(inLines(ends.flatMap(({ findings }) => findings))).to.equal('')
    const had = new Set(ends.flatMap((end) => end.had))
    const never = owners.filter((owner) => !had.has(owner))
    const cannot = lacksNetwork() === undefined ? [] : ['Namespace'] // but for those that calls give
    expect(cannot, 'stage.ts has nothing of the others').to.include.members(never)
  })

  for (const seed of [1000, 2000])
    it(`in any order end nothing either (seed ${seed})`, async () => {
      const { findings, calls } = await run(`sequences${seed}`, { sequences: 25, seed })
      expect(inLines(findings)).to.equal('')
      expect(calls).to.be.above(25 * 15)
    })
})
