/** Programs that topologies run in hosts: what they say, how they end, and that nothing of them outlives us. */
import { expect } from 'chai'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Network, parseTopology, type NetworkEvents, type Topology } from '../../lib/index.js'
import { reports } from '../../lib/topology/report.js'
import { refusal } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices, eventually } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

const lab = (run: unknown): string => `
hosts: { red: { addresses: [10.0.0.1/24], run: ${JSON.stringify(run)} } }
fabrics: { lab: { kind: hub, ports: { red: { host: red } } } }
`
const topology = (run: unknown): Promise<Topology> => parseTopology(lab(run))

/** Says its number and that of its child, and ignores what ends others when told to. */
const family = 'sleep 1000 & echo $$ $!; wait'

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
