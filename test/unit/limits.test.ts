/** What files may ask for, and that nonsense is refused before it is read or multiplied; docs/reference/limits.md is the page. */
import { spawnSync } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { importFiles } from '../../lib/topology/import/index.js'
import { EtherloomError } from '../../lib/index.js'
import { check } from '../../lib/values/check.js'
import { list, mapping } from '../../lib/values/options.js'
import { readBytes } from '../../lib/values/files.js'
import { readCoreTopology } from '../../lib/world/movements/core-file.js'
import { limits } from '../../lib/values/limits.js'
import { formatCount, formatDuration, formatSize } from '../../lib/values/units.js'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'etherloom-limits-'))))
afterEach(() => rmSync(folder, { recursive: true }))

/** Writes a file and gives its path. */
function written(name: string, text = ''): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

/** A command, as a process of its own: a reader that hangs ends with it, and the time is against that alone. */
function shell(
  script: string,
  ...words: string[]
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', ...words], {
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
    env: {
      ...process.env,
      ETHERLOOM_CONTROL_DIRECTORY: join(folder, 'run'),
      ETHERLOOM: `${process.execPath} --import=tsx bin/etherloom.ts`,
    },
  })
  return { status, stdout, stderr }
}
const validate = (file: string) => shell('exec $ETHERLOOM validate "$1"', file)

function fifo(name = 'pipe'): string {
  const file = join(folder, name)
  expect(spawnSync('mkfifo', [file]).status).to.equal(0)
  return file
}

describe('files that users and their files name', function () {
  this.timeout(120_000)

  /** A topology that names a file wherever it can. */
  const naming = (file: string): string => `fabrics:
  a: { kind: hub, forwarding: deny, ports: { one: { tap: t1 }, two: { tap: t2 } }, paths: [
    { from: one, to: two, trace: ${file} },
    { from: one, to: two, replay: ${file} },
    { from: one, to: two, jitter: 1ms, delay: 1ms, distribution: { file: ${file} } },
    { from: one, to: two, netem: 'delay 1ms 1ms distribution ${file}' } ] }
worlds: { w: { fabric: a, movement: { core: ['${file}'] } } }
`
  const readers = [
    ['the trace', '256MiB'],
    ['fate log', '256MiB'],
    ['delay table', '1MiB'],
    ['delay table', '1MiB'],
    ['', '16MiB'],
  ] as const

  const others: [what: string, make: () => string][] = [
    ['a FIFO', () => fifo()],
    ['a device', () => '/dev/zero'],
    ['a directory', () => folder],
  ]
  for (const [what, make] of others)
    it(`are refused where they are ${what}, by name, whatever reads them`, () => {
      const file = make()
      const { status, stderr } = validate(written('net.yaml', naming(file)))
      expect(status).to.equal(1)
      const lines = stderr.trim().split('\n')
      expect(lines).to.have.length(readers.length)
      readers.forEach(([subject, most], index) => {
        expect(lines[index]).to.contain(subject).and.to.contain(file)
        expect(lines[index]).to.contain(`must be a regular file of at most ${most}, not ${what}`)
      })
    })

  it('are refused so as topologies, and as what tmesh files source, too', () => {
    const pipe = fifo()
    const refused = `${pipe} must be a regular file of at most 16MiB, not a FIFO; give the name of a file`
    for (const command of ['validate', 'up', 'import --tmesh'])
      expect(shell(`exec $ETHERLOOM ${command} "$1"`, pipe).stderr, command).to.contain(refused)
    const tmesh = written('sun.tmesh', 'a: tme/ic/am7990\nsource pipe\n')
    expect(validate(tmesh).stderr).to.contain(`${tmesh}:2:8: ${refused}`)
  })

  it('are refused before they are read where they are too large, with what to do', () => {
    const large = written('large')
    truncateSync(large, 257 * 1024 * 1024)
    const lines = validate(written('net.yaml', naming(large)))
      .stderr.trim()
      .split('\n')
    readers.forEach(([, most], index) =>
      expect(lines[index]).to.match(new RegExp(`at most ${most}, not one of 257MiB; [a-z]`)),
    )
    expect(validate(large).stderr).to.contain(
      'large must be a regular file of at most 16MiB, not one of 257MiB; ',
    )
  })

  it('are not read further than their limit, whatever size they say', () => {
    const wanted = { subject: 'it', most: 8, code: 'ERR_ETHERLOOM_OPTION', smaller: 'cut it' } as const
    expect(readBytes(written('eight', '12345678'), wanted).toString()).to.equal('12345678')
    expect(readBytes(written('none'), wanted)).to.have.length(0)
    expect(() => readBytes('/proc/self/status', wanted)).to.throw(
      'it must be a regular file of at most 8B, and it has more; cut it', // its size is 0
    )
    expect(readBytes('/proc/self/status', { ...wanted, most: 1 << 20 }).toString()).to.contain('VmSize')
  })

  it('may be links, and what a shell pipes in, up to the same limit', () => {
    const text = 'fabrics: { a: { kind: switch, ports: {} } }\n'
    const link = join(folder, 'link.yaml')
    symlinkSync(written('net.yaml', text), link)
    expect(validate(link).status).to.equal(0)
    for (const place of ['/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'])
      expect(shell('cat "$1" | $ETHERLOOM validate "$2"', link, place).stdout).to.contain('1 fabric')
    expect(shell('$ETHERLOOM validate /dev/stdin < "$1"', link).stdout).to.contain('1 fabric')
    const up = shell(
      'cat "$1" | $ETHERLOOM up --name piped /dev/stdin & until $ETHERLOOM down --name piped 2> "$1.log"; do kill -0 $! || exit 1; done; wait $!',
      link,
    )
    expect(up, 'up').to.deep.include({ status: 0, stderr: '' })
    const endless = shell('yes | $ETHERLOOM validate /dev/stdin')
    expect(endless.status).to.equal(1)
    expect(endless.stderr).to.contain('/dev/stdin must be a regular file of at most 16MiB, and it has more; ')
  })
})

