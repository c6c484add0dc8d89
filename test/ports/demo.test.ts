/** The demo, as `npm start` runs it where nobody watches. Whether it is in time is the bench's to judge, not ours. */
import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describeOnDevices, eventually, testFile } from '../helpers/kernel.js'

interface Row {
  path: string
  what: string
  measured: string
  agrees?: boolean
}

describeOnDevices('demo', function () {
  this.timeout(120_000)
  let demo: ChildProcess | undefined

  afterEach(async () => {
    if (demo?.exitCode !== null || demo.signalCode !== null) return
    const programs = programsOf(demo)
    demo.kill('SIGKILL')
    await once(demo, 'exit')
    for (const program of programs) if (existsSync(`/proc/${program}`)) process.kill(program, 'SIGKILL')
  })

  function start(...words: string[]): ChildProcess {
    const command = ['--import=tsx', testFile('../bin/etherloom.ts'), 'demo', ...words]
    demo = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    return demo
  }

  it('measures every path, and its exit code says whether all agrees', async () => {
    const child = start('--json')
    const [output, complaints, [code]] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    expect(complaints).to.equal('')
    const { agrees, rows } = JSON.parse(output) as { agrees: boolean; rows: Row[] }
    expect(agrees).to.equal(rows.every((row) => row.agrees !== false))
    expect(code).to.equal(agrees ? 0 : 1)

    const measured = (path: string, what: RegExp): string =>
      rows.find((row) => row.path === path && what.test(row.what))?.measured ?? 'nothing'
    expect(measured('red–blue', /^reachable$/)).to.equal('silent')
    expect(parseFloat(measured('red–green', /^round trip$/))).to.be.at.least(10)
    expect(parseFloat(measured('green–blue', /^round trip$/))).to.be.at.least(40)
    expect(measured('green–blue', /^rate/)).to.match(/^\d+\.\d+ Mbit\/s$/)
    for (const path of ['red–green', 'green–blue'])
      expect(measured(path, /^TCP/), path).to.match(/^same checksum/)
  })

  it('ends when it is told to, with all that it started', async () => {
    const child = start()
    const ended = once(child, 'exit')
    child.stdout!.resume()
    const programs = await eventually('a program in a host', () => {
      const found = programsOf(child)
      return found.length > 0 && found
    })
    child.kill('SIGINT')
    const [, signal] = (await ended) as [number | null, NodeJS.Signals | null]
    expect(signal, 'in an orderly way').to.equal(null)
    for (const program of programs) expect(existsSync(`/proc/${program}`), `process ${program}`).to.be.false
  })
})

/** The processes that it has started, by their ids; none when it has ended. */
function programsOf({ pid }: ChildProcess): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
