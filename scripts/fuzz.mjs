// Fuzzes what takes bytes from outside: `node scripts/fuzz.mjs [NAME...] [--seconds N] [--total N] [--seed S]
// [--keep]`, all targets or the named ones, each for N seconds (60), or all together for --total seconds.
// Those of test/fuzz/targets/ are in TypeScript (test/fuzz/index.ts). Those of test/native/fuzz/ need clang with
// libFuzzer (Debian: clang-14; `node scripts/setup.mjs --fuzz` installs it), and are built with the address and
// undefined-behaviour sanitizers. A target begins with the inputs of
// corpus/NAME/ beside it and, a native one, those that earlier runs left in build/fuzz/corpus/NAME/. What it finds is
// written to build/fuzz/NAME-crash-*, and makes the exit code 1. --keep writes the few short inputs that reach
// most of the code into corpus/NAME/, in the place of those that are there.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { Stop, filesUnder, inRoot, main, run } from './tools.mjs'

const folder = 'test/native/fuzz'
/** Of a stored corpus: files, and bytes of each. */
const kept = { files: 16, bytes: 400 }

const names = filesUnder(folder)
  .filter((name) => name.endsWith('.cpp') && path.dirname(name) === folder)
  .map((name) => path.basename(name, '.cpp'))
  .filter((name) => name !== 'libfuzzer')

const typescriptNames = readdirSync(inRoot('test/fuzz/targets')).map((name) => path.basename(name, '.ts'))

/** A virtio-net header and a super-frame of 300 bytes: something to start from. */
function superFrame({ version, protocol, gsoType, gsoSize }) {
  const ip = 14
  const transport = ip + (version === 4 ? 20 : 40)
  const headers = transport + (protocol === 6 ? 20 : 8)
  const frame = Buffer.alloc(headers + 300)
  frame.writeUInt16BE(version === 4 ? 0x0800 : 0x86dd, 12)
  if (version === 4) {
    frame[ip] = 0x45
    frame.writeUInt16BE(frame.length - ip, ip + 2)
    frame[ip + 9] = protocol
  } else {
    frame[ip] = 0x60
    frame.writeUInt16BE(frame.length - transport, ip + 4)
    frame[ip + 6] = protocol
  }
  if (protocol === 6) frame[transport + 12] = 0x50

  const header = Buffer.alloc(10)
  header[0] = 1
  header[1] = gsoType
  header.writeUInt16LE(headers, 2)
  header.writeUInt16LE(gsoSize, 4)
  header.writeUInt16LE(transport, 6)
  header.writeUInt16LE(protocol === 6 ? 16 : 6, 8)
  return Buffer.concat([header, frame])
}

/** A netlink message or attribute: a head with the length first, then parts, each padded to four bytes. */
function netlink(head, ...parts) {
  const whole = Buffer.concat([
    head,
    ...parts.map((part) => Buffer.concat([part, Buffer.alloc(-part.length & 3)])),
  ])
  if (head.length === 4) whole.writeUInt16LE(whole.length, 0)
  else whole.writeUInt32LE(whole.length, 0)
  return whole
}
const attribute = (type, ...parts) => netlink(Buffer.from([0, 0, type, 0]), ...parts)
const message = (type, ...parts) => {
  const head = Buffer.alloc(16)
  head.writeUInt16LE(type, 4)
  return netlink(head, ...parts)
}

/** A TAP as the kernel tells of it; its numbers are those of <linux/if_link.h>. */
const tapMessage = (type) =>
  message(
    type,
    Buffer.alloc(16, 0xff).fill(0, 0, 2),
    attribute(3, Buffer.from('tap0\0')),
    attribute(1, Buffer.from([2, 0, 0, 0, 0, 1])),
    attribute(4, Buffer.from([220, 5, 0, 0])),
    attribute(33, Buffer.from([1])),
    attribute(
      18,
      attribute(1, Buffer.from('tun\0')),
      attribute(
        2,
        attribute(3, Buffer.from([2])),
        attribute(4, Buffer.from([1])),
        attribute(7, Buffer.from([1])),
      ),
    ),
    attribute(45, Buffer.from([0, 0, 0, 0])),
  )