describe('what a file is', function () {
  this.timeout(240_000)

  it('is told in one pass: neither slashes nor empty lines keep it', () => {
    for (const text of [`${'/'.repeat(100)}\nfabrics: {}`, `${'\n'.repeat(1_000_000)}fabrics: 1`]) {
      const { status, stderr } = validate(written('net.yaml', text))
      expect(status).to.equal(1)
      expect(stderr).to.match(/net\.yaml:\d+:\d+: /)
    }
  })
})

describe('files of CORE', function () {
  this.timeout(120_000)

  const scenario = (inside: string): string => `<scenario>${inside}</scenario>`
  const devices = (count: number): string =>
    Array.from(
      { length: count },
      (_, index) => `<device id="${index + 1}"><position x="${index}" y="0"/></device>`,
    ).join('')
  const links = (count: number): string =>
    Array.from({ length: count }, (_, index) => `<link node1="${index + 1}" node2="net"/>`).join('')
  const onOneNetwork = (count: number): string =>
    scenario(`${devices(count)}<network id="net" type="SWITCH"/>${links(count)}`)
  /** What is said of a file by a process of its own, and no wait is longer than for any command. */
  const validated = (text: string, mode: 'lan' | 'wifi' = 'lan') => {
    written('core.xml', text)
    const { status, stderr } = validate(
      written(
        'net.yaml',
        `fabrics: { a: { kind: hub, forwarding: deny, ports: { one: { tap: t1 }, two: { tap: t2 } } } }
worlds: { w: { fabric: a, movement: { core: [core.xml], mode: ${mode} } } }`,
      ),
    )
    return { status, stderr }
  }

  it('link up to a million pairs by networks, in mode lan; in mode wifi nobody asks for links', () => {
    const text = onOneNetwork(20_000)
    expect(validated(text).stderr).to.match(
      /core\.xml:1:\d+: networks link more than 1,000,000 pairs of devices with each other; use mode 'wifi', or a switch/,
    )
    const { status, stderr } = validated(text, 'wifi')
    expect(status).to.equal(0)
    expect(stderr).to.match(
      /core\.xml: n3, n4, .*, n22 and 19,978 others left out, since the world has 2 nodes\n$/,
    )
    expect(readCoreTopology(onOneNetwork(1000), 'x').links).to.have.length(499_500)
  })

  it('have node numbers up to a limit where they list no nodes', () => {
    const channel = '<channel><member type="interface">n4294967295/eth0</member></channel>'
    expect(validated(scenario(channel)).stderr).to.contain(
      'core.xml:1:20: nodes are numbered from 1 to 100000, and this is 4294967295',
    )
  })

  it('are read in one pass: no text keeps the reader for the square of its length', () => {
    const many = 1_000_000
    expect(validated(`<!DOCTYPE ${'a'.repeat(2 * many)}`).stderr).to.contain(
      'core.xml:1:1: a tag that XML does not allow',
    )
    expect(validated(`<!DOCTYPE a [ ${'a'.repeat(2 * many)}`).stderr).to.contain(
      'core.xml:1:1: a tag that XML',
    )
    const options = `\n<options delay="1"/>${'\n'.repeat(19)}` // 20 lines each
    const { stderr } = validated(scenario(options.repeat(5000)))
    expect(stderr.match(/is not applied/g)).to.have.length(5000)
    expect(stderr).to.contain('core.xml:99982:1: delay="1" of this link is not applied')
    const chain = Array.from({ length: 3000 }, (_, index) => index)
    const text = scenario(
      chain.map((id) => `<network id="${id}" type="HUB"/>`).join('') +
        chain.map((id) => `<link node1="${id + 1}" node2="${id}"/>`).join('') +
        '<device id="7001"/><device id="7002"/><link node1="0" node2="7001"/><link node1="7002" node2="2999"/>',
    )
    expect(readCoreTopology(text.replace('node1="3000"', 'node1="2999"'), 'x').links).to.deep.equal([[1, 2]])
  })
})

