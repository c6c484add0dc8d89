/** The port kinds that topology files can have, a line for each. A program adds its own with `portKinds.add`. */
import { Registry } from '../values/registry.js'
import type { PortKind } from './kind.js'
import { memoryKind } from './memory.js'
import { packetKind } from './packet.js'
import { passtKind } from './passt.js'
import { patchKind } from './patch.js'
import { socketKind } from './socket.js'
import { spliceKind } from './splice.js'
import { hostKind, tapKind } from './tap.js'
import { udpKind } from './udp.js'
import { vdeKind } from './vde.js'
import { vxlanKind } from './vxlan.js'
import { webSocketKind } from './websocket.js'

const kinds = [
  hostKind,
  tapKind,
  memoryKind,
  packetKind,
  passtKind,
  patchKind,
  socketKind,
  spliceKind,
  udpKind,
  vdeKind,
  vxlanKind,
  webSocketKind,
] as const

/** Every kind of port that topology files can have, by its key; `add` adds another. */
export const portKinds = new Registry<PortKind>('port kind', kinds)

type OurKind = (typeof kinds)[number]
/** What a topology file says of a port of ours, without what ports of all kinds can have. */
export type PortMapping = Parameters<OurKind['make']>[1]
/** What a topology file says of the interfaces of a world's node. */
export type NicMapping = NicOf<OurKind>
type NicOf<Kind> =
  Kind extends PortKind<infer _Given, infer _Made, infer Nic> ? (object extends Nic ? never : Nic) : never

/** The kind that a port's mapping is of: the one whose key it has. */
export function portKindOf(given: object): PortKind {
  for (const kind of portKinds) if (Object.hasOwn(given, kind.key)) return kind
  return portKinds.get(Object.keys(given)[0] ?? '')
}

/** The word that `show` has for a kind. */
export const nameOfKind = ({ key, name = key }: PortKind): string => name
