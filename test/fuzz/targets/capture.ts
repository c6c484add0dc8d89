/**
 * Captures and fate logs of paths that do what the input says: both readers of pcapng find in them what happened, and a log
 * that is replayed is recorded as the same again. On the virtual clock.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine, Hub, MemoryPort, type PolicyOptions } from '../../../lib/index.js'
import { readFates } from '../../../lib/policy/replay/fates.js'
import { readPackets } from '../../../lib/policy/replay/pcapng.js'
import { numbered } from '../../helpers/frames.js'
import { readPcapng } from '../../helpers/pcapng.js'
import { insists, type Target } from '../target.js'

let directory: string | undefined

/** A policy of a few bytes; every part is in reach of a single bit. */
function policyOf(input: Buffer): PolicyOptions {
  const [kinds = 0, more = 0, amount = 0, time = 0] = input
  const part = amount / 255
  if (kinds & 1) {
    const words = [`limit 10000 delay ${1 + time}ms ${time}ms`, `loss ${(100 * part).toFixed(1)}%`]
    if (kinds & 2) words.push(`duplicate ${time % 101}%`)
    if (kinds & 4) words.push('corrupt 30%')
    if (kinds & 8) words.push(`reorder 20% gap ${1 + (more % 8)}`)
    if (kinds & 16) words.push('slot 5ms 5ms')
    return { netem: words.join(' ') }
  }
  return {
    ...(kinds & 2 && { loss: part }),
    ...(kinds & 4 && { duplicate: (time % 101) / 100 }),
    ...(kinds & 8 && { corrupt: part }),
    ...(kinds & 16 && { rate: `${1 + more}Mbit`, queue: `${1 + (time % 32)}frames` }),
    ...(kinds & 32 && { delay: `${1 + time}ms`, jitter: `${time}ms` }),
    ...(kinds & 64 && { filter: { length: { max: 60 + more } } }),
    ...((kinds & 160) === 160 && { reorder: part }),
  }
}

interface Run {
  log: Buffer
  capture: Buffer
  counts: object
}

/** Sends what the input says over a path with this policy, and records both what passes its from-port and its fates. */
async function run(policy: PolicyOptions, input: Buffer, place: string, seed: bigint): Promise<Run> {
  await using engine = new Engine({ clock: 'virtual', seed, memory: '8MiB' })
  const hub = new Hub({ engine, name: 'hub' })
  const a = await hub.attach(new MemoryPort({ name: 'a', queueLimit: 4096 }))
  const b = await hub.attach(new MemoryPort({ name: 'b', queueLimit: 4096 }))
  const path = hub.path(a, b)
  await path.allow(policy)
  const log = await path.fateLog(`${place}.log`)
  const capture = await b.capture(place)
  for (const byte of input.subarray(4, 36)) {
    a.send(numbered(1 + (byte & 7)))
    engine.advance(`${byte >> 3}ms`)
  }
  engine.advance('20s')
  await Promise.all([log.close(), capture.close()])
  const { offered, delivered, dropped, duplicated, corrupted } = path.stats()
  return {
    log: readFileSync(`${place}.log`),
    capture: readFileSync(place),
    counts: { offered, delivered, dropped, duplicated, corrupted },
  }
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))

export const target: Target = {
  together: 8,
  words: ['\0', '\x01', '\xff', '\x80', '\x1f', '\x3e', '\x7e'],
  seeds: [
    Uint8Array.from([62, 9, 100, 7, ...Array.from({ length: 32 }, (_, at) => at * 29)]),
    Uint8Array.from([31, 9, 30, 3, ...Array.from({ length: 32 }, (_, at) => at * 53)]),
    Uint8Array.from([254, 40, 60, 20, 255, 0, 255, 7]),
  ],
  async read(input) {
    directory ??= mkdtempSync(join(tmpdir(), 'etherloom-fuzz-'))
    const place = join(directory, 'one')
    const policy = policyOf(input)
    const first = await run(policy, input, place, 1n)
    for (const bytes of [first.log, first.capture]) {
      const theirs = readPcapng(bytes).packets.map((packet) => [
        packet.interface,
        packet.comment === '' ? [] : [packet.comment],
      ])
      const ours = [...readPackets(bytes, 'what was written')].map((packet) => [
        packet.interface,
        packet.comments,
      ])
      insists(text(ours) === text(theirs), `two readers of one file: ${text(ours)} and ${text(theirs)}`)
    }
    const fates = readFates(first.log, 'the log', undefined)
    const replay = {
      replay: `${place}.log`,
      ...(policy.filter !== undefined && { filter: policy.filter }),
    }
    const second = await run(replay, input, join(directory, 'again'), 99n)
    insists(
      Buffer.from(fates).equals(readFates(second.log, 'the second log', undefined)),
      `replayed, it is recorded as another log`,
    )
    insists(
      text(second.counts) === text(first.counts),
      `${text(first.counts)}, and again ${text(second.counts)}`,
    )
    insists(second.capture.equals(first.capture), 'replayed, other frames arrive')
  },
  close() {
    if (directory !== undefined) rmSync(directory, { recursive: true })
    return Promise.resolve()
  },
}
