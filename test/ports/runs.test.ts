/** Programs that topologies run in hosts: what they say, how they end, and that nothing of them outlives us. */
import { expect } from 'chai'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Network, parseTopology, type NetworkEvents, type Topology } from '../../lib/index.js'
import { reports } from '../../lib/topology/report.js'
import { refusal } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices, eventually, testFile } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

const lab = (run: unknown): string => `
hosts: { red: { addresses: [10.0.0.1/24], run: ${JSON.stringify(run)} } }
fabrics: { lab: { kind: hub, ports: { red: { host: red } } } }
`
const topology = (run: unknown): Promise<Topology> => parseTopology(lab(run))

/** Says its number and that of its child, when that has become its program: a shell that has just been forked misses signals. */
const family = 'sleep 1000 & sleep 0.2; echo $$ $!; wait'

const isThere = (pid: string | undefined): Promise<boolean> =>
  readFile(`/proc/${pid}/stat`, 'utf8').then(
    (text) => !text.includes(') Z '),
    () => false,
  )

describeOnDevices('programs of hosts', function () {
  this.timeout(120_000)
  const close = closing()

  /** The next event of a network. */
  const next = async <Name extends 'run:output' | 'run:exit'>(
    network: Network,
    name: Name,
  ): Promise<NetworkEvents[Name][0]> => ((await once(network, name)) as unknown as NetworkEvents[Name])[0]

  it('say their lines, those before anybody listens too, and how they ended', async () => {
    const network = close(await Network.up(await topology(`hostname; printf 'no end' >&2; exit 7`)))
    const [line, error, end] = await Promise.all([
      next(network, 'run:output'),
      new Promise((resolve) =>
        network.on('run:output', (event) => {
          if (event.stream === 'stderr') resolve(event)
        }),
      ),
      next(network, 'run:exit'),
    ])
    expect(line).to.deep.equal({ host: 'red', run: 'red', stream: 'stdout', line: 'red' })
    expect(error).to.deep.equal({ host: 'red', run: 'red', stream: 'stderr', line: 'no end' })
    expect(end).to.deep.equal({ host: 'red', run: 'red', code: 7, again: false })
    expect(reports.runs(network)).to.deep.equal([
      {
        run: 'red',
        host: 'red',
        state: 'ended',
        starts: 1,
        ended: '7',
        command: `hostname; printf 'no end' >&2; exit 7`,
      },
    ])
  })

  it('are words for no shell where they are a list of words', async () => {
    const network = close(
      await Network.up(await topology([{ command: ['echo', '$HOME;', "a 'b'", '\u001b[31m'] }])),
    )
    expect((await next(network, 'run:output')).line).to.equal("$HOME; a 'b' \u001b[31m")
  })

  it('are started again as they are to be', async () => {
    const network = close(
      await Network.up(
        await topology([
          { command: 'exit 1', name: 'fails', restart: 'on-failure' },
          { command: 'true', name: 'works', restart: 'on-failure' },
          { command: 'true', name: 'always', restart: 'always' },
        ]),
      ),
    )
    const rows = (): Record<string, string> =>
      Object.fromEntries(
        reports.runs(network).map(({ run, starts, ended }) => [run, `${starts > 2} ${ended}`]),
      )
    await eventually(
      'the third start',
      () => rows()['red.fails'] === 'true 1' && rows()['red.always'] === 'true 0',
    )
    expect(rows()['red.works']).to.equal('false 0')
  })

  it('are started again also where that failed for a while, as without descriptors', async () => {
    const network = close(await Network.up(await topology([{ command: 'true', restart: 'always' }])))
    const [{ stdout }, words] = [
      spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile', '--output', 'SOFT', '--noheadings'], {
        encoding: 'utf8',
      }),
      ['-c', 'prlimit --pid $0 --nofile=3:; read -r _; prlimit --pid $0 --nofile=$1:'],
    ]
    const limiter = spawn('sh', [...words, `${process.pid}`, stdout.trim()], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const ended = once(limiter, 'exit')
    const [lines, ends]: [string[], unknown[]] = [[], []]
    network.on('run:output', ({ line }) => lines.push(line))
    network.on('run:exit', ({ code, again }) => ends.push(`${code} ${again}`))
    try {
      await eventually('it failed twice', () => lines.length > 1)
      expect(lines[0]).to.equal(
        "cannot start nsenter: too many open files (EMFILE); allow more open files with 'ulimit -n'",
      )
      expect(ends.at(-1)).to.equal('126 true')
    } finally {
      limiter.stdin.end('\n')
      await ended
    }
    await eventually('it runs again', () => ends.at(-1) === '0 true')
  })

  it('are refused where their command is longer than the kernel takes', async () => {
    const { code, message } = await refusal(
      topology([{ command: Array.from({ length: 60 }, () => 'x'.repeat(60_000)) }]).then((long) =>
        Network.up(long),
      ),
    )
    expect([code, message]).to.deep.equal([
      'ERR_ETHERLOOM_OPTION',
      'cannot start nsenter: argument list too long (E2BIG); make the command shorter, or put it into a file',
    ])
  })

  it('go on where they are the same, and are replaced where they differ; both end with the network', async () => {
    const [same, other] = [
      { command: family, name: 'same' },
      { command: `echo; ${family}`, name: 'other' },
    ]
    const network = close(await Network.up(await topology([same, other])))
    const pids = (): Record<string, number | undefined> =>
      Object.fromEntries(reports.runs(network).map(({ run, pid }) => [run, pid]))
    const before = pids()
    const { steps } = await network.apply(await topology([{ ...other, command: family }, same, 'true']))
    expect(steps).to.deep.equal(['end red.other', 'run red.other', 'run red.true'])
    expect(pids()['red.same']).to.equal(before['red.same'])
    expect(await isThere(`${before['red.other']}`)).to.equal(false)
    expect(network.export().hosts!.red!.run).to.deep.equal([same, { ...other, command: family }, 'true'])
    const [one, two] = [pids()['red.same'], pids()['red.other']]
    await network.close()
    expect(await Promise.all([isThere(`${one}`), isThere(`${two}`)])).to.deep.equal([false, false])
  })

  it('are ended with their children, by SIGTERM first', async () => {
    const network = close(await Network.up(await topology(`trap 'echo bye; exit 0' TERM; ${family}`)))
    const [, child] = (await next(network, 'run:output')).line.split(' ')
    const bye = next(network, 'run:output')
    await network.close()
    expect((await bye).line).to.equal('bye')
    expect(await isThere(child)).to.equal(false)
  })

  it('wait, all together, where they say more than can be printed, and lose nothing', async () => {
    const seq = (name: string, after: string): object => ({ command: `sleep 0.2; seq 5000; ${after}`, name })
    const network = close(await Network.up(await topology([seq('a', 'sleep 1000'), seq('b', 'sleep 1000')])))
    const lines: Record<string, string[]> = {}
    const times: number[] = []
    network.on('run:output', ({ run, line }) => {
      times.push(performance.now())
      ;(lines[run] ??= []).push(line)
    })
    await eventually('all is said', () => times.length >= 10_000)
    const counted = Array.from({ length: 5000 }, (_, index) => `${index + 1}`)
    expect(lines).to.deep.equal({ 'red.a': counted, 'red.b': counted })
    expect((times.at(-1) as number) - (times[0] as number)).to.be.above(700) // 10,000 lines take a second
  })

  it('have all that they left said when they have ended, however much that is', async () => {
    const network = close(await Network.up(await topology('sleep 0.2; yes "" | head -n 60000')))
    let lines = 0
    network.on('run:output', () => lines++)
    await next(network, 'run:exit')
    expect(lines).to.equal(60_000)
  })

  it('have ended, for the first who listens, whatever others have said meanwhile', async () => {
    const network = close(
      await Network.up(
        await topology([
          { command: 'exit 3', name: 'a' },
          { command: 'seq 3000', name: 'b' },
        ]),
      ),
    )
    await eventually('both have ended', () => reports.runs(network).every(({ state }) => state === 'ended'))
    const seen: string[] = []
    network.on('run:output', ({ line }) => seen.push(line))
    network.on('run:exit', ({ run, code }) => seen.push(`${run} ${code}`))
    await eventually('all is said', () => seen.length === 1002)
    expect(seen).to.include.members(['red.a 3', 'red.b 0', '2001', '3000'])
  })

  it('are given their time with all that they have started, where one of these needs it longer than the first', async () => {
    const saves = `trap 'sleep 0.3; echo saved >&2; exit' TERM; sleep 1000 & sleep 0.2; echo up >&2; wait`
    const network = close(await Network.up(await topology(`(${saves}) | cat`)))
    expect((await next(network, 'run:output')).line).to.equal('up')
    const saved = next(network, 'run:output')
    const began = performance.now()
    await network.close()
    expect((await saved).line).to.equal('saved')
    expect(performance.now() - began).to.be.below(8000) // not until all is killed
  })

  it('go on where a listener throws, which is said as of any other', async () => {
    const network = close(await Network.up(await topology('sleep 0.2; echo a; sleep 0.2; echo b')))
    network.on('run:output', ({ line }) => {
      throw new Error(line)
    })
    const handlers = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const thrown: string[] = []
    process.on('uncaughtException', ({ message }) => thrown.push(message))
    try {
      expect((await next(network, 'run:exit')).code).to.equal(0)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const handler of handlers) process.on('uncaughtException', handler)
    }
    expect(thrown).to.deep.equal(['a', 'b'])
  })

  it('have the names that the topology gives them now, also where they go on', async () => {
    const network = close(await Network.up(await topology(['sleep 1000', 'sleep 2000'])))
    const names = (): string[] => reports.runs(network).map(({ run, command }) => `${run}: ${command}`)
    const [, before] = reports.runs(network)
    const { steps } = await network.apply(await topology(['sleep 2000', 'sleep 3000']))
    expect(steps).to.deep.equal(['end red.sleep', 'go on with red.sleep', 'run red.sleep-2'])
    expect(names()).to.deep.equal(['red.sleep: sleep 2000', 'red.sleep-2: sleep 3000'])
    expect(reports.runs(network)[0]?.pid).to.equal(before?.pid)
    expect(await next(network, 'run:exit')).to.include({ run: 'red.sleep', stopped: true }) // the one before
    const end = next(network, 'run:exit')
    process.kill(before?.pid as number, 'SIGKILL')
    expect(await end).to.include({ run: 'red.sleep', signal: 'SIGKILL' })
  })

  it('leave nothing where one cannot be started', async () => {
    const path = process.env.PATH
    process.env.PATH = '/nonexistent'
    try {
      const error = await Network.up(await topology('true')).then(
        (network) => network.close(),
        (thrown: unknown) => thrown,
      )
      expect(error).to.include({ code: 'ERR_ETHERLOOM_UNSUPPORTED' })
    } finally {
      process.env.PATH = path
    }
  })

  describe('under etherloom up', () => {
    const withFile = async (
      run: unknown,
      test: (machine: Host, folder: string, file: string) => Promise<void>,
    ) => {
      const machine = close(await Host.create(1))
      const folder = await mkdtemp(join(tmpdir(), 'etherloom-runs-'))
      try {
        const file = join(folder, 'lab.yaml')
        await writeFile(file, lab(run))
        await test(machine, folder, file)
      } finally {
        await rm(folder, { recursive: true })
      }
    }

    it('are heard line by line, with nothing that acts on a terminal', () =>
      withFile(
        [`printf 'a\\033[2J\\rb\\n'; exit 3`, { command: 'sleep 1000', name: 'idle' }],
        async (machine, folder, file) => {
          const up = machine.etherloom(folder, 'up', file, '--exit-with', 'red.printf')
          const lines = (await up.rest(3)).split('\n')
          expect(lines[0]).to.equal('lab: up with 1 port; Ctrl-C ends it')
          expect(lines).to.include.members([
            String.raw`red.printf | a\u001b[2J\rb`,
            'red.printf: ended with 3',
            'red.idle: ended by SIGTERM',
            'lab: down',
          ])
        },
      ))

    it('end it when one fails, if that is wished', () =>
      withFile(
        [
          { command: 'true', name: 'works' },
          { command: 'sleep 0.1; kill -9 $$', name: 'dies' },
        ],
        async (machine, folder, file) => {
          const text = await machine.etherloom(folder, 'up', file, '--abort-on-failure').rest(137)
          expect(text.split('\n')).to.include.members([
            'red.works: ended with 0',
            'red.dies: ended by SIGKILL',
            'lab: down',
          ])
        },
      ))

    it('end it also where another was told that one has ended', () =>
      withFile(
        [{ command: 'exit 3', name: 'ends' }, ...Array<string>(20).fill('sleep 1000')],
        async (machine, folder, file) => {
          const up = machine.etherloom(folder, 'up', file, '--exit-with', 'red.ends')
          const path = join(folder, 'lab.sock')
          let other: Socket | undefined
          // It is answered when the programs run, before the client that up makes then.
          await eventually('another has subscribed', async () => {
            const socket = connect(path)
            const isThere = await once(socket, 'connect').catch(() => undefined)
            if (isThere) other = socket
            return isThere !== undefined
          })
          other?.write(`{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":[]}}\n`)
          let heard = ''
          other?.setEncoding('utf8').on('data', (text: string) => (heard += text))
          await up.rest(3)
          expect(heard).to.contain('"run":"red.ends","code":3')
        },
      ))

    it('are started when that is possible again, where descriptors were used up', () =>
      withFile([{ command: 'sleep 0.5', restart: 'always' }], async (machine, folder, file) => {
        const up = machine.etherloom(folder, 'up', file)
        await up.line()
        const said = async (pattern: RegExp): Promise<void> => {
          while (!pattern.test(await up.line()));
        }
        await machine.run('prlimit', `--pid=${up.pid}`, '--nofile=10:')
        await said(/EMFILE.*'ulimit -n'/)
        await said(/ended with 126, and is started again/)
        await machine.run('prlimit', `--pid=${up.pid}`, '--nofile=1000:')
        await said(/ended with 0, and is started again/)
      }))

    it('do not end it where it has ended them itself', () =>
      withFile(
        [
          { command: 'sleep 1000', name: 'same' },
          { command: 'sleep 1001', name: 'other' },
        ],
        async (machine, folder, file) => {
          const up = machine.etherloom(folder, 'up', file, '--watch', '--abort-on-failure')
          await up.line()
          const after = [
            { command: 'sleep 1000', name: 'same' },
            { command: 'echo anew; sleep 1002', name: 'other' },
          ]
          await writeFile(file, lab(after))
          const lines = [await up.line(), await up.line(), await up.line()]
          expect(lines).to.include.members(['red.other: ended by SIGTERM', 'red.other | anew'])
          up.signal('SIGTERM')
          expect(await up.rest()).to.contain('lab: down') // exits with 0
        },
      ))

    it('end it with an error where its events are lost', () =>
      withFile('sleep 1000', async (machine, folder, file) => {
        // What the operating system, or an instance that is too busy, does to a connection.
        const cut = `process.on('SIGUSR2', () => process._getActiveHandles().forEach((each) => each.server && each.destroy()))`
        const preload = `--import=data:text/javascript,${encodeURIComponent(cut).replaceAll("'", '%27')}`
        const words = [process.execPath, '--import=tsx', testFile('../bin/etherloom.ts'), 'up', file]
        const env = [`ETHERLOOM_CONTROL_DIRECTORY=${folder}`, `NODE_OPTIONS=${preload}`]
        const up = machine.start('env', ...env, ...words)
        await up.line()
        up.signal('SIGUSR2')
        const error = await up.rest().catch((thrown: unknown) => thrown)
        expect((error as Error).message)
          .to.contain(': 1: ')
          .and.to.contain('is lost')
      }))

    it('are gone with their children when it is killed', () =>
      withFile(family, async (machine, folder, file) => {
        const up = machine.etherloom(folder, 'up', file)
        await up.line()
        const pids = (await up.line()).replace('red | ', '').split(' ')
        expect(await Promise.all(pids.map(isThere))).to.deep.equal([true, true])
        up.signal('SIGKILL')
        await eventually('both are gone', async () => !(await Promise.all(pids.map(isThere))).includes(true))
      }))
  })
})
