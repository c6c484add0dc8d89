// The process that bench/cases/memory-port.ts measures, built to plain JavaScript: frames that JavaScript sends into one
// MemoryPort and reads from another, at a pace. Every frame is written to and looked at, as an emulator would.
//
// Prints at the end `delivered`, frames per second that were read; `lost`, those that were sent and did not arrive, for
// whatever reason; and `busy`, the processor time of all threads, in per cent of one core.

import { MemoryPort, Wire } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface MemoryPortConfig {
  framesPerSecond: number
  length: number
}

const batchSize = 64
/** Batches before the event loop gets its turn, in which frames are handed out. */
const batchesPerTurn = 16
/** How long frames that were sent last may take. */
const drainMs = 2000

const { framesPerSecond, length } = configuration() as MemoryPortConfig
const wire = new Wire()
try {
  const from = await wire.attach(new MemoryPort({ name: 'from' }))
  const to = await wire.attach(new MemoryPort({ name: 'to', queueLimit: 65536 }))
  const batch = Array.from({ length: batchSize }, () =>
    Uint8Array.of(2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5),
  ).map((header) => Buffer.concat([header], length))

  let offered = 0
  let received = 0
  let inOrder = 0
  let running = true
  const start = performance.now()
  const processorStart = process.cpuUsage()

  const send = () => {
    if (!running) return
    const due = ((performance.now() - start) / 1000) * framesPerSecond - offered
    const batches = Math.min(batchesPerTurn, Math.floor(due / batchSize))
    for (let count = 0; count < batches; count++) {
      for (const frame of batch) frame.writeUInt32BE(offered++, 14)
      from.send(batch)
    }
    setImmediate(send)
  }
  const read = async () => {
    let last = -1
    for await (const frames of to) {
      for (const frame of frames) {
        const number =
          ((frame[14] as number) * 256 + (frame[15] as number)) * 65536 +
          (frame[16] as number) * 256 +
          (frame[17] as number)
        if (number > last) inOrder++
        last = number
      }
      received += frames.length
    }
  }
  void read()
  send()
  await readyUntilStopped()

  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(processorStart)
  const delivered = received / seconds
  running = false
  const deadline = performance.now() + drainMs
  while (received < offered && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10))
  if (inOrder !== received) throw new Error(`${received - inOrder} frames were out of order`)
  state({ delivered, lost: offered - received, busy: (user + system) / 1e4 / seconds })
} finally {
  await wire.close()
}
