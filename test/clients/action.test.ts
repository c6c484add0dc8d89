/** The scripts of the GitHub Action, called as its steps call them. What only GitHub does is not tested: steps, uploads. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import { readPcapng } from '../helpers/pcapng.js'

interface Step {
  shell?: string
  run?: string
  uses?: string
  env?: Record<string, string>
}
interface Action {
  inputs: Record<string, { default?: string; description: string }>
  runs: { using: string; steps: Step[] }
}

const readAction = (file: string): Action => parse(readFileSync(file, 'utf8')) as Action

describe('clients/action', function () {
  this.timeout(120_000) // against hangs only
  let folder: string
  let environment: NodeJS.ProcessEnv

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'el-action-'))
    mkdirSync(join(folder, 'bin'))
    program('etherloom', `exec '${process.execPath}' '${resolve('dist/bin/etherloom.js')}' "$@"`)
    environment = {
      ...process.env,
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
      RUNNER_TEMP: folder,
      GITHUB_OUTPUT: join(folder, 'output'),
      GITHUB_PATH: join(folder, 'path'),
      ETHERLOOM_CONTROL_DIRECTORY: join(folder, 'run'),
      ETHERLOOM_FILE: join(folder, 'my lab.yaml'),
      ETHERLOOM_NAME: '', // as GitHub hands over inputs that are not given
      ETHERLOOM_CAPTURES: '',
      ETHERLOOM_SEED: '7',
    }
    writeFileSync(
      join(folder, 'my lab.yaml'),
      `fabrics:
  lab:
    kind: hub
    forwarding: deny
    ports:
      red: { socket: ${folder}/red, role: listen }
      green: { socket: ${folder}/green, role: listen }
    paths: [{ from: red, to: green, loss: 1 }]
`,
    )
  })
  afterEach(() => {
    step('stop')
    rmSync(folder, { recursive: true })
  })

  function program(name: string, text: string): void {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  }

  function step(script: string, more: NodeJS.ProcessEnv = {}): { status: number | null; said: string } {
    const { status, stdout, stderr } = spawnSync(`clients/action/${script}.sh`, {
      env: { ...environment, ...more },
      encoding: 'utf8',
      timeout: 100_000,
    })
    return { status, said: stdout + stderr }
  }

  const etherloom = (...words: string[]): string =>
    spawnSync(join(folder, 'bin/etherloom'), words, { env: environment, encoding: 'utf8' }).stdout

  /** Whatever of this test runs: its words name the folder, or the instance in it. */
  const running = (): string[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => {
        try {
          return readFileSync(`/proc/${name}/environ`, 'utf8').includes(`RUNNER_TEMP=${folder}\0`)
        } catch {
          return false // it has ended, or is another user's
        }
      })

  const fileOf = (...names: string[]): string =>
    readFileSync(join(folder, 'etherloom-failure', 'my-lab', ...names), 'utf8')

  it('starts a topology that outlives the step, and says its name and seed', () => {
    expect(step('start')).to.deep.equal({ status: 0, said: 'my-lab is up, with seed 7\n' })
    expect(readFileSync(environment.GITHUB_OUTPUT!, 'utf8')).to.equal('name=my-lab\nseed=7\n')
    expect(etherloom('show', 'info', '--json', '--name', 'my-lab')).to.include('"name":"my-lab"')
    expect(step('start').said).to.include("an instance 'my-lab' was started before in this job")
    expect(etherloom('show', 'info', '--json', '--name', 'my-lab')).to.include('"name":"my-lab"')

    expect(step('stop').status).to.equal(0)
    expect(running()).to.deep.equal([])
  })

  it('collects captures with fates, the topology with its seed and what was said', async () => {
    expect(step('start', { ETHERLOOM_CAPTURES: 'red > green\n\nlab.red\n' }).status).to.equal(0)
    const red = connect(join(folder, 'red'))
    await once(red, 'connect')
    await sendFrame(red)
    while (!etherloom('show', 'drops', '--json').includes('"loss"')); // it is on its way to the port
    red.destroy()

    const collected = step('collect')
    expect(collected.status, collected.said).to.equal(0)
    expect(collected.said).to.include('Again, with the same draws: etherloom up topology.yaml')
    expect(readFileSync(environment.GITHUB_OUTPUT!, 'utf8')).to.include(
      `folder=${folder}/etherloom-failure\n`,
    )
    expect(running()).to.deep.equal([])
    expect(readdirSync(join(folder, 'etherloom-failure/my-lab')).sort()).to.deep.equal([
      'info.json',
      'lab.red.pcapng',
      'output.txt',
      'red-green.fates.pcapng',
      'repeat.sh',
      'topology.yaml',
    ])
    const fates = readPcapng(readFileSync(join(folder, 'etherloom-failure/my-lab/red-green.fates.pcapng')))
    expect(JSON.stringify(fates.packets.map(({ comment }) => comment))).to.include('reason=loss')
    expect((parse(fileOf('topology.yaml')) as { seed: number }).seed).to.equal(7)
    expect(fileOf('output.txt')).to.match(/^my-lab: up with 2 ports.*my-lab: down\n$/ms)
  })

  it('collects nothing where nothing was started', () => {
    expect(step('collect').status).to.equal(0)
    expect(readdirSync(join(folder, 'etherloom-failure'))).to.deep.equal([])
  })

  it('fails with what is wrong with a file', () => {
    writeFileSync(join(folder, 'my lab.yaml'), 'fabrics:\n  lab: { kind: hubb, ports: {} }\n  b: 50%\n')
    const { status, said } = step('start')
    expect(status).to.equal(1)
    expect(said).to.match(
      /^::error title=etherloom::.*my lab.yaml did not come up: it ended with 1, and said:%0A.*'hubb'/,
    )
    expect(said.trim().split('\n'), said).to.have.length(1)
    expect(existsSync(environment.GITHUB_OUTPUT!)).to.be.false
    expect(running()).to.deep.equal([])
  })

  it('fails when it is not up in time, and ends what it began', () => {
    program('etherloom', `trap '' TERM; echo slow; while :; do sleep 0.1; done`)
    const { status, said } = step('start', { ETHERLOOM_TIMEOUT: '1' }) // and 10 s until it is killed
    expect(status).to.equal(1)
    expect(said).to.include('it was not up within 1 s')
    expect(running()).to.deep.equal([])
  })

  it('fails where a capture names nothing, and ends what it began', () => {
    const { status, said } = step('start', { ETHERLOOM_CAPTURES: 'red>gren' })
    expect(status).to.equal(1)
    expect(said).to.match(/'red>gren' cannot be recorded: .*'gren'/)
    expect(running()).to.deep.equal([])
  })

  for (const [what, inputs, message] of [
    ['a file that is not there', { ETHERLOOM_FILE: 'nowhere.yaml' }, 'there is no file nowhere.yaml'],
    ['a name with other characters', { ETHERLOOM_NAME: '../lab' }, "'name' has letters, digits, _ and -"],
    [
      'a time that is none',
      { ETHERLOOM_TIMEOUT: '1m' },
      "'timeout' must be a whole number of seconds, not '1m'",
    ],
    ['a word for yes', { ETHERLOOM_ROOTLESS: 'yes' }, "'rootless' must be true or false, not 'yes'"],
  ] as const)
    it(`refuses ${what}`, () => {
      const { status, said } = step('start', inputs)
      expect(status).to.equal(1)
      expect(said)
        .to.match(/^::error title=etherloom::/)
        .and.to.include(message)
    })

  describe('install', () => {
    it('installs a version for the job, and puts it in the path', () => {
      program('npm', `printf '%s\\n' "$*" >"$RUNNER_TEMP/npm"`)
      expect(step('install', { ETHERLOOM_VERSION: '0.1.0' }).status).to.equal(0)
      expect(readFileSync(join(folder, 'npm'), 'utf8')).to.equal(
        `install --global --prefix ${folder}/etherloom --no-audit --no-fund etherloom@0.1.0\n`,
      )
      expect(readFileSync(environment.GITHUB_PATH!, 'utf8')).to.equal(`${folder}/etherloom/bin\n`)
    })

    it('fails where npm fails, and refuses what is no version', () => {
      program('npm', 'exit 1')
      expect(step('install', { ETHERLOOM_VERSION: '0.1.0' })).to.deep.include({ status: 1 })
      expect(existsSync(environment.GITHUB_PATH!)).to.be.false
      expect(step('install', { ETHERLOOM_VERSION: 'git+https://x' }).said).to.include(
        "'version' must be one of npm",
      )
    })

    it('leaves the one that is there without a version', () => {
      expect(step('install', { ETHERLOOM_VERSION: '' })).to.deep.equal({ status: 0, said: '' })
    })
  })

  it('hands over inputs as variables, and calls scripts that are there', () => {
    for (const file of ['action.yml', 'clients/action/collect/action.yml']) {
      const { inputs, runs } = readAction(file)
      expect(runs.using).to.equal('composite')
      for (const { run, shell, uses, env = {} } of runs.steps) {
        expect(run ?? '', file).not.to.include('${{') // an input would be read as a command
        if (uses !== undefined) continue
        expect(shell).to.equal('sh')
        const script = /\$GITHUB_ACTION_PATH\/([^"]+)/.exec(run!)![1]!
        expect(existsSync(resolve(file, '..', script)), script).to.be.true
        for (const value of Object.values(env))
          expect(Object.keys(inputs)).to.include(/^\$\{\{ inputs\.(\w+) \}\}$/.exec(value)?.[1])
      }
    }
  })

  it('is clean under shellcheck', function () {
    const { status, stdout, error } = spawnSync(
      'shellcheck',
      [
        '-x',
        '-P',
        'clients/action',
        ...readdirSync('clients/action')
          .filter((name) => name.endsWith('.sh'))
          .map((name) => `clients/action/${name}`),
      ],
      { encoding: 'utf8' },
    )
    if (error) {
      console.log("      skipped: there is no shellcheck; Debian's package has that name")
      return void this.skip()
    }
    expect(status, stdout).to.equal(0)
  })
})

/** A frame, as a port that is a socket takes it: four bytes of length before it. */
async function sendFrame(socket: Socket): Promise<void> {
  const frame = Buffer.alloc(60, 0xff)
  frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(frame.length)
  await new Promise((resolve) => socket.write(Buffer.concat([length, frame]), resolve))
}