describe('YAML files', function () {
  this.timeout(120_000)

  it('may use an alias as often as they like', () => {
    const hubs = Array.from({ length: 20_000 }, (_, index) => `  b${index}: *a\n`)
    const text = `fabrics:\n  a: &a { kind: switch, ports: {} }\n${hubs.join('')}`
    expect(validate(written('net.yaml', text)).stdout).to.contain('20001 fabrics, 0 hosts: valid')
  })

  it('are refused where aliases of aliases stand for very much, at the first that is too many', () => {
    const lists = Array.from({ length: 20 }, (_, index) =>
      index === 0
        ? '&x0 [1, 2, 3, 4, 5]'
        : `&x${index} [${Array(5)
            .fill(`*x${index - 1}`)
            .join(', ')}]`,
    )
    const { stderr } = validate(written('net.yaml', `fabrics:\n- ${lists.join('\n- ')}\n`))
    expect(stderr).to.match(
      /net\.yaml:10:\d+: aliases may stand for 1,000,000 values in all, and with this one they stand for 1,\d{3},\d{3}\n$/,
    )
  })

  it('are refused where an alias is within what it stands for, or nothing stands before it', () => {
    const { stderr } = validate(written('net.yaml', 'fabrics: &a\n  x: [*a]\n  y: *b\n'))
    expect(stderr.replaceAll(/^.*net/gm, '')).to.equal(
      ".yaml:2:7: alias 'a' stands for what it is a part of\n.yaml:3:6: no anchor 'b' before this alias\n",
    )
  })

  it('are refused where they are nested too deeply, by themselves or by aliases', () => {
    const deep = (levels: number): string => `fabrics: ${'['.repeat(levels)}${']'.repeat(levels)}\n`
    const chain = Array.from(
      { length: 200 },
      (_, index) => `- &x${index} [${index === 0 ? '' : `*x${index - 1}`}]`,
    )
    const message = 'lists and mappings may be 100 deep within each other, and here are more'
    for (const text of [deep(100), deep(20_000), `fabrics:\n${chain.join('\n')}\n`])
      expect(validate(written('net.yaml', text)).stderr).to.contain(message)
    expect(validate(written('net.yaml', deep(99))).stderr).not.to.contain(message)
  })
})

