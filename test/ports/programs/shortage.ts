/**
 * Attaches ports of one kind until descriptors are used up, and says as JSON what it met then: `shortage.ts KIND`. Started
 * by shortage.test.ts with few descriptors, and where it may make a network namespace.
 */
import { fstatSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  EtherloomError,
  Hub,
  MemoryPort,
  Namespace,
  PacketPort,
  SocketPort,
  TapPort,
  UdpPort,
  Wire,
  type Port,
} from '../../../lib/index.js'
import { sockets } from '../../../lib/ports/sockets.js'
import { receive } from '../../helpers/fabric.js'
import { frame } from '../../helpers/frames.js'

const [kind = ''] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'etherloom-shortage-'))
const namespace = await Namespace.create()
const path = join(folder, 'peers.sock')
const listener = sockets.bindSocket({ path, framing: 'stream', mode: 0o600 }) // nobody is let in

const made: Record<string, (number: number) => Port> = {
  tap: (number) => new TapPort({ name: `tap${number}`, namespace }),
  packet: () => new PacketPort({ interface: 'lo', name: 'packet%d', namespace }),
  connect: () => new SocketPort({ socket: path }),
  listen: (number) => new SocketPort({ socket: join(folder, `${number}.sock`), role: 'listen' }),
  datagram: (number) =>
    new SocketPort({ socket: join(folder, `${number}.dgram`), role: 'listen', framing: 'datagram' }),
  udp: (number) => new UdpPort({ local: `127.0.0.1:${20_000 + number}`, remote: '127.0.0.1:9' }),
}
const make = made[kind]
if (!make) throw new Error(`no kind ${kind}`)

/** How many are open; none is needed for that. */
const descriptors = (): number =>
  Array.from({ length: 100 }, (_, fd) => fd).filter((fd) => {
    try {
      fstatSync(fd)
      return true
    } catch {
      return false
    }
  }).length
const hub = new Hub()
const wire = new Wire({ engine: hub.engine })
const [a, b] = [await wire.attach(new MemoryPort()), await wire.attach(new MemoryPort())]
const passes = async (tag: number): Promise<boolean> => {
  a.send(frame({ tag }))
  return (await receive(b, 1))[0]?.tag === tag
}
try {
  const attached: Port[] = []
  let error: unknown
  let before = 0
  for (let number = 0; error === undefined; number++) {
    before = descriptors()
    await hub.attach(make(number)).then(
      (port) => attached.push(port),
      (reason: unknown) => (error = reason),
    )
  }
  const leaked = descriptors() - before
  const others = await passes(1)
  // One goes, and another has its place.
  await hub.detach(attached.pop() as Port)
  const again = await hub.attach(make(1000)).then(
    () => true,
    () => false,
  )
  if (!(error instanceof EtherloomError))
    throw new Error('what it threw is no error of ours', { cause: error })
  const { code, message } = error
  console.log(JSON.stringify({ attached: attached.length, code, message, leaked, others, again }))
} finally {
  await hub.close()
  namespace.close()
  sockets.closeSocket(listener)
  rmSync(folder, { recursive: true })
}
process.exit()
