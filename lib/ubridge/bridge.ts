/**
 * A bridge of ubridge, as its client has made it so far, and the fabric that it comes to: a hub, since a wire has two ports from the
 * beginning. Called by Hypervisor; nothing here changes anything.
 */
import type { TopologyFabric, TopologyPort } from '../topology/schema.js'
import { policyOf, type PacketFilter } from './filters.js'

/** The ports of a bridge, in the order in which its NIOs came, by ubridge's words for them. */
export const sides = ['source', 'destination'] as const

export type Side = (typeof sides)[number]

/** One end of a bridge. */
export interface Nio {
  kind: 'udp' | 'unix' | 'tap' | 'linux_raw' | 'ethernet'
  /** What it is removed by: the local port, path or interface. */
  key: string
  port: TopologyPort
}

export interface Bridge {
  /** The name of its fabric: the bridge's first, as far as that is one of a fabric. */
  fabric: string
  nios: Partial<Record<Side, Nio>>
  started: boolean
  filters: readonly PacketFilter[]
}

export const niosOf = ({ nios }: Bridge): [Side, Nio][] =>
  sides.flatMap((side): [Side, Nio][] => {
    const nio = nios[side]
    return nio ? [[side, nio]] : []
  })

/** Whether frames have from where and where to. */
export const isWhole = (bridge: Bridge): boolean => niosOf(bridge).length === sides.length

/** Nothing passes before it is started. Both paths have a policy of their own always, so that they are counted and can be recorded. */
export function fabricOf(bridge: Bridge): TopologyFabric {
  const ports = Object.fromEntries(niosOf(bridge).map(([side, { port }]) => [side, port]))
  const policy = bridge.started ? policyOf(bridge.filters) : { allowed: false }
  return {
    kind: 'hub',
    forwarding: 'deny',
    ports,
    ...(isWhole(bridge) && { paths: [{ between: [...sides], ...policy }] }),
  }
}

/** A name for the fabric of a bridge: what of the bridge's name a fabric can have, and a number where that is taken. */
export function fabricNameFor(bridge: string, taken: (name: string) => boolean): string {
  const base = bridge.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 56)
  let name = base
  for (let number = 2; taken(name); number++) name = `${base}-${number}`
  return name
}
