// The process that bench/peers/etherloom.ts measures, built to plain JavaScript: joins devices by a fabric until SIGTERM,
// and then prints the fabric's counters.

import { Hub, MemoryPort, PacketPort, SocketPort, Switch, TapPort, type Port } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface EtherloomConfig {
  /** A hub that denies all paths but those from the first port to the others, or a switch that allows all. */
  fabric: 'hub' | 'switch'
  /**
   * How many paths of the hub have an explicit policy. Where the ports have not as many pairs, memory ports that send
   * nothing join them. The rules that are not needed deny what the first port would send, and allow the rest: without
   * them, its frames would leave by the same ports.
   */
  rules: number
  ports: (
    | { kind: 'tap' | 'packet'; interface: string; namespace: string }
    | { kind: 'socket'; socket: string; role: 'connect' | 'listen' }
  )[]
  /** The folder at which it listens for VDE. */
  vde?: string
}

const config = configuration() as EtherloomConfig
const fabric = config.fabric === 'hub' ? new Hub({ forwarding: 'deny' }) : new Switch()
try {
  const ports: Port[] = []
  for (const [index, given] of config.ports.entries())
    ports.push(await fabric.attach(makePort(`device${index}`, given)))
  if (config.vde !== undefined) await fabric.listen({ protocol: 'vde', directory: config.vde })
  if (fabric instanceof Hub) await allowFirstToOthers(fabric, ports, config.rules)
  await readyUntilStopped()
  const { paths, ...counters } = fabric.stats()
  const busy = paths.filter(({ offered }) => offered > 0n)
  state({ ...counters, paths: busy })
} finally {
  await fabric.close()
}

function makePort(name: string, given: EtherloomConfig['ports'][number]): Port {
  if (given.kind === 'socket') {
    const { kind: _, ...options } = given
    return new SocketPort({ name, ...options })
  }
  const { interface: device, namespace } = given
  return given.kind === 'tap'
    ? new TapPort({ interface: device, name, namespace })
    : new PacketPort({ interface: device, name, namespace })
}

/** In one transaction, and what is needed last. */
async function allowFirstToOthers(hub: Hub, devices: readonly Port[], rules: number): Promise<void> {
  const [first, ...others] = devices
  if (first === undefined) throw new TypeError('no ports')
  const ports = [...devices]
  while (ports.length * (ports.length - 1) < rules) ports.push(await hub.attach(new MemoryPort()))
  const needed = others.map((to) => ({ from: first, to, policy: { allowed: true } }))
  const rest = ports
    .flatMap((from) => ports.map((to) => ({ from, to })))
    .filter(({ from, to }) => from !== to && !(from === first && others.includes(to)))
    .slice(0, Math.max(0, rules - needed.length))
    .map((pair) => ({ ...pair, policy: { allowed: pair.from !== first } }))
  await hub.apply([...rest, ...needed])
}
