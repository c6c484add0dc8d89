/** A fabric that listens for VDE at the given folder, until it is killed. Says when it does, and when a peer has come. */
import { Hub, MemoryPort } from '../../../lib/index.js'

const hub = new Hub()
await hub.attach(new MemoryPort())
const server = await hub.listen({ protocol: 'vde', directory: process.argv[2]! })
server.on('connect', () => {
  console.log('here')
})
console.log('ready')
