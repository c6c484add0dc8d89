/** The ports of a topology: their interfaces named, and what is wrong with them. Called by resolve.ts. */
import { isForeign } from '../containers/foreign.js'
import { readAttachOptions } from '../fabrics/attachment.js'
import { fabricKinds, fabricsThat } from '../fabrics/index.js'
import { portKindOf } from '../ports/index.js'
import type { OwnInterface, PortReference, Surroundings } from '../ports/kind.js'
import { suggestion } from '../values/options.js'
import { attempt, type Complain, type Place } from '../values/problem.js'
import { quote } from '../values/quote.js'
import { interfaceKeys, type HostInterface } from './host-rules.js'
import { apart, type PortPlan } from './plan.js'
import type { Topology, TopologyPort } from './schema.js'

/** Where hosts do not exist yet, and other ends are not made. */
const nowhere: Surroundings = { namespaceOf: () => undefined }

/** Whether a port's interface has left the place where the topology names it, so that another port may have the name. */
export type Away = (end: PortReference) => boolean

/** The ports of each fabric by their names, in the order of the file; fabrics of the names `unread` are there as well. */
export function planPorts(
  topology: Topology,
  unread: ReadonlySet<string>,
  isAway: Away,
  complain: Complain,
): Map<string, Map<string, PortPlan>> {
  const ports = Object.entries(topology.fabrics).flatMap(([fabric, { kind, ports }]) =>
    Object.entries(ports).map(([port, given]) => ({
      fabric,
      port,
      kind,
      given,
      place: ['fabrics', fabric, 'ports', port],
    })),
  )
  const { hosts: stated = {} } = topology
  const names = nameInterfaces(ports, isAway, (host) => isForeign(stated[host] ?? {}), complain)
  const hosts = Object.keys(stated)
  const planned = new Map(
    Object.keys(topology.fabrics).map((fabric) => [fabric, new Map<string, PortPlan>()]),
  )
  for (const { fabric, port, kind, given, place } of ports) {
    const host = ownInterfaceOf(given)?.host
    if (host !== undefined && !hosts.includes(host))
      complain([...place, portKindOf(given).key], `no host ${quote(host)}${suggestion(host, hosts)}`)
    const plan = { ...given, ...names.get(given) }
    checkPort(port, plan, topology, place, complain)
    checkPeer(topology, unread, { fabric, port }, given, place, complain)
    checkSeat(plan, kind, place, complain)
    planned.get(fabric)?.set(port, plan)
  }
  if (unread.size === 0) giveHostInterfaces(topology.hosts ?? {}, planned, complain)
  return planned
}

export const ownInterfaceOf = (port: object): OwnInterface | undefined =>
  portKindOf(port).ownInterface?.(port)

/** The other end of a port that comes in a pair. */
export const peerOf = (port: object): PortReference | undefined => portKindOf(port).peer?.(port)

/** What its kind finds at places in the mapping, or else what the constructor would refuse. */
function checkPort(
  name: string,
  plan: PortPlan,
  { workers = 1 }: Topology,
  place: Place,
  complain: Complain,
): void {
  const kind = portKindOf(plan)
  const { given } = apart(plan)
  const found: Place[] = []
  const take: Complain = (inside, ...problem) => {
    found.push(inside)
    complain([...place, ...inside], ...problem)
  }
  kind.check?.(given, take, { workers })
  if (found.length === 0) attempt(() => kind.make(name, given, nowhere), place, complain)
}

function checkSeat(plan: PortPlan, kind: string, place: Place, complain: Complain): void {
  const { seat } = apart(plan)
  attempt(() => readAttachOptions(seat), place, complain)
  const given = { group: seat.group, vlan: seat.vlan, 'storm.unknown': seat.storm?.unknown }
  for (const [option, value] of Object.entries(given)) {
    const takes = ({ attach }: { attach: readonly string[] }): boolean => attach.includes(option)
    if (value !== undefined && !takes(fabricKinds.get(kind)))
      complain(
        [...place, ...option.split('.')],
        `'${option}' is for ports of ${fabricsThat(takes)}, and this is a ${kind}`,
        'key',
      )
  }
}

