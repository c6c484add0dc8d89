// One end of a TCP transfer with checksums: `tcp.mjs receive ADDRESS` prints "ready" and takes one connection;
// `tcp.mjs send ADDRESS BYTES` makes it. Each prints {bytes, sha256} at its end. No two blocks are the same, so
// that a block lost, doubled or displaced shows.
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const port = 5001
const blockSize = 1 << 20
const [role, address, length] = process.argv.slice(2)

function* blocks(total) {
  const pattern = randomFillSync(Buffer.alloc(blockSize))
  for (let at = 0; at < total; at += blockSize) {
    const block = Buffer.from(pattern.subarray(0, Math.min(blockSize, total - at)))
    block.writeDoubleBE(at, 0)
    yield block
  }
}

let bytes = 0
const hash = createHash('sha256')
const count = (block) => {
  bytes += block.length
  hash.update(block)
}

if (role === 'send') {
  const counting = new Transform({
    transform(block, _encoding, done) {
      count(block)
      done(null, block)
    },
  })
  const socket = connect(port, address)
  await once(socket, 'connect')
  await pipeline(Readable.from(blocks(Number(length))), counting, socket)
} else {
  const server = createServer({ pauseOnConnect: true }).listen(port, address)
  await once(server, 'listening')
  console.log('ready')
  const [socket] = await once(server, 'connection')
  server.close()
  for await (const block of socket) count(block)
}
console.log(JSON.stringify({ bytes, sha256: hash.digest('hex') }))