describe('topologies', function () {
  this.timeout(120_000)

  const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${index}`)
  const hub = (ports: readonly string[], inside: string): string =>
    `fabrics: { a: { kind: hub, ports: { ${ports.map((name) => `${name}: { patch: b.${name} }`).join(', ')} }, ${inside} },
  b: { kind: hub, ports: { ${ports.map((name) => `${name}: { patch: a.${name} }`).join(', ')} } } }`

  it('have a million pairs in paths, whether they are between names or all', () => {
    const all = names(3000)
    for (const entry of [`between: [${all.join(', ')}]`, "from: '*', to: '*'"])
      expect(validate(written('net.yaml', hub(all, `paths: [{ ${entry} }]`))).stderr).to.match(
        /net\.yaml:1:\d+: entries of 'paths' may come to 1,000,000 pairs of ports, and with this one they come to 9,000,000; name fewer ports: /,
      )
    expect(
      validate(written('net.yaml', hub(names(1000), "paths: [{ from: '*', to: '*' }]"))).status,
    ).to.equal(0)
  })

  it('have ten times as many in timelines, and a word for the first entry that is too much', () => {
    const entry = "{ at: 1s, from: '*', to: '*', loss: 0.1 }"
    const { stderr } = validate(
      written('net.yaml', hub(names(3000), `timeline: [${entry}, ${entry}, ${entry}]`)),
    )
    expect(stderr).to.match(
      /^\S*net\.yaml:1:\d+: entries of 'timeline' may come to 10,000,000 pairs of ports, and with this one they come to 18,000,000; [^\n]*\n$/,
    )
  })

  it('are put aside after a thousand mistakes', () => {
    const shape = `fabrics:\n${names(10_000)
      .map((name) => `  ${name}: 3\n`)
      .join('')}`
    const ports = names(3000)
    const unknown = hub(
      ports,
      `paths: [{ between: [p0, ${ports.map((name) => `x${name}`).join(', ')}], loss: 2% }]`,
    )
    for (const text of [shape, unknown]) {
      const file = written('net.yaml', text)
      const { stdout } = shell('exec $ETHERLOOM validate --json "$1"', file)
      const { problems } = JSON.parse(stdout) as { problems: { line: number; message: string }[] }
      expect(problems).to.have.length(1001)
      expect(problems[0]).to.deep.include({
        line: 1,
        message: 'there are more than 1,000 mistakes, of which the first follow',
      })
      const lines = validate(file).stderr.trim().split('\n')
      expect(lines).to.have.length(51)
      expect(lines[50]).to.equal('951 more mistakes are not shown')
    }
  })

  it('are not looked at any further then, among keys and among values', () => {
    let looks = 0
    const never = (): never => {
      looks++
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'wrong')
    }
    const rule = mapping({ list: list(never) })
    const { problems } = check(rule, { list: new Array(5000).fill(1) })
    expect([problems.length, looks]).to.deep.equal([1001, 1001])
    const keys = Object.fromEntries(names(5000).map((name) => [name, 1]))
    expect(check(rule, keys).problems).to.have.length(1001)
  })
})

describe('tmesh files', () => {
  const problemsOf = async (text: string): Promise<string[]> => {
    const { problems } = await importFiles('tmesh', [{ file: join(folder, 'sun.tmesh'), text }])
    return problems.map(({ file, line, message }) => `${file.slice(folder.length + 1)}:${line} ${message}`)
  }

  it('that source each other twice are read a thousand times, not half a million', async () => {
    for (let level = 0; level < 18; level++)
      written(`n${level}`, `source n${level + 1}\nsource n${level + 1}\n`)
    written('n18', 'tap0: tme/host/tun/tap interface tapA\n')
    const found = await problemsOf('source n0')
    expect(found.filter((problem) => problem.includes('may source'))).to.have.length(1)
    expect(found.at(-1)).to.match(
      /^n1\d:\d a machine may source 1,000 files of 16MiB in all, each time counted, and with this one they are more; source each once$/,
    )
    expect(found.length).to.be.below(1000) // and not one for each time that tap0 comes again
  })

  it('source no more than a topology may have', async () => {
    written('comments', `#${' '.repeat(998)}\n`.repeat(6000))
    const [problem, ...others] = await problemsOf('source comments\nsource comments\nsource comments\n')
    expect(problem).to.match(/^sun.tmesh:3 a machine may source 1,000 files of 16MiB in all/)
    expect(others).to.deep.equal([])
  })

  it('source each other 30 deep', async () => {
    for (let level = 1; level <= 40; level++) written(`n${level}`, `source n${level + 1}\n`)
    expect(await problemsOf('source n1')).to.deep.equal([
      'n30:1 files may source each other 30 deep, and this is more; put its lines here',
    ])
    written('n30', 'tap0: tme/host/tun/tap interface tapA\n')
    expect(await problemsOf('source n1')).to.deep.equal([])
  })
})

