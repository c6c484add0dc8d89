/** Scripts that leave nothing on the machine, also where somebody ends them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'

const script = `
import { mkdirSync } from 'node:fs'
import { endable, removeWhole } from ${JSON.stringify(resolve('scripts/endable.mjs'))}
import { main, run } from ${JSON.stringify(resolve('scripts/tools.mjs'))}
await endable()
const folder = process.argv[2]
await main(() => {
  mkdirSync(folder)
  try {
    run('sh', ['-c', 'setsid sleep 1000 & echo $! $$; exec timeout 1000 sleep 1000', folder])
    console.log('not reached')
  } finally {
    removeWhole(folder)
  }
})
`

/** One that has ended, and whom nobody has buried yet, is not. */
const isThere = (pid: number): boolean => {
  const stat = `/proc/${pid}/stat`
  return existsSync(stat) && !readFileSync(stat, 'utf8').includes(') Z ')
}

describe('a script that can be ended', function () {
  this.timeout(30_000)
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'etherloom-endable-'))
    writeFileSync(join(directory, 'script.mjs'), script)
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    it(`tidies up on ${signal}, with all that it has started`, async () => {
      const folder = join(directory, 'scratch')
      const child = spawn(process.execPath, [join(directory, 'script.mjs'), folder], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const ended = once(child, 'exit')
      const [said] = (await once(child.stdout, 'data')) as [Buffer]
      const pids = String(said).trim().split(' ').map(Number)
      expect([existsSync(folder), ...pids.map(isThere)]).to.deep.equal([true, true, true])
      child.kill(signal)
      expect(await ended).to.deep.equal([code, null])
      expect([existsSync(folder), ...pids.map(isThere)]).to.deep.equal([false, false, false])
    })
})