/** Settings of the fabrics and of three paths, then well made frames of many kinds between the devices. */
function* pipelineSeeds() {
  const kinds = { hub: 0xf0, switch: 0xf3, vlans: 0xfb }
  const policies = {
    plain: [0, 0, 0, 0],
    impaired: [0x10, 0x1f, 0, 0x1c],
    line: [0, 4, 0x0b, 0x0f],
    netem: [0, 0x20, 0x70, 0x70],
  }
  for (const [kind, settings] of Object.entries(kinds)) {
    for (const [policy, numbers] of Object.entries(policies)) {
      const operations = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((turn) => [
        ...[4 | (turn & 3), turn | (turn & 2 ? 0x40 : 0), turn & 1 ? turn * 6 : 0x85, 0xd0, 0x07, 0xe8, 0x03],
        ...(turn >= 4 ? [1] : []),
        ...[8, 0x64, 0],
      ])
      yield [
        `${kind}-${policy}`,
        Buffer.from([settings, 0x5a, ...numbers, ...numbers, ...numbers, ...operations]),
      ]
    }
  }
}

const superFrames = {
  tcp4: superFrame({ version: 4, protocol: 6, gsoType: 1, gsoSize: 100 }),
  tcp6: superFrame({ version: 6, protocol: 6, gsoType: 4, gsoSize: 100 }),
  udp4: superFrame({ version: 4, protocol: 17, gsoType: 5, gsoSize: 7 }),
  undone: superFrame({ version: 6, protocol: 17, gsoType: 0, gsoSize: 0 }),
}

/** What a target begins with besides its stored corpus. */
const seeds = {
  segmentation: superFrames,
  frame_headers: Object.fromEntries(
    Object.entries(superFrames).map(([name, bytes]) => [
      name,
      Buffer.concat([bytes.subarray(0, 10), Buffer.from([7, 0]), bytes.subarray(10)]),
    ]),
  ),
  pipeline: Object.fromEntries(pipelineSeeds()),
  rtnetlink: {
    appeared: tapMessage(16),
    vanished: Buffer.concat([tapMessage(17), tapMessage(16)]),
    address: message(
      20,
      Buffer.from([2, 24, 0, 0, 1, 0, 0, 0]),
      ...[1, 2].map((type) => attribute(type, Buffer.from([10, 0, 0, type]))),
    ),
    refused: message(2, Buffer.alloc(20, 0xfe), attribute(1, Buffer.from('no such device\0'))),
  },
}

/** Runs one target. Returns how much it did, and whether it found nothing. */
function fuzz(name, seconds) {
  const corpus = `build/fuzz/corpus/${name}`
  const stored = `${folder}/corpus/${name}`
  mkdirSync(inRoot(corpus), { recursive: true })
  mkdirSync(inRoot(stored), { recursive: true })
  for (const [seed, bytes] of Object.entries(seeds[name] ?? {})) writeFileSync(inRoot(corpus, seed), bytes)
  const started = Date.now()
  const { status, stderr, error } = spawnSync(
    inRoot('build/fuzz', name),
    [
      `-max_total_time=${seconds}`,
      `-artifact_prefix=build/fuzz/${name}-`,
      '-timeout=60',
      '-len_control=10',
      '-entropic=0', // takes longer than the pipeline itself
      '-print_final_stats=1',
      '-verbosity=1',
      corpus,
      stored,
    ],
    { cwd: inRoot(), stdio: ['ignore', 'inherit', 'pipe'], encoding: 'utf8', maxBuffer: Infinity },
  )
  if (error) throw new Stop(`${name}: ${error.message}`)
  const found = status !== 0
  if (found) console.error(stderr)
  const number = (pattern) => Number(stderr.match(pattern)?.[1] ?? 0)
  return {
    name,
    found,
    executions: number(/stat::number_of_executed_units:\s*(\d+)/),
    seconds: (Date.now() - started) / 1000,
  }
}