/** A fate log of one path with these comments, a packet each. */
function fateLog(...comments: string[]): Buffer {
  const word = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
  const block = (type: number, ...body: Buffer[]): Buffer => {
    const whole = Buffer.concat(body)
    const length = word(whole.length + 12)
    return Buffer.concat([word(type), length, whole, length])
  }
  const option = (code: number, text: string): Buffer => {
    const bytes = Buffer.from(text)
    const padded = Buffer.alloc((bytes.length + 3) & ~3)
    bytes.copy(padded)
    return Buffer.concat([Buffer.from(Uint16Array.of(code, bytes.length).buffer), padded, word(0)])
  }
  return Buffer.concat([
    block(0x0a0d0d0a, word(0x1a2b3c4d), word(1), word(0xffffffff), word(0xffffffff)),
    block(1, word(1), word(0), option(2, 'one>two')),
    ...comments.map((comment) => block(6, Buffer.alloc(20), option(1, comment))),
  ])
}

describe('fate logs', function () {
  this.timeout(120_000)

  const replaying = (...comments: string[]) => {
    writeFileSync(join(folder, 'log'), fateLog(...comments))
    const text = `fabrics: { a: { kind: hub, forwarding: deny, ports: { one: { tap: t1 }, two: { tap: t2 } },
      paths: [{ from: one, to: two, replay: log }] } }`
    return validate(written('net.yaml', text))
  }
  const passed = 'fate=delivered delay=1ns'

  it('are refused before their gaps are filled', () => {
    expect(replaying(`n=0 ${passed}`, `n=4294967295 ${passed}`).stderr).to.match(
      /log' may leave out 1,000,000 frames between its first and its last, not 4,294,967,294; .* frames 0 to 4294967295; record it anew/,
    )
    expect(replaying(`n=4293967294 ${passed}`, `n=4294967295 ${passed}`).status).to.equal(0)
  })

  it('are refused where few words stand for very many fates', () => {
    const wide = Array.from(
      { length: 20 },
      (_, index) => `n=${65536 * index} ${passed} segments=65536 copies=1024`,
    )
    expect(replaying(...wide).stderr).to.match(
      /log' may have 10,000,000 fates, and has more at 'n=0 .*'; record a shorter time/,
    )
  })
})

describe('the code', () => {
  it('reads files of others by lib/values/files.ts alone', () => {
    // Of /proc, /dev and /etc.
    const ofTheKernel = [
      'lib/topology/run.ts',
      'lib/values/programs.ts',
      'lib/fabrics/servers/vde.ts',
      'bin/doctor.ts',
      'bin/output.ts',
      'bin/security.ts',
    ]
    const sources = ['lib', 'bin'].flatMap((room) =>
      readdirSync(room, { recursive: true, encoding: 'utf8' }).map((file) => join(room, file)),
    )
    const readers = sources.filter(
      (file) =>
        file.endsWith('.ts') &&
        /\b(?:readFile|readFileSync|createReadStream|openSync|readSync)\b/.test(readFileSync(file, 'utf8')),
    )
    const writes = 'lib/ubridge/pcap.ts'
    expect(readers).to.have.members(['lib/values/files.ts', writes, ...ofTheKernel])
  })
})

describe('docs/reference/limits.md', () => {
  it('has each limit as the code has it', () => {
    const row = /^\| `(\w+)` \| ([^|]+) \|/gm
    const rows = [...readFileSync('docs/reference/limits.md', 'utf8').matchAll(row)].map(
      ([, name, value]) => [name, value],
    )
    const inWords = (value: number | bigint): string =>
      typeof value === 'bigint'
        ? formatDuration(value)
        : value % 1024 === 0
          ? formatSize(value)
          : formatCount(value)
    expect(rows).to.deep.equal(Object.entries(limits).map(([name, value]) => [name, inWords(value)]))
  })
})