/** The other end must be there, on another fabric, and name this one in return. */
function checkPeer(
  { fabrics }: Topology,
  unread: ReadonlySet<string>,
  self: PortReference,
  given: TopologyPort,
  place: Place,
  complain: Complain,
): void {
  const kind = portKindOf(given)
  const peer = peerOf(given)
  if (!peer || unread.has(peer.fabric)) return
  const at = [...place, kind.key]
  const { fabric, port } = peer
  const ports = fabrics[fabric]?.ports
  const end = ports?.[port]
  const back = end && peerOf(end)
  if (ports === undefined)
    complain(at, `no fabric ${quote(fabric)}${suggestion(fabric, [...Object.keys(fabrics), ...unread])}`)
  else if (end === undefined)
    complain(at, `fabric ${quote(fabric)} has no port ${quote(port)}${suggestion(port, Object.keys(ports))}`)
  else if (fabric === self.fabric) complain(at, `a ${kind.key} must join two different fabrics`)
  else if (portKindOf(end) !== kind || back?.fabric !== self.fabric || back.port !== self.port)
    complain(
      at,
      `port '${port}' of fabric '${fabric}' must say '${kind.key}: ${self.fabric}.${self.port}' in return`,
    )
}

/**
 * The interfaces that ports have to themselves, by name. Names that are stated come first, so that the numbered ones of a
 * host (eth0, eth1, ...) step around them; a name stated twice in one place is a mistake, but for interfaces that are away. In a
 * place that is not the topology's own, such as a container, eth0 is mostly taken: there they are loom0, loom1, ...
 */
function nameInterfaces(
  ports: readonly (PortReference & { given: TopologyPort; place: Place })[],
  isAway: Away,
  isForeignHost: (host: string) => boolean,
  complain: Complain,
): Map<TopologyPort, object> {
  const names = new Map<TopologyPort, object>()
  const taken = new Set<string>()
  const own = ports.flatMap(({ given, place, fabric, port }) => {
    const found = ownInterfaceOf(given)
    const identity = (name: string): string => `${found?.host ?? ''}/${name}`
    return found ? [{ given, place, ...found, end: { fabric, port }, identity }] : []
  })
  for (const { name, key, identity, place, end } of own) {
    if (name === undefined || isAway(end)) continue
    if (taken.has(identity(name)))
      complain([...place, key], `interface ${quote(name)} is already another port's`)
    taken.add(identity(name))
  }
  for (const { name, key, identity, given, host } of own) {
    if (name !== undefined) continue
    const base = host !== undefined && isForeignHost(host) ? 'loom' : 'eth'
    let number = 0
    while (taken.has(identity(`${base}${number}`))) number++
    taken.add(identity(`${base}${number}`))
    names.set(given, { [key]: `${base}${number}` })
  }
  return names
}

/** Moves what stands at a host of its interface to its only port. */
function giveHostInterfaces(
  hosts: NonNullable<Topology['hosts']>,
  fabrics: Map<string, Map<string, PortPlan>>,
  complain: Complain,
): void {
  for (const [host, given] of Object.entries(hosts))
    for (const key of interfaceKeys) {
      if (given?.[key] === undefined) continue
      const place = ['hosts', host, key]
      const found = [...fabrics.values()].flatMap((ports) =>
        [...ports].flatMap(([name, port]) =>
          ownInterfaceOf(port)?.host === host && Object.hasOwn(portKindOf(port).options, key)
            ? [{ ports, name, port }]
            : [],
        ),
      )
      const [only] = found
      if (only === undefined || found.length > 1)
        complain(
          place,
          `host ${quote(host)} has ${found.length} ports, so its ${key} must stand at the ports`,
          'key',
        )
      else if (isGiven(only.port, key))
        complain(
          place,
          `host ${quote(host)} has ${wordsOf[key]} here and at its port; state them in one place`,
          'key',
        )
      else only.ports.set(only.name, { ...only.port, [key]: given[key] })
    }
}

const wordsOf = { addresses: 'addresses', mtu: 'an MTU', mac: 'a MAC address' }

function isGiven(port: PortPlan, key: keyof HostInterface): boolean {
  const value = (port as HostInterface)[key]
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}
