/**
 * What a network is doing, as rows of plain values that print as tables and travel as JSON.
 * Called by the control socket for `show` and by the live view of `up`. Counters are numbers: exact below 2^53.
 */
import { Switch, type LearnedAddress } from '../switch.js'
import type { Network } from './network.js'
import type { TopologyPolicy } from './schema.js'

export interface PortRow {
  fabric: string
  port: string
  kind: 'tap' | 'packet' | 'patch'
  /** Where the port leads: an interface (of a host), or a port of another fabric. */
  leadsTo: string
  state: string
  receivedFrames: number
  receivedBytes: number
  transmittedFrames: number
  transmittedBytes: number
  dropped: number
}

export interface PathRow {
  fabric: string
  from: string
  to: string
  allowed: boolean
  policy: TopologyPolicy
  offered: number
  duplicated: number
  delivered: number
  deliveredBytes: number
  dropped: number
  waiting: number
  inFlight: number
}

export interface AddressRow extends LearnedAddress {
  fabric: string
}

export interface DropRow {
  fabric: string
  /** A port, or a path as `from > to`. */
  at: string
  reason: string
  frames: number
}

export interface HostRow {
  host: string
  /** Its network namespace, while the instance runs. */
  namespace: string
  /** The user namespace that owns it. */
  userNamespace: string
  interfaces: string[]
}

/** What `show` can be asked for, by name. */
export interface Reports {
  ports: PortRow[]
  paths: PathRow[]
  addresses: AddressRow[]
  drops: DropRow[]
  hosts: HostRow[]
}

export const reports: { [What in keyof Reports]: (network: Network) => Reports[What] } = {
  ports: portRows,
  paths: pathRows,
  addresses: addressRows,
  drops: dropRows,
  hosts: hostRows,
}

function portRows(network: Network): PortRow[] {
  return [...network.plan.fabrics].flatMap(([fabric, { ports }]) =>
    [...ports].map(([name, plan]): PortRow => {
      const port = network.fabrics.get(fabric)?.port(name)
      const stats = port?.stats()
      const [before, after] = plan.kind === 'patch' ? [plan.peer.fabric, plan.peer.port] : [hostOf(plan), plan.interface]
      return {
        fabric,
        port: name,
        kind: plan.kind,
        leadsTo: before === '' ? after : `${before}.${after}`,
        state: port?.state ?? 'detached',
        receivedFrames: Number(stats?.received.frames ?? 0n),
        receivedBytes: Number(stats?.received.bytes ?? 0n),
        transmittedFrames: Number(stats?.transmitted.frames ?? 0n),
        transmittedBytes: Number(stats?.transmitted.bytes ?? 0n),
        dropped: sum(stats?.dropped ?? {}),
      }
    }),
  )
}
