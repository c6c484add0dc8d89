/** How processes and worker threads end with an open fabric: at once, with the right code, and nothing left behind. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('programs/exit.ts', import.meta.url))
/** From `ready` to the end of the process. */
const longest = 2000

describe('The end of a process', function () {
  this.timeout(120_000)
  const running = new Set<ReturnType<typeof spawn>>()
  afterEach(() => {
    for (const child of running) child.kill('SIGKILL')
    running.clear()
  })

  /** Runs a case of the program, sends it a signal when it is ready, and tells how it ended. */
  const run = async (name: string, signal?: NodeJS.Signals) => {
    const child = spawn(process.execPath, ['--import=tsx', program, name], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let [output, errors] = ['', '']
    let readyAt = Infinity
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (readyAt < Infinity || !output.includes('ready')) return
      readyAt = performance.now()
      if (signal) child.kill(signal)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    running.delete(child)
    expect(performance.now() - readyAt, `${errors}${output}`).to.be.within(0, longest)
    return { ended: killedBy ?? code, output: output.replace(/^ready\n/, '').trim(), errors }
  }

  const endings: [what: string, name: string, ended: number, output: string][] = [
    ['an attached fabric keeps the process alive', 'attached', 0, 'still here'],
    ['a fabric without ports and an engine do not', 'empty', 0, ''],
    ['a fabric whose ports have left does not', 'detached', 0, ''],
    ['a closed fabric does not', 'closed', 0, ''],
    ['a fabric with unref() does not', 'unref', 0, ''],
    ['one with ref() again does', 'unref and ref', 0, 'still here'],
    ['process.exit ends it with its code', 'process.exit', 7, ''],
    ['process.exit ends it while a port is being attached', 'process.exit before attached', 7, ''],
    ['the end of a block with `await using` closes', 'end of block', 0, ''],
    ['a worker thread that closes ends', 'worker ends', 0, 'worker 0, no thread left'],
    ['a worker thread that exits without closing ends', 'worker exits', 0, 'worker 7, no thread left'],
    ['a worker thread that is terminated ends', 'worker is terminated', 0, 'worker 1, no thread left'],
  ]
  for (const [what, name, ended, output] of endings) {
    it(what, async () => {
      const end = await run(name)
      expect(end.errors).to.equal('')
      expect([end.ended, end.output]).to.deep.equal([ended, output])
    })
  }

  it('a throw within `await using` closes, and fails with its error', async () => {
    const { ended, output, errors } = await run('throw')
    expect([ended, output]).to.deep.equal([1, 'closed true'])
    expect(errors).to.contain('Error: on purpose')
  })

  it('a throw in a worker thread ends the worker only', async () => {
    const { ended, output } = await run('worker throws')
    expect(ended).to.equal(0)
    expect(output).to.contain('worker failed: on purpose').and.contain('worker 1, no thread left')
  })

  it('SIGTERM ends it', async () => {
    expect((await run('forever', 'SIGTERM')).ended).to.equal('SIGTERM')
  })

  it('a signal handler that closes lets it end by itself', async () => {
    const { ended, errors } = await run('signal handler', 'SIGTERM')
    expect([ended, errors]).to.deep.equal([0, ''])
  })
})
