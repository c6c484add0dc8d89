/**
 * One process of a trunk: `trunk.ts hub PATH` has the hub that the others meet in; `trunk.ts echo PATH NUMBER` a station
 * with that number, which sends back every frame that is addressed to it. Started by trunk.test.ts.
 */
import { Hub, MemoryPort, SocketPort } from '../../../lib/index.js'
import { parseMac } from '../../../lib/values/addresses.js'
import { station } from '../../helpers/frames.js'

const [role, path = '', number = ''] = process.argv.slice(2)
const hub = new Hub({ engine: { memory: '8MiB' } })
if (role === 'hub') {
  await hub.listen({ socket: path })
  setInterval(() => undefined, 2 ** 30) // a fabric without ports keeps no process alive
  console.log('ready')
} else {
  await hub.attach(new SocketPort({ socket: path }))
  const port = await hub.attach(new MemoryPort({ name: 'station' }))
  const own = parseMac(station(Number(number)))
  console.log('ready')
  for await (const batch of port) {
    for (const bytes of batch) {
      if (Buffer.compare(bytes.subarray(0, 6), own) !== 0) continue
      const answer = Uint8Array.from(bytes)
      answer.set(bytes.subarray(6, 12), 0)
      answer.set(own, 6)
      port.send(answer)
    }
  }
}
