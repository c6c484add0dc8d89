/**
 * A process with a hub: `hub.ts PARTS`, a JSON list of {tap: options}, {packet: options}, {passt: options}, {spawn: words} for
 * a program with a port, {hook: command} of a world, or {capture: true} of a port into a stream; a TAP without a namespace
 * option and a descriptor stands where the process does. Prints one line of JSON, `{ namespace }` (the path of one that
 * it made) or the error `{ code, message }`, and stays; then a line `{ event, message }` for each port that is down or up.
 */
import { PassThrough } from 'node:stream'
import {
  EtherloomError,
  Hub,
  MemoryPort,
  Namespace,
  PacketPort,
  PasstPort,
  TapPort,
  WifiExponentialModel,
  World,
} from '../../../lib/index.js'
import type { HubPart } from '../../helpers/network.js'

const parts = JSON.parse(process.argv[2]!) as HubPart[]
try {
  const hub = new Hub()
  hub.on('port:down', ({ error: { message } }) =>
    console.log(JSON.stringify({ event: 'port:down', message })),
  )
  hub.on('port:up', () => console.log(JSON.stringify({ event: 'port:up' })))
  for (const each of parts)
    if ('tap' in each) await hub.attach(new TapPort(each.tap))
    else if ('packet' in each) await hub.attach(new PacketPort(each.packet))
    else if ('passt' in each) await hub.attach(new PasstPort(each.passt))
    else if ('spawn' in each) await hub.spawn(each.spawn[0]!, each.spawn.slice(1), { stdio: 'ignore' })
    else if ('hook' in each) {
      const fabric = new Hub({ forwarding: 'deny' })
      for (const name of ['a', 'b']) await fabric.attach(new MemoryPort({ name }))
      void new World({ fabric, model: new WifiExponentialModel(), hook: each.hook }).step([['a', 'b', 1]])
    } else {
      const port = await hub.attach(new MemoryPort({ name: 'recorded' }))
      await port.capture(new PassThrough())
    }
  const { path } = await Namespace.create()
  console.log(JSON.stringify({ namespace: path }))
} catch (error) {
  if (!(error instanceof EtherloomError)) throw error
  console.log(JSON.stringify({ code: error.code, message: error.message }))
}
