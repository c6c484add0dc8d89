/** Fate logs: pcapng, and the words of its comments. */
import { readFates } from '../../../lib/policy/replay/fates.js'
import { insists, refusedOr, type Target } from '../target.js'

const u32 = (...values: number[]): Buffer =>
  Buffer.concat(
    values.map((value) => ((buffer) => (buffer.writeUInt32LE(value >>> 0), buffer))(Buffer.alloc(4))),
  )
const block = (type: number, body: Buffer): Buffer => {
  const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)])
  return Buffer.concat([u32(type, padded.length + 12), padded, u32(padded.length + 12)])
}
const option = (code: number, text: string): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(code, 0)
  head.writeUInt16LE(text.length, 2)
  return Buffer.concat([head, Buffer.from(text), Buffer.alloc(-text.length & 3)])
}
const section = block(0x0a0d0d0a, u32(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff))
const port = (name: string): Buffer => block(1, Buffer.concat([u32(1, 0), option(2, name), u32(0)]))
const packet = (comment: string): Buffer =>
  block(6, Buffer.concat([u32(0, 0, 0, 4, 4), Buffer.from('abcd'), option(1, comment), u32(0)]))
const log = (...comments: string[]): Buffer => Buffer.concat([section, port('a>b'), ...comments.map(packet)])

export const target: Target = {
  words: [
    'n=0',
    'n=4294967295',
    'fate=delivered',
    'fate=dropped',
    'delay=5ns',
    'reason=loss',
    'copies=2',
    'copy=1',
    'segments=65536',
    'corrupted=7',
    ' ',
    '=',
    '\x06\0\0\0',
    '\x01\0\0\0',
    '\x0a\x0d\x0d\x0a',
    '\x4d\x3c\x2b\x1a',
    '\x1a\x2b\x3c\x4d',
  ],
  seeds: [
    log('n=0 fate=delivered delay=5ns', 'n=1 fate=dropped reason=loss'),
    log(
      'n=0 fate=delivered delay=5ns copies=2 copy=1',
      'n=3 fate=delivered delay=1ns segments=4 corrupted=9',
    ),
    Buffer.concat([log('n=7 fate=delivered delay=5ns'), section, port('b>a')]),
  ],
  async read(input) {
    for (const path of [undefined, 'a>b']) {
      const fates = await refusedOr(input.toString(), () => readFates(input, 'the log', path), /OPTION/)
      insists(fates === undefined || fates.length % 8 === 0, 'half a word')
    }
  },
}
