// Fuzzes what takes bytes from outside: `node scripts/fuzz.mjs [--seconds N]`. Needs clang with libFuzzer
// (Debian: clang-14). Builds test/native/fuzz/ with the address and undefined-behaviour sanitizers and runs it
// for N seconds (60). What it finds is written to build/fuzz/crash-*, and makes the exit code 1; the inputs that
// reach new code stay in build/fuzz/corpus for the next run.
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { Stop, filesUnder, inRoot, main, run } from './tools.mjs'

/** A virtio-net header and a super-frame of 300 bytes: something to start from. */
function seed({ version, protocol, gsoType, gsoSize }) {
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

const seeds = {
  tcp4: seed({ version: 4, protocol: 6, gsoType: 1, gsoSize: 100 }),
  tcp6: seed({ version: 6, protocol: 6, gsoType: 4, gsoSize: 100 }),
  udp4: seed({ version: 4, protocol: 17, gsoType: 5, gsoSize: 7 }),
  undone: seed({ version: 6, protocol: 17, gsoType: 0, gsoSize: 0 }),
}

await main(() => {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } })
  if (!/^\d+$/.test(values.seconds)) throw new Stop('--seconds takes a whole number.')
  const corpus = inRoot('build/fuzz/corpus')
  mkdirSync(corpus, { recursive: true })
  for (const [name, bytes] of Object.entries(seeds)) writeFileSync(`${corpus}/${name}`, bytes)

  const sources = filesUnder('native/frame', 'test/native/fuzz').filter((name) => name.endsWith('.cpp'))
  const program = inRoot('build/fuzz/segmentation')
  const sanitizers = 'fuzzer,address,undefined'
  const options = [
    '-std=c++20',
    '-O1',
    '-g',
    `-fsanitize=${sanitizers}`,
    '-fno-sanitize-recover=all',
    '-Inative',
  ]
  run('clang++-14', [...options, ...sources, '-o', program])
  run(program, [
    `-max_total_time=${values.seconds}`,
    '-artifact_prefix=build/fuzz/',
    '-print_final_stats=1',
    corpus,
  ])
})
