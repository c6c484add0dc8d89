// The process that bench/peers/javascript-hub.ts measures: a hub in plain JavaScript, without etherloom. Ends on SIGTERM.
//
//   node javascript-hub.js PORTS     the TAPs are the descriptors from 3 on
//
// Node cannot wait for a TAP, so a thread of its pool does, for each read. A second read of the same TAP at the same time
// would be a quarter faster, and mix up the order of its frames. Writes end at once and are therefore made in place,
// which is faster than through the pool.

import { read, writeSync } from 'node:fs'

const firstDescriptor = 3
const taps = Array.from({ length: Number(process.argv[2]) }, (_, index) => firstDescriptor + index)

function forwardFrom(tap: number): void {
  const frame = Buffer.alloc(2048)
  const others = taps.filter((other) => other !== tap)
  const next = () => {
    read(tap, frame, 0, frame.length, null, (error, length) => {
      if (error) throw error
      for (const other of others) writeSync(other, frame, 0, length)
      next()
    })
  }
  next()
}

for (const tap of taps) forwardFrom(tap)
console.log('ready')
