/** The command line as its users meet it: what it prints where, and its exit codes. No command here needs privilege. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:net'
import { createInterface, type Interface } from 'node:readline'
import { setImmediate as immediate } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { parse as parseYaml } from 'yaml'
import { policyRules } from '../../lib/policy/policy.js'
import { readPcapng } from '../helpers/pcapng.js'

const command = ['--import=tsx', 'bin/etherloom.ts']

/** Runs a command on a terminal, its own one or not, that goes when the command has said something. */
const onTerminal = `
import fcntl, os, subprocess, sys, termios
master, slave = os.openpty()
own = lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0) if sys.argv[1] == 'own' else None
child = subprocess.Popen(sys.argv[2:], stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=own)
os.close(slave)
os.read(master, 1)
os.close(master)
print('gone', flush=True)
sys.exit(child.wait() & 255)
`

const patched = (paths: string): string => `name: lab
fabrics:
  a:
    kind: hub
    forwarding: deny
    ports: { one: { patch: b.one }, two: { patch: b.two } }
    paths: [${paths}]
  b: { kind: switch, ports: { one: { patch: a.one }, two: { patch: a.two } } }
`

describe('the command line', function () {
  // Each command is a process of its own, and with sanitizers beside other work takes seconds; this is against hangs only.
  this.timeout(120_000)
  let directory: string
  let environment: NodeJS.ProcessEnv
  let file: string
  const running: ChildProcess[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'etherloom-cli-'))
    environment = { ...process.env, ETHERLOOM_CONTROL_DIRECTORY: join(directory, 'run') }
    delete environment.COLUMNS
    file = join(directory, 'lab.yaml')
    writeFileSync(file, patched('{ between: [one, two], delay: 5ms }'))
  })
  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(directory, { recursive: true })
  })

  interface Outcome {
    status: number | null
    stdout: string
    stderr: string
  }

  const etherloom = (...words: string[]): Outcome =>
    spawnSync(process.execPath, [...command, ...words], {
      env: environment,
      encoding: 'utf8',
      timeout: 100_000,
    })

  /** Starts `up` and waits for its first line. */
  async function up(...words: string[]): Promise<{ child: ChildProcess; first: string; lines: Interface }> {
    const child = spawn(process.execPath, [...command, 'up', ...words], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    running.push(child)
    const lines = createInterface(child.stdout)
    const [first] = (await once(lines, 'line')) as [string]
    return { child, first, lines }
  }

  describe('misuse ends with 2 and one sentence', () => {
    const misused: [string[], string][] = [
      [['upp'], "etherloom: unknown command 'upp'; did you mean 'up'?\n"],
      [['show', '--jsn'], "etherloom: unknown option '--jsn'; did you mean '--json'?\n"],
      [['show', 'prots'], "etherloom: cannot show 'prots'; did you mean 'ports'?\n"],
      [
        ['info', 'lniks'],
        "etherloom: what info prints must be one of 'connections', 'links', 'distances', not 'lniks'; did you mean 'links'?\n",
      ],
      [
        ['validate', '--machines', 'taps', 'examples/switch.yaml'],
        "etherloom: unknown option '--machines'; see 'etherloom --help'\n",
      ],
      [
        ['up', '--machines', 'tap', 'examples/switch.yaml'],
        "etherloom: '--machines' must be one of 'hosts', 'taps', 'packet', 'vde', not 'tap'; did you mean 'taps'?\n",
      ],
      [
        ['up', '--machines', 'taps', 'examples/switch.yaml'],
        "etherloom: examples/switch.yaml is no scenario of MiniWorld, so '--machines' has no use; leave it out\n",
      ],
      [['up'], "etherloom: missing required argument 'file'; see 'etherloom --help'\n"],
      [['path', 'red'], "etherloom: missing required argument 'to'; see 'etherloom --help'\n"],
      [
        ['deny', 'a', 'b', 'c'],
        "etherloom: too many arguments for 'deny'. Expected 2 arguments but got 3; see 'etherloom --help'\n",
      ],
      [
        ['carrier', 'a', 'onn'],
        "etherloom: the carrier must be one of 'on', 'off', not 'onn'; did you mean 'on'?\n",
      ],
      [
        ['step', 'all'],
        "etherloom: how many steps to take must be a whole number from 1 to 1000000 steps, not 'all'\n",
      ],
      [['path', 'a', 'b', 'delai=5ms'], "etherloom: unknown key 'delai'; did you mean 'delay'?\n"],
      [
        ['path', 'a', 'b', 'loss=0.5', 'loss=0.2'],
        "etherloom: 'loss' is given twice; leave one of the two out\n",
      ],
      [
        ['path', 'a', 'b', ...'tc qdisc add dev eth0 root netem delay 100ms loss 1%'.split(' ')],
        "etherloom: words of tc go into one of ours: netem='delay 100ms loss 1%'\n",
      ],
      [['path', 'a', 'b', 'delay=[1'], "etherloom: 'delay': Flow sequence must end with a ]\n"],
      [['path', 'a', 'b', 'loss={? [a] : 1}'], "etherloom: 'loss': a key must be one word\n"],
      [['path', 'a', 'b', 'loss={!!x a: 1}'], "etherloom: 'loss': Unresolved tag: tag:yaml.org,2002:x\n"],
      ...['', 'a/b', '../lab', '.'].map((name): [string[], string] => [
        ['up', 'examples/switch.yaml', '--name', name],
        `etherloom: the name of an instance must be 1 to 63 letters, digits, '-' or '_', not '${name}'\n`,
      ]),
      [['path', 'a', 'b', 'delay'], "etherloom: 'delay' must be key=value, such as delay=5ms\n"],
      [
        ['path', 'a', 'b', 'loss=2'],
        "etherloom: 'loss' must be a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate' or 'model', not 2\n",
      ],
    ]
    for (const [words, stderr] of misused)
      it(`etherloom ${words.join(' ')}`, () => {
        expect(etherloom(...words)).to.deep.include({ status: 2, stdout: '', stderr })
      })

    it('etherloom', () => {
      const { status, stderr } = etherloom()
      expect(status).to.equal(2)
      expect(stderr).to.match(/^Usage: etherloom/)
    })
  })

  it('helps and says its version', () => {
    const help = etherloom('--help')
    expect(help.status).to.equal(0)
    for (const word of [
      'up',
      'validate',
      'import',
      'show',
      'info',
      'path',
      'deny',
      'carrier',
      'exec',
      'down',
      'doctor',
      'demo',
    ])
      expect(help.stdout).to.match(new RegExp(`^  ${word}\\b`, 'm'))
    environment.COLUMNS = '80'
    const path = etherloom('path', '--help')
    expect(path).to.deep.include({ status: 0, stderr: '' })
    expect(etherloom('help', 'path').stdout).to.equal(path.stdout)
    for (const option of Object.keys(policyRules))
      expect(path.stdout).to.match(new RegExp(`^  ${option}= +[A-Z]`, 'm'))
    expect(path.stdout.replaceAll(/\s+/g, ' '))
      .to.contain(
        ' delay= Travel time of every frame. Default 0s. Value: a duration from 0s to 365 days in ns',
      )
      .and.to.contain(' loss= Frames that are lost: a probability, or a model')
      .and.to.contain(
        ' cell= The line carries frames in cells; ATM has { size: 48, overhead: 5 }. Value: { size, overhead }.',
      )
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(etherloom('--version')).to.deep.include({ status: 0, stdout: `${version}\n` })
  })

  it('says that nothing runs', () => {
    for (const words of [
      ['show'],
      ['path', 'a', 'b'],
      ['deny', 'a', 'b'],
      ['carrier', 'a', 'off'],
      ['exec', 'red', 'true'],
      ['down'],
    ]) {
      const { status, stderr } = etherloom(...words)
      expect(status, words[0]).to.equal(1)
      expect(stderr).to.match(/^etherloom: no instance is running .* start one with 'etherloom up FILE'\n$/)
    }
    const { status, stderr } = etherloom('show', '--json')
    expect(status).to.equal(1)
    expect(JSON.parse(stderr)).to.have.nested.property('error.code', 'ERR_ETHERLOOM_CONTROL')
  })

  describe('validate', () => {
    it('accepts what is right', () => {
      const { status, stdout } = etherloom('validate', 'examples/three-hosts.yaml')
      expect([status, stdout]).to.deep.equal([0, 'examples/three-hosts.yaml: 1 fabric, 3 hosts: valid\n'])
    })

    it('lists mistakes with line and column, on stderr or as JSON', () => {
      writeFileSync(file, patched('{ between: [one, tow] }'))
      const mistake = {
        file,
        line: 7,
        column: 30,
        message: "no port 'tow' in this fabric; did you mean 'two'?",
      }
      const text = etherloom('validate', file)
      expect(text).to.deep.include({ status: 1, stdout: '', stderr: `${file}:7:30: ${mistake.message}\n` })
      const json = etherloom('validate', '--json', file)
      expect(json.status).to.equal(1)
      expect(JSON.parse(json.stdout)).to.deep.equal({ file, valid: false, problems: [mistake], notes: [] })
    })

    it('says that a file is not there', () => {
      for (const words of [[], ['--json']]) {
        const { status, stderr } = etherloom('validate', ...words, 'nowhere.yaml')
        expect(status).to.equal(1)
        expect(stderr).to.contain('cannot read nowhere.yaml (ENOENT)')
      }
    })
  })

  describe('shows what it was given, and acts on no terminal', () => {
    const word = '\x1b[31m\n\x9b31m\u202e\x7f'
    const seen = '\\u001b[31m\\n\\u009b31m\\u202e\\u007f'
    const long = 'x'.repeat(100_000)
    const places: Record<string, (word: string) => string[]> = {
      'a command': (word) => [word],
      'an option': (word) => ['show', `--${word}`],
      'what is shown': (word) => ['show', word],
      'the name of an instance': (word) => ['show', '--name', word],
      'a file': (word) => ['validate', word],
      'a file to run': (word) => ['up', word],
      'a file to import': (word) => ['import', word],
      'a policy': (word) => ['path', 'a', 'b', word],
      'a key of a policy': (word) => ['path', 'a', 'b', `${word}=1`],
      'a value of a policy': (word) => ['path', 'a', 'b', `delay=${word}`],
      'words of tc': (word) => ['path', 'a', 'b', 'netem', word],
      'a count': (word) => ['step', word],
      'a carrier': (word) => ['carrier', 'a', word],
      'a report': (word) => ['info', word],
      'machines of an import': (word) => ['up', '--machines', word, 'examples/switch.yaml'],
    }
    for (const [place, words] of Object.entries(places))
      it(place, () => {
        const { stdout, stderr } = etherloom(...words(word))
        expect(stdout).to.equal('')
        expect(stderr)
          .to.include(seen)
          .and.match(/^[ -~]+\n$/)
        const other = etherloom(...words(long))
        expect(other.stdout).to.equal('')
        expect(other.stderr.length).to.be.below(700)
        expect(other.stderr).to.match(/^[ -~]+\n$/)
      })

    it('a program', () => {
      const { status, stdout, stderr } = etherloom('validate', '/bin/true')
      expect([status, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.match(/^.*:1:\d+: no text: the character '.*' cannot stand in such a file\n$/)
      const { problems } = JSON.parse(etherloom('validate', '--json', '/bin/true').stdout) as {
        problems: object[]
      }
      expect(problems).to.have.length(1)
    })

    it('words of a running instance', async () => {
      writeFileSync(
        file,
        `fabrics: { a: { kind: hub, forwarding: deny, ports: { one: { udp: '127.0.0.1:0' }, two: { udp: '127.0.0.1:0' } } } }
worlds: { w: { fabric: a, model: exponential, movement: { matrix: [[0, 1], [1, 0]] }, step: manual, hook: ${JSON.stringify(`exit 3 # ${word}`)} } }
`,
      )
      await up(file)
      expect(etherloom('step').stderr)
        .to.include(seen)
        .and.match(/^[ -~]+\n$/)
      for (const words of [
        ['show', 'topology'],
        ['show', 'topology', '--json'],
      ]) {
        const { stdout } = etherloom(...words)
        expect(stdout, words.join(' ')).to.match(/^[ -~\n]+$/)
        const { hook } = (parseYaml(stdout) as { worlds: { w: { hook: string } } }).worlds.w
        expect(hook, 'it means the same').to.equal(`exit 3 # ${word}`)
      }
      for (const words of [
        ['path', word, 'two'],
        ['capture', word],
        ['exec', word, 'true'],
        ['carrier', word, 'on'],
      ])
        expect(etherloom(...words).stderr, words[0])
          .to.include(seen)
          .and.match(/^[ -~]+\n$/)
    })
  })

  it('says what is missing of a file of another program, and what is no text', () => {
    writeFileSync(file, '{}')
    expect(etherloom('import', '--miniworld', file).stderr).to.equal(
      `${file}:1:1: 'cnt_nodes' must be given: the number of nodes\n`,
    )
    writeFileSync(file, 'a\n\0')
    for (const format of ['--miniworld', '--tmesh', '--containerlab'])
      expect(etherloom('import', format, file).stderr).to.equal(
        `${file}:2:1: no text: the character '\\u0000' cannot stand in such a file\n`,
      )
  })

  it('says when its output cannot be written, and fails', () => {
    const full = ['-c', '"$@" > /dev/full', 'sh', process.execPath, ...command, 'validate', file]
    expect(spawnSync('sh', full, { env: environment, encoding: 'utf8' })).to.deep.include({
      status: 1,
      stderr: 'etherloom: cannot write the output: ENOSPC: no space left on device, write\n',
    })
  })

  describe('import', () => {
    const machine = 'a: tme/ic/am7990\ntap0: tme/host/tun/tap interface tapA nat none\ntap0 at a\n'

    it('prints a topology file that is valid, and notes on stderr', () => {
      const tmesh = join(directory, 'sun.tmesh')
      writeFileSync(tmesh, machine)
      const { status, stdout, stderr } = etherloom('import', '--tmesh', tmesh)
      expect(status).to.equal(0)
      expect(stderr.split('\n').filter((line) => !line.startsWith(`${tmesh}:`))).to.deep.equal([''])
      writeFileSync(file, stdout)
      expect(etherloom('validate', file).status).to.equal(0)
      const json = JSON.parse(etherloom('import', '--json', tmesh).stdout) as Record<string, unknown[]>
      expect(json.notes).to.have.length(stderr.trim().split('\n').length)
      expect(etherloom('validate', tmesh)).to.deep.include({
        status: 0,
        stdout: `${tmesh}: 1 fabric, 0 hosts: valid\n`,
        stderr,
      })
    })

    it('lists mistakes, and asks for the format of what it does not recognise', () => {
      writeFileSync(file, `${machine}b at c: tme/ic/x`)
      const wrong = etherloom('import', file)
      expect([wrong.status, wrong.stdout]).to.deep.equal([1, ''])
      expect(wrong.stderr).to.contain(`${file}:4:6: no element 'c' before this line\n`)
      expect(etherloom('import', 'examples/three-hosts.yaml')).to.deep.include({
        status: 2,
        stderr:
          'etherloom: examples/three-hosts.yaml is of no foreign format that is known; if it is, say of which: --tmesh, --miniworld, --containerlab, --gns3, --core\n',
      })
    })
  })

  it('doctor names what this machine has, one JSON object per line', () => {
    const { stdout } = etherloom('doctor', '--json')
    const checks = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; ok: boolean; advice: string })
    expect(checks.map(({ name }) => name)).to.include.members([
      'kernel',
      'addon',
      'libpcap',
      '/dev/net/tun',
      'CAP_NET_ADMIN',
      'io_uring',
      'TAP offloads',
      'packet rings',
    ])
    for (const { name, ok, advice } of checks)
      if (!ok && name !== 'io_uring') expect(advice, name).to.not.equal('')
  })

  it('doctor tries what it promises of user namespaces', () => {
    // As where a security module takes the capabilities in a new user namespace away.
    const without = `#!/bin/sh
while [ "$1" != -- ]; do options="$options $1"; shift; done; shift
exec /usr/bin/unshare $options -- setpriv --bounding-set=-all --inh-caps=-all -- "$@"
`
    writeFileSync(join(directory, 'unshare'), without, { mode: 0o755 })
    environment.PATH = `${directory}:${environment.PATH}`
    const checks = etherloom('doctor', '--json')
      .stdout.trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; ok: boolean; found: string })
    const tried = checks.find(({ name }) => name === 'user namespaces')
    expect(tried).to.include({ ok: false })
    expect(tried?.found).to.match(/^'up --rootless' fails: /)
  })

  describe('up', () => {
    it('runs until it is told to end, and takes orders', async () => {
      const { child, first } = await up(file)
      expect(first).to.equal('lab: up with 4 ports; Ctrl-C ends it')

      const ports = etherloom('show', '--json').stdout.trim().split('\n')
      expect(ports.map((line) => (JSON.parse(line) as { leadsTo: string }).leadsTo)).to.deep.equal([
        'b.one',
        'b.two',
        'a.one',
        'a.two',
      ])
      const set = etherloom('path', 'one', 'two', 'loss=2%', 'rate=10Mbit', '--fabric', 'a')
      expect([set.status, set.stdout]).to.deep.equal([0, '0 up, 0 down, 1 changed\n'])
      expect(etherloom('show', 'paths').stdout).to.match(/^a +one +two +loss=0.02 rate=10Mbit /m)
      const denied = etherloom('deny', 'one', 'two', '--both', '--fabric', 'a', '--json')
      expect(JSON.parse(denied.stdout)).to.deep.equal({ up: 0, down: 2, changed: 0 })
      expect(etherloom('deny', 'one', 'two').stderr).to.match(
        /are on several fabrics; write a\.one or b\.one, or choose the fabric, as with --fabric a\n$/,
      )

      const ended = once(child, 'exit')
      expect(etherloom('down')).to.deep.include({ status: 0, stdout: 'lab: down\n' })
      expect(await ended).to.deep.equal([0, null])
    })

    it("reads MiniWorld's config.json where it is named", () => {
      const scenario = 'examples/miniworld/bridged-lan.json'
      const { status, stdout } = etherloom('import', scenario, '--config', 'examples/miniworld/config.json')
      expect(status).to.equal(0)
      expect(parseYaml(stdout)).to.have.nested.property('fabrics.mgmt')
      expect(etherloom('import', '--help').stdout).to.contain('--config <file>')
    })

    it('takes the seed of $ETHERLOOM_SEED for a file that has none', async () => {
      environment.ETHERLOOM_SEED = '7'
      const { child } = await up(file)
      expect(etherloom('show', 'info', '--json').stdout).to.include('"seed":"7"')
      child.kill('SIGINT')
      await once(child, 'exit')
      writeFileSync(file, `seed: 8\n${patched('')}`)
      await up(file)
      expect(etherloom('show', 'info', '--json').stdout).to.include('"seed":"8"')
      environment.ETHERLOOM_SEED = '7.5'
      expect(etherloom('up', file)).to.deep.include({
        status: 2,
        stderr: "etherloom: $ETHERLOOM_SEED must be a whole number from 0 to 9007199254740991, not '7.5'\n",
      })
    })

    it('says what of the files of a movement is left out, as validate and import do', async () => {
      const core = join(directory, 'three.xml')
      const devices = [1, 2, 3].map(
        (id) => `<device id="${id}" name="n${id}"><position x="${id}" y="1"/></device>`,
      )
      writeFileSync(core, `<scenario><devices>${devices.join('')}</devices></scenario>\n`)
      writeFileSync(
        file,
        `fabrics:
  a: { kind: hub, forwarding: deny, ports: { one: { udp: '127.0.0.1:0' }, two: { udp: '127.0.0.1:0' } } }
worlds: { w: { fabric: a, movement: { core: [three.xml] }, step: manual } }
`,
      )
      const left = `${core}: n3 left out, since the world has 2 nodes`
      expect(etherloom('validate', file).stderr).to.equal(`${file}:3:37: ${left}\n`)
      const { first } = await up('--json', file)
      expect(JSON.parse(first)).to.include({ event: 'note', line: 3, column: 37, message: left })
      const imported = etherloom('import', 'examples/miniworld/bridged-wifi.json')
      expect(imported.status).to.equal(0)
      expect(imported.stderr).to.match(/at worlds\.mesh1\.movement: .*chain5\.xml: n4, n5 left out/)
    })

    it('shows a path, and says what a change of it took away', async () => {
      await up(file)
      const set = etherloom('path', 'a.one', 'two', 'netem=delay 1ms')
      expect([set.stdout, set.stderr]).to.deep.equal([
        '0 up, 0 down, 1 changed\n',
        'a.one > a.two: was delay=5ms\n',
      ])
      expect(etherloom('path', 'one', 'a.two', '--both').stdout).to.match(
        /^a +one +two +netem='delay 1ms' .*\na +two +one +delay=5ms /m,
      )
      expect(etherloom('path', 'a.one', 'a.two', 'allowed').status).to.equal(0)
      const shown = etherloom('path', 'a.one', 'two', '--json').stdout
      expect(JSON.parse(shown)).to.deep.include({
        fabric: 'a',
        from: 'one',
        to: 'two',
        allowed: true,
        policy: {},
      })
    })

    it('sets carriers and tells of timelines', async () => {
      const timeline =
        '{ at: 1h, port: one, carrier: off }, { between: [one, two], flap: { every: 1h, for: 1s } }'
      writeFileSync(
        file,
        `${patched('')}    timeline: [${timeline}]\n`.replace(/ {2}b: .*\n/, '') +
          / {2}b: .*\n/.exec(patched(''))![0],
      )
      const { lines } = await up(file)
      const told = once(lines, 'line')
      const off = etherloom('carrier', 'one', 'off', '--fabric', 'a')
      expect([off.status, off.stdout]).to.deep.equal([0, 'one: carrier off\n'])
      expect(await told).to.deep.equal(['a.one: carrier off'])
      const on = etherloom('carrier', 'one', 'off', '--fabric', 'a', '--json')
      expect(JSON.parse(on.stdout)).to.deep.equal({ port: 'one', carrier: 'off' })
      expect(etherloom('show').stdout).to.match(/^a +one +patch +b.one +up +off /m)
      expect(etherloom('show', 'timeline').stdout).to.match(
        /^FABRIC +ENTRY +STEPS +NEXT AT +ERROR\na +one carrier=off +0 +1h +-\na +one <> two flap every 1h for 1s +0 +1h +-\n$/,
      )
      expect(JSON.parse(etherloom('show', 'timeline', '--json').stdout.split('\n')[0]!)).to.deep.equal({
        fabric: 'a',
        entry: 'one carrier=off',
        next: '1h',
        taken: 0,
      })
    })

    it('prints what fits on a terminal', async () => {
      const line = (a: string, b: string): string =>
        `{ between: [${a}, ${b}], delay: 40ms, jitter: 5ms, loss: 1%, rate: 10Mbit, queue: 100 frames }`
      const world = '{ fabric: b, model: exponential, movement: { matrix: [[0, 1], [1, 0]] }, step: manual }'
      writeFileSync(
        file,
        `${patched(line('one', 'two')).replace('kind: switch', 'kind: switch, forwarding: deny')}worlds: { sky: ${world} }\n`,
      )
      await up(file)
      etherloom('step')
      environment.COLUMNS = '80'
      let ports = ''
      for (const words of [
        ...['show links', 'info links', 'path a.one two --both', 'doctor'],
        ...['--help', 'import --help', 'path --help', 'show ports'],
      ]) {
        const { stdout, stderr } = etherloom(...words.split(' '))
        expect(stderr, words).to.equal('')
        for (const each of stdout.split('\n')) expect(each.length, `${words}: ${each}`).to.be.at.most(80)
        ports = stdout
      }
      expect(ports)
        .to.match(/^FABRIC  PORT  KIND .*\n/)
        .and.to.match(/\n\nFABRIC  PORT .* DROPPED\n/)
      expect(ports).to.match(/^a +one +0 +0 +0 +0 +0$/m)
    }).timeout(300_000)

    it('takes steps of worlds, and prints their links as MiniWorld does', async () => {
      const world = (fabric: string, hook = 'true'): string =>
        `{ fabric: ${fabric}, model: exponential, movement: { matrices: [[[0, 1], [1, 0]], [[0, -1], [-1, 0]]] }, step: manual, hook: "${hook}" }`
      const open = patched('').replace('kind: switch', 'kind: switch, forwarding: deny')
      writeFileSync(
        file,
        `${open}worlds:\n  sky: ${world('a')}\n  sea: ${world('b', 'test $ETHERLOOM_STEP != 3')}\n`,
      )
      await up(file)
      expect(etherloom('info', 'distances').stdout).to.equal('{}\n')
      const first = etherloom('step')
      expect(first.stdout).to.match(
        /^sky: step 1: 1 up, 0 down, 0 changed in [\d.]+ ms\nsea: step 1: 1 up, 0 down, 0 changed in [\d.]+ ms\n$/,
      )
      expect(JSON.parse(etherloom('info', 'links').stdout)).to.deep.include({
        "('one', 'two')": {
          bandwidth: '54000.0',
          delay: '1.00ms 0.10ms 25%',
          loss: null,
          limit: null,
          corrupt: null,
          duplicate: null,
          reorder: null,
          rate: null,
        },
      })
      expect(JSON.parse(etherloom('info', 'connections').stdout)).to.deep.equal({ one: ['two'] })
      expect(JSON.parse(etherloom('info', 'distances').stdout)).to.deep.equal({ "('one', 'two')": '1' })
      const one = etherloom('step', '2', '--world', 'sky', '--json').stdout.trim().split('\n')
      expect(one.map((line) => JSON.parse(line) as object)).to.have.length(2)
      expect(JSON.parse(one[0]!)).to.include({
        world: 'sky',
        step: 2,
        up: 0,
        down: 1,
        changed: 0,
        overrun: false,
      })
      expect(etherloom('show', 'worlds').stdout).to.match(/^sky +2 +0 +3 +no\nsea +2 +1 +1 +no$/m)
      expect(etherloom('show', 'links').stdout).to.match(
        /^sea +one <> two +1 +rate=54Mbit delay=1ms jitter=100us delayCorrelation=0.25 +b +one two$/m,
      )
      const failed = etherloom('step', '2', '--world', 'sea')
      expect([failed.status, failed.stdout.split(':')[1], failed.stderr]).to.deep.equal([
        1,
        ' step 2',
        'etherloom: the hook after step 3 failed (code 1); try it by hand: test $ETHERLOOM_STEP != 3\n',
      ])
      expect(etherloom('step', '--world', 'se')).to.deep.include({
        status: 1,
        stderr: "etherloom: no world 'se'; did you mean 'sea'?; the worlds are sky, sea\n",
      })
    })

    it('gives up every right once it is up with --sealed, and goes on', async () => {
      const { child, first } = await up(file, '--sealed', '--json')
      const threads = (field: string): Set<string> =>
        new Set(
          readdirSync(`/proc/${child.pid}/task`).map(
            (thread) =>
              new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(
                readFileSync(`/proc/${child.pid}/task/${thread}/status`, 'utf8'),
              )![1]!,
          ),
        )
      while (!threads('Seccomp').has('2')) await new Promise((resolve) => setImmediate(resolve))
      expect([...threads('Seccomp')]).to.deep.equal(['2'])
      expect([...threads('NoNewPrivs')]).to.deep.equal(['1'])
      expect([...threads('CapEff')]).to.deep.equal(['0000000000000000'])
      expect([...threads('Uid')]).to.not.include('0')
      expect(JSON.parse(first)).to.include({ io: 'epoll', sealed: true })

      expect(etherloom('path', 'one', 'two', '--fabric', 'a', 'delay=7ms').status).to.equal(0)
      expect(etherloom('show', 'paths').stdout).to.contain('delay=7ms')
      const [holder] = etherloom('doctor', '--security', '--json').stdout.trim().split('\n')
      expect(JSON.parse(holder!)).to.include({ instance: 'lab', pid: child.pid, sealed: true, seccomp: true })
      expect(etherloom('doctor', '--security').stdout).to.match(
        /^lab: process \d+ .*\n {2}as .*, with no capability, no way to gain more \(no_new_privs\), system calls refused/,
      )

      writeFileSync(file, patched('{ between: [one, two], delay: 9ms }'))
      expect(etherloom('up', file).stdout).to.match(/2 changed\n$/)
      expect(etherloom('show', 'paths').stdout).to.contain('delay=9ms')

      // What needs something new is refused, says why, and leaves all as it was.
      const socket = join(directory, 'new.sock')
      const grown = `two: { patch: b.two }, new: { socket: ${socket}, role: listen }`
      writeFileSync(file, patched('').replace('two: { patch: b.two }', grown))
      const refused = etherloom('up', file)
      expect(refused.status).to.equal(1)
      expect(refused.stderr).to.contain(
        'the instance is sealed (up --sealed): it keeps what it had once it was up, and makes and opens nothing more',
      )
      expect(existsSync(socket)).to.equal(false)
      expect(etherloom('show', 'paths').stdout).to.contain('delay=9ms')

      const ended = once(child, 'exit')
      expect(etherloom('down').stdout).to.equal('lab: down\n')
      expect(await ended).to.deep.equal([0, null])
      expect(existsSync(join(directory, 'run', 'lab.sock'))).to.equal(false)
      expect(etherloom('doctor', '--security').stdout).to.match(/^no instance runs; 'up' as .+ would have /)
    })

    const root = process.getuid?.() === 0
    ;(root ? it : it.skip)(
      `ends in order where --sealed cannot be${root ? '' : ' (skipped: only root becomes another user)'}`,
      () => {
        const without = [
          '--bounding-set=-setuid,-setgid',
          process.execPath,
          ...command,
          'up',
          file,
          '--sealed',
        ]
        const { status, stderr } = spawnSync('setpriv', without, {
          env: { ...environment, SUDO_UID: '' },
          encoding: 'utf8',
          timeout: 100_000,
        })
        expect({ status, stderr }).to.deep.equal({
          status: 1,
          stderr:
            'etherloom: root cannot become the user 65534 here; this needs CAP_SETUID and CAP_SETGID, which a container may lack; without --sealed it needs neither\n',
        })
        expect(existsSync(join(directory, 'run', 'lab.sock'))).to.equal(false)
      },
    )

    it('lets captures be taken, which end in order and alone', async () => {
      const { child: instance } = await up(file)
      const child = spawn(process.execPath, [...command, 'capture', 'one>two', '--fabric', 'a', '--fates'], {
        env: environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      running.push(child)
      const said = text(child.stderr)
      const pieces: Buffer[] = []
      child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
      await once(child.stdout, 'data')
      const ended = once(child, 'close')
      child.kill('SIGINT')
      expect(await ended).to.deep.equal([0, null])
      expect(await said).to.equal('0 frames recorded, 0 lost\n')
      const { interfaces, statistics } = readPcapng(Buffer.concat(pieces))
      expect(interfaces.map(({ name }) => name)).to.deep.equal(['one>two'])
      expect(statistics).to.deep.equal([{ interface: 'one>two', received: 0n, dropped: 0n }])
      expect(instance.exitCode).to.equal(null)

      expect(etherloom('capture', 'three').stderr).to.match(/no port 'three'/)
      expect(etherloom('capture', 'one').stderr).to.match(
        /'one' is on several fabrics; write a\.one or b\.one, or choose the fabric, as with --fabric a\n$/,
      )
      expect(etherloom('capture', 'one', '--fabric', 'a', '--fates').status).to.equal(2)
      expect(etherloom('capture', 'one', '--json').status).to.equal(2)
      const rows = etherloom('show', 'lateness', '--json').stdout
      expect(JSON.parse(rows)).to.deep.include({ worker: 0, count: 0, buckets: [] })
    })

    it('again applies the difference', async () => {
      await up(file)
      expect(etherloom('up', file).stdout).to.equal('lab: 0 up, 0 down, 0 changed\n')
      writeFileSync(file, patched('{ from: one, to: two, delay: 6ms }'))
      expect(etherloom('up', file).stdout).to.equal('set 2 paths of a\nlab: 0 up, 1 down, 1 changed\n')
      writeFileSync(file, patched('{ from: one, to: two, delay: 6mss }'))
      expect(etherloom('up', file).status).to.equal(1)
      const topology = JSON.parse(etherloom('show', 'topology', '--json').stdout) as {
        fabrics: { a: { paths: object[] } }
      }
      expect(topology.fabrics.a.paths).to.deep.equal([{ from: 'one', to: 'two', delay: '6ms' }])
    })

    it('of another file under the same name is refused', async () => {
      await up(file)
      const other = join(directory, 'other.yaml')
      writeFileSync(
        other,
        "fabrics: { a: { kind: hub, ports: { far: { udp: '127.0.0.1:0' } } } }\nname: lab\n",
      )
      const { status, stderr } = etherloom('up', other)
      expect(status).to.equal(1)
      expect(stderr).to.match(
        /^etherloom: an instance named 'lab' is already running .*lab\.yaml; choose another --name/,
      )
      const { first } = await up(other, '--name', 'second')
      expect(first).to.equal('second: up with 1 port; Ctrl-C ends it')
    })

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      it(`ends in order on ${signal}`, async () => {
        const { child, lines } = await up(file)
        const [last, exit] = [once(lines, 'line'), once(child, 'exit')]
        child.kill(signal)
        expect(await last).to.deep.equal(['lab: down'])
        expect(await exit).to.deep.equal([0, null])
        expect(existsSync(join(directory, 'run', 'lab.sock'))).to.equal(false)
      })

    /** Runs `up`, and keeps what it says on its output and its error output. */
    function startUp() {
      const stdio = ['ignore', 'pipe', 'pipe'] as const
      const child = spawn(process.execPath, [...command, 'up', file], { env: environment, stdio: [...stdio] })
      running.push(child)
      const said = Promise.all([text(child.stdout), text(child.stderr)])
      return { child, exit: once(child, 'exit'), said }
    }

    /** Gives an instance an order as soon as it takes any, and resolves when it has answered. */
    async function orderAtOnce(name: string, method: 'info' | 'down'): Promise<void> {
      const orders = [
        { jsonrpc: '2.0', id: 1, method: 'hello', params: { protocol: 1 } },
        { jsonrpc: '2.0', id: 2, method, params: {} },
      ]
      for (;;) {
        const socket = connect(join(directory, 'run', `${name}.sock`))
        const connected = await once(socket, 'connect').catch(() => undefined)
        if (!connected) {
          await immediate()
          continue
        }
        socket.write(orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
        const lines = createInterface(socket)
        for await (const line of lines) if (line.includes('"id":2')) break
        socket.destroy()
        return
      }
    }

    it('ends in order on a signal that comes before it has said that it is up, and on one that comes twice at once', async () => {
      for (let round = 0; round < 5; round++) {
        const { child, exit, said } = startUp()
        await orderAtOnce('lab', 'info')
        child.kill('SIGTERM')
        child.kill('SIGTERM')
        expect(await exit).to.deep.equal([0, null])
        expect(await said).to.deep.equal(['lab: up with 4 ports; Ctrl-C ends it\nlab: down\n', ''])
      }
    })

    it('ends in order when it is told so before it has said that it is up', async () => {
      for (let round = 0; round < 5; round++) {
        const { exit, said } = startUp()
        await orderAtOnce('lab', 'down')
        expect(await exit).to.deep.equal([0, null])
        const [stdout, stderr] = await said
        expect(stdout).to.match(/^(lab: up .*\n)?lab: down\n$/)
        expect(stderr).to.equal('')
      }
    })

    it('keeps the inspector of Node closed', async () => {
      const { child, said } = startUp()
      await once(child.stdout, 'data')
      child.kill('SIGUSR1')
      expect(etherloom('show', 'info').status, 'it goes on').to.equal(0)
      child.kill('SIGTERM')
      expect((await said)[1]).to.equal('')
    })

    /** Runs `up` on a terminal that is gone when this resolves. */
    async function upOnTerminal(whose: 'own' | 'other'): Promise<ChildProcess> {
      const words = ['-c', onTerminal, whose, process.execPath, ...command, 'up', file]
      const child = spawn('python3', words, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
      running.push(child)
      await once(child.stdout, 'data')
      return child
    }

    it('ends in order when its terminal is gone', async () => {
      const child = await upOnTerminal('own')
      if (child.exitCode === null) await once(child, 'exit')
      expect(child.exitCode).to.equal(0)
      expect(existsSync(join(directory, 'run', 'lab.sock'))).to.equal(false)
    })

    it('goes on when the terminal that it prints on is gone', async () => {
      const child = await upOnTerminal('other')
      const ended = once(child, 'exit')
      expect(etherloom('carrier', 'a.one', 'off').status, 'a line that nobody reads').to.equal(0)
      expect(etherloom('down')).to.deep.include({ status: 0, stdout: 'lab: down\n', stderr: '' })
      expect(await ended).to.deep.equal([0, null])
    })

    it('goes on when whoever read it has gone', async () => {
      const { child } = await up('--json', file)
      const ended = once(child, 'exit')
      child.stdout!.destroy()
      expect(etherloom('down')).to.deep.include({ status: 0, stdout: 'lab: down\n', stderr: '' })
      expect(await ended).to.deep.equal([0, null])
    })

    it('is captured in order also when nobody reads what is said of it, or it is killed', async () => {
      const { child: instance } = await up(file)
      const capture = async () => {
        const words = [...command, 'capture', 'a.one']
        const child = spawn(process.execPath, words, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
        running.push(child)
        await once(child.stdout, 'data')
        return { child, ended: once(child, 'exit') }
      }
      const unread = await capture()
      unread.child.stderr.destroy()
      unread.child.kill('SIGINT')
      expect(await unread.ended).to.deep.equal([0, null])
      const left = await capture()
      const said = text(left.child.stderr)
      instance.kill('SIGKILL')
      expect(await left.ended).to.deep.equal([0, null])
      expect(await said).to.equal('')
    })

    it('starts again after kill -9', async () => {
      const { child } = await up(file)
      child.kill('SIGKILL')
      await once(child, 'exit')
      expect(existsSync(join(directory, 'run', 'lab.sock'))).to.equal(true)
      expect((await up(file)).first).to.equal('lab: up with 4 ports; Ctrl-C ends it')
    })

    it('prints one JSON object per line with --json', async () => {
      const { child, first, lines } = await up('--json', file)
      expect(JSON.parse(first)).to.include({ event: 'up', name: 'lab', pid: child.pid, workers: 1 })
      const [stats] = (await once(lines, 'line')) as [string]
      expect(JSON.parse(stats)).to.have.property('event', 'stats')
    })

    it('that cannot open a port leaves nothing behind', () => {
      writeFileSync(
        file,
        'name: lab\nfabrics: { a: { kind: hub, ports: { x: { packet: no-such-device } } } }\n',
      )
      const { status, stderr } = etherloom('up', file)
      expect(status).to.equal(1)
      expect(stderr).to.match(/^\S+lab\.yaml:2:\d+: port a\.x: .*\n$/)
      expect(existsSync(join(directory, 'run', 'lab.sock'))).to.equal(false)
    })
  })
})