/** Runs one in TypeScript, which ends by itself. One that hangs or ends the process leaves what it was trying. */
function fuzzTypescript(name, seconds, { seed, keep }) {
  const started = Date.now()
  const trying = inRoot('build/fuzz', `${name}-trying`)
  const { status, signal, stdout, error } = spawnSync(
    process.execPath,
    [
      ...['--expose-gc', '--import=tsx', 'test/fuzz/index.ts', name, `--seconds=${seconds}`],
      ...(seed === undefined ? [] : [`--seed=${seed}`]),
      ...(keep ? ['--keep'] : []),
    ],
    {
      cwd: inRoot(),
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      timeout: (seconds + 120) * 1000,
      killSignal: 'SIGKILL',
    },
  )
  if (existsSync(trying)) {
    const file = `build/fuzz/${name}-crash-${Date.now()}`
    renameSync(trying, inRoot(file))
    console.error(`${name} ${error ? 'hangs' : `ended with ${signal ?? status}`} at the input in ${file}`)
  }
  const { executions = 0 } = stdout === '' ? {} : JSON.parse(stdout)
  return { name, found: status !== 0, executions, seconds: (Date.now() - started) / 1000 }
}

/** Stores the short inputs of both corpora that reach most, as few as there may be. */
function keep(name) {
  const stored = inRoot(folder, 'corpus', name)
  const merged = inRoot('build/fuzz/merged', name)
  const short = inRoot('build/fuzz/short', name)
  for (const each of [merged, short]) {
    rmSync(each, { recursive: true, force: true })
    mkdirSync(each, { recursive: true })
  }
  for (const from of [stored, inRoot('build/fuzz/corpus', name)]) {
    for (const file of readdirSync(from)) {
      if (statSync(path.join(from, file)).size <= kept.bytes) {
        cpSync(path.join(from, file), path.join(short, file))
      }
    }
  }
  run(inRoot('build/fuzz', name), ['-set_cover_merge=1', merged, short], { quiet: true })
  rmSync(stored, { recursive: true })
  mkdirSync(stored)
  // Those that reach most come first.
  const files = readdirSync(merged)
    .map((file) => ({ file, time: statSync(path.join(merged, file)).mtimeMs }))
    .sort((left, right) => left.time - right.time)
  for (const { file } of files.slice(0, kept.files)) {
    cpSync(path.join(merged, file), path.join(stored, file.slice(0, 12)))
  }
}

await main(() => {
  const { values, positionals } = parseArgs({
    options: {
      seconds: { type: 'string' },
      total: { type: 'string' },
      seed: { type: 'string' },
      keep: { type: 'boolean' },
    },
    allowPositionals: true,
  })
  const all = [...typescriptNames, ...names]
  const wanted = positionals.length > 0 ? positionals : all
  for (const name of wanted) {
    if (!all.includes(name)) throw new Stop(`There is no target ${name}; there are: ${all.join(', ')}.`)
  }
  for (const each of ['seconds', 'total', 'seed']) {
    if (!/^[1-9]\d*$/.test(values[each] ?? '1')) throw new Stop(`--${each} takes a whole number above 0.`)
  }
  const seconds = values.total
    ? Math.max(1, Math.floor(Number(values.total) / wanted.length))
    : Number(values.seconds ?? 60)

  const programs = wanted.filter((name) => names.includes(name)).map((name) => `build/fuzz/${name}`)
  mkdirSync(inRoot('build/fuzz'), { recursive: true })
  if (programs.length > 0)
    run('make', ['-s', `-j${availableParallelism()}`, '-f', `${folder}/Makefile`, ...programs])

  const results = wanted.map((name) => {
    console.log(`${name} ...`)
    return names.includes(name) ? fuzz(name, seconds) : fuzzTypescript(name, seconds, values)
  })
  for (const { name, executions, seconds: took, found } of results) {
    const rate = Math.round(executions / took)
    console.log(`${name}: ${executions} executions, ${rate} a second${found ? ', FOUND SOMETHING' : ''}`)
  }
  if (values.keep) wanted.filter((name) => names.includes(name)).forEach(keep)
  const bad = results.filter(({ found }) => found).map(({ name }) => name)
  if (bad.length > 0) throw new Stop(`Found something in ${bad.join(', ')}: see build/fuzz/NAME-crash-*.`)
})
