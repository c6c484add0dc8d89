/** What files may ask for, and that nonsense is refused before it is read or multiplied; docs/limits.md is the page. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readBytes } from '../../lib/values/files.js'
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
    env: { ...process.env, ETHERLOOM: `${process.execPath} --import=tsx bin/etherloom.ts` },
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
    const endless = shell('yes | $ETHERLOOM validate /dev/stdin')
    expect(endless.status).to.equal(1)
    expect(endless.stderr).to.contain('/dev/stdin must be a regular file of at most 16MiB, and it has more; ')
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

describe('docs/limits.md', () => {
  it('has each limit as the code has it', () => {
    const row = /^\| `(\w+)` \| ([^|]+) \|/gm
    const rows = [...readFileSync('docs/limits.md', 'utf8').matchAll(row)].map(([, name, value]) => [
      name,
      value,
    ])
    const inWords = (value: number | bigint): string =>
      typeof value === 'bigint'
        ? formatDuration(value)
        : value % 1024 === 0
          ? formatSize(value)
          : formatCount(value)
    expect(rows).to.deep.equal(Object.entries(limits).map(([name, value]) => [name, inWords(value)]))
  })
})
