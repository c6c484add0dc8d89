/**
 * What a topology comes to once its names are resolved: hosts, fabrics, ports and the policy of each directed pair.
 * Called by check.ts; diff.ts compares plans and network.ts carries them out.
 */
import { isDeepStrictEqual } from 'node:util'
import { readAttachOptions, type AttachOptions } from '../fabrics/attachment.js'
import { compileFilter, type Match } from '../policy/filters/index.js'
import { gatewayFault, gatewayRule, type GatewayOptions, type GatewaySettings } from '../gateway/options.js'
import { suggestion } from '../values/options.js'
import { readPolicy } from '../policy/policy.js'
import type { PasstPortOptions } from '../ports/passt.js'
import { readListenOptions, type ListenOptions } from '../fabrics/socket-server.js'
import { SocketPort } from '../ports/socket.js'
import { UdpPort } from '../ports/udp.js'
import { checkEntry } from '../timeline/entries.js'
import type { Duration, Size } from '../values/units.js'
import type { Place } from './check.js'
import { checkWorld } from './worlds.js'
import type {
  Topology,
  TopologyFabric,
  TopologyPath,
  TopologyPolicy,
  TopologyPort,
  TopologyTimelineEntry,
  TopologyWorld,
} from './schema.js'

/** Settings of the engine; they cannot change while it runs. */
export interface EnginePlan {
  name?: string
  seed?: number
  workers?: number
  memory?: Size
  io?: 'auto' | 'io_uring' | 'epoll'
  busyPoll?: boolean | { spinLast: Duration }
}

export interface TapPlan {
  kind: 'tap'
  /** The host that the interface is in; absent for this machine. */
  host?: string
  interface: string
  addresses: string[]
  mtu?: number
  mac?: string
  owner?: number
  persist?: boolean
  gateway?: GatewayOptions
  napi?: boolean
  queues?: number
  filter?: string | Match
  writeback?: boolean
}

export interface PacketPlan {
  kind: 'packet'
  interface: string
  direction?: 'in' | 'out' | 'both'
  promiscuous?: boolean
  filter?: string | Match
  method?: 'ring' | 'calls'
}

export interface PasstPlan extends Omit<PasstPortOptions, 'name'> {
  kind: 'passt'
}

export interface PatchPlan {
  kind: 'patch'
  peer: PortReference
}

export interface SocketPlan {
  kind: 'socket'
  socket: string
  role?: 'connect' | 'listen'
  framing?: 'stream' | 'datagram' | 'seqpacket'
  local?: string
  mode?: number
  frameLimit?: number
}

export interface UdpPlan {
  kind: 'udp'
  local: string
  remote?: string
  keepAlive?: Duration
  frameLimit?: number
}

/** What the port has in its fabric, whatever its kind; absent for nothing. */
export interface SeatPlan {
  seat?: AttachOptions
}

export type PortPlan = (TapPlan | PacketPlan | PasstPlan | PatchPlan | SocketPlan | UdpPlan) & SeatPlan

export interface PortReference {
  fabric: string
  port: string
}

export interface PathPlan {
  from: string
  to: string
  policy: TopologyPolicy & { allowed: boolean }
}

export interface FabricPlan {
  kind: TopologyFabric['kind']
  options: {
    forwarding?: 'allow' | 'deny'
    ageing?: Duration
    addresses?: number
    forwardReserved?: boolean
  }
  ports: Map<string, PortPlan>
  /** Where peers connect that become ports; they and their paths are in no plan. */
  listen?: ListenOptions
  /** By `pathKey`. */
  paths: Map<string, PathPlan>
  timeline: TopologyTimelineEntry[]
}

export interface Plan {
  engine: EnginePlan
  hosts: Set<string>
  fabrics: Map<string, FabricPlan>
  worlds: Map<string, TopologyWorld>
}

export const emptyPlan = (engine: EnginePlan): Plan => ({
  engine,
  hosts: new Set(),
  fabrics: new Map(),
  worlds: new Map(),
})

/** Identifies a directed pair; '>' is in no name. */
export const pathKey = (from: string, to: string): string => `${from}>${to}`

/** Takes a mistake: where it is, what it is, and whether the key or (by default) the value there is wrong. */
export type Complain = (place: Place, message: string, at?: 'key' | 'value') => void

/** Resolves a topology of valid shape. What leads nowhere or cannot be is handed to `complain`. */
export function planOf(topology: Topology, complain: Complain): Plan {
  const { hosts, fabrics, worlds, ...engine } = topology
  const plan = emptyPlan(engine)
  plan.hosts = new Set(Object.keys(hosts ?? {}))
  const interfaces = nameInterfaces(fabrics, complain)
  for (const [name, fabric] of Object.entries(fabrics)) {
    const ports = new Map<string, PortPlan>()
    for (const [port, given] of Object.entries(fabric.ports)) {
      const place = ['fabrics', name, 'ports', port]
      if ('host' in given && !plan.hosts.has(given.host))
        complain([...place, 'host'], `no host '${given.host}'${suggestion(given.host, [...plan.hosts])}`)
      if ('patch' in given)
        checkPatch(topology, { fabric: name, port }, given.patch, [...place, 'patch'], complain)
      checkQueues(given, topology.workers ?? 1, [...place, 'queues'], complain)
      if ('tap' in given && given.gateway) {
        const fault = gatewayFault(gatewayRule(given.gateway, 'gateway') as GatewaySettings, {
          tap: given.tap,
          addresses: given.addresses ?? [],
        })
        if (fault) complain([...place, 'gateway', ...(fault.key ? [fault.key] : [])], fault.message)
      }
      if ('filter' in given)
        check(() => given.filter && compileFilter(given.filter), [...place, 'filter'], complain)
      const { seat, device } = apart(given)
      if ('socket' in device) check(() => new SocketPort({ name: port, ...device }), place, complain)
      if ('udp' in device) {
        const { udp: local, ...options } = device
        check(() => new UdpPort({ name: port, local, ...options }), place, complain)
      }
      check(() => readAttachOptions(seat), place, complain)
      checkSeat(seat, fabric.kind, place, complain)
      ports.set(port, planPort(given, interfaces.get(given) ?? ''))
    }
    if (fabric.kind === 'wire' && ports.size !== 2)
      complain(
        ['fabrics', name, 'ports'],
        `wire '${name}' must have exactly 2 ports, not ${ports.size}`,
        'key',
      )
    const paths = planPaths(fabric.paths ?? [], ports, ['fabrics', name, 'paths'], complain)
    const timeline = fabric.timeline ?? []
    const { kind, listen } = fabric
    if (listen) checkListen(listen, kind, ['fabrics', name, 'listen'], complain)
    const planned = {
      kind,
      options: fabricOptions(fabric),
      ports,
      ...(listen && { listen }),
      paths,
      timeline,
    }
    checkTimeline(planned, ['fabrics', name, 'timeline'], complain)
    plan.fabrics.set(name, planned)
  }
  giveHostAddresses(hosts ?? {}, plan, complain)
  plan.worlds = new Map(Object.entries(worlds ?? {}))
  for (const [name, world] of plan.worlds) checkWorld(world, plan, ['worlds', name], complain)
  return plan
}

/** Complains of what a constructor or `apply` would refuse later. */
export function check(read: () => unknown, place: Place, complain: Complain): void {
  try {
    read()
  } catch (error) {
    complain(place, (error as Error).message)
  }
}

function fabricOptions(fabric: TopologyFabric): FabricPlan['options'] {
  const { kind: _k, ports: _p, listen: _l, paths: _ps, timeline: _t, ...options } = fabric
  return options
}

function checkListen(
  listen: ListenOptions,
  kind: TopologyFabric['kind'],
  place: Place,
  complain: Complain,
): void {
  if (kind === 'wire')
    complain(place, "'listen' is for a hub or a switch; a wire has two ports, such as 'socket'", 'key')
  check(() => readListenOptions(listen), place, complain)
}

function checkSeat(
  { group, vlan }: AttachOptions,
  kind: TopologyFabric['kind'],
  place: Place,
  complain: Complain,
): void {
  if (vlan !== undefined && kind !== 'switch')
    complain([...place, 'vlan'], `'vlan' is for ports of a switch, and this is a ${kind}`, 'key')
  if (group !== undefined && kind === 'wire')
    complain([...place, 'group'], "'group' is for ports of a hub or a switch, and this is a wire", 'key')
}

/** The mapping of a port in two: the options of `attach`, and the rest. */
function apart({ delay, receive, group, vlan, ...device }: TopologyPort) {
  const seat: AttachOptions = {
    ...(delay !== undefined && { delay }),
    ...(receive !== undefined && { receive }),
    ...(group !== undefined && { group }),
    ...(vlan !== undefined && { vlan }),
  }
  return { seat, device }
}

function planPort(port: TopologyPort, interfaceName: string): PortPlan {
  const { seat, device: given } = apart(port)
  return { ...planKind(given, interfaceName), ...(Object.keys(seat).length > 0 && { seat }) }
}

function planKind(given: TopologyPort, interfaceName: string): PortPlan {
  if ('patch' in given) {
    const [fabric = '', port = ''] = given.patch.split('.')
    return { kind: 'patch', peer: { fabric, port } }
  }
  if ('packet' in given) {
    const { packet, ...options } = given
    return { kind: 'packet', interface: packet, ...options }
  }
  if ('socket' in given) return { kind: 'socket', ...given }
  if ('udp' in given) {
    const { udp, ...options } = given
    return { kind: 'udp', local: udp, ...options }
  }
  if ('passt' in given) return { kind: 'passt', ...given.passt }
  if ('tap' in given) {
    const { tap, addresses = [], ...options } = given
    return { kind: 'tap', interface: tap, addresses, ...options }
  }
  return { kind: 'tap', ...given, interface: interfaceName, addresses: given.addresses ?? [] }
}

/**
 * The interface of every host and TAP port. Names that are stated come first, so that the numbered ones of a host
 * (eth0, eth1, ...) step around them; a name stated twice in one place is a mistake.
 */
function nameInterfaces(fabrics: Topology['fabrics'], complain: Complain): Map<TopologyPort, string> {
  const names = new Map<TopologyPort, string>()
  const taken = new Set<string>()
  const identity = (port: TopologyPort, name: string): string => `${'host' in port ? port.host : ''}/${name}`
  const ports = Object.entries(fabrics).flatMap(([fabric, { ports }]) =>
    Object.entries(ports).map(([name, port]) => ({ port, place: ['fabrics', fabric, 'ports', name] })),
  )
  for (const { port, place } of ports) {
    const [key, name] =
      'tap' in port
        ? ['tap', port.tap]
        : 'host' in port
          ? ['interface', port.interface]
          : ['packet', undefined]
    if (name === undefined) continue
    if (taken.has(identity(port, name)))
      complain([...place, key], `interface '${name}' is already another port's`)
    taken.add(identity(port, name))
    names.set(port, name)
  }
  for (const { port } of ports) {
    if (!('host' in port) || names.has(port)) continue
    let number = 0
    while (taken.has(identity(port, `eth${number}`))) number++
    taken.add(identity(port, `eth${number}`))
    names.set(port, `eth${number}`)
  }
  return names
}

function checkQueues(given: TopologyPort, workers: number, place: Place, complain: Complain): void {
  const queues = 'queues' in given ? given.queues : undefined
  if (queues !== undefined && queues > workers)
    complain(place, `'queues' must be at most the number of workers, which is ${workers}, not ${queues}`)
}

function checkPatch(
  { fabrics }: Topology,
  self: PortReference,
  target: string,
  place: Place,
  complain: Complain,
): void {
  const [fabric = '', port = ''] = target.split('.')
  const ports = fabrics[fabric]?.ports
  const end = ports?.[port]
  const back = `${self.fabric}.${self.port}`
  if (ports === undefined) complain(place, `no fabric '${fabric}'${suggestion(fabric, Object.keys(fabrics))}`)
  else if (end === undefined)
    complain(place, `fabric '${fabric}' has no port '${port}'${suggestion(port, Object.keys(ports))}`)
  else if (fabric === self.fabric) complain(place, 'a patch must join two different fabrics')
  else if (!('patch' in end) || end.patch !== back)
    complain(place, `port '${port}' of fabric '${fabric}' must say 'patch: ${back}' in return`)
}

/** Whether two ports are in one split-horizon group. */
function inOneGroup(ports: ReadonlyMap<string, PortPlan>, one: string, other: string): boolean {
  const group = ports.get(one)?.seat?.group
  return group !== undefined && group === ports.get(other)?.seat?.group
}

/**
 * Expands path entries to directed pairs; a later entry replaces what an earlier one said of a pair. '*' does not mean
 * pairs within a group: who means them names them.
 */
function planPaths(
  entries: TopologyPath[],
  ports: ReadonlyMap<string, PortPlan>,
  place: Place,
  complain: Complain,
): Map<string, PathPlan> {
  const paths = new Map<string, PathPlan>()
  entries.forEach((entry, index) => {
    const { from, to, policy } = readEntry(entry, portResolver(ports, [...place, index], complain))
    const byName = 'between' in entry || (entry.from !== '*' && entry.to !== '*')
    const pairs = from.flatMap((start) =>
      to
        .filter((end) => end !== start && (byName || !inOneGroup(ports, start, end)))
        .map((end) => [start, end] as const),
    )
    check(() => readPolicy(policy), [...place, index], complain)
    if (pairs.length === 0) complain([...place, index], 'a path needs two different ports')
    for (const [start, end] of pairs) paths.set(pathKey(start, end), { from: start, to: end, policy })
  })
  return paths
}

type PortResolver = (key: string, names: string | readonly string[]) => readonly string[]

/** Gives the ports that stand at a key of an entry, and complains of each name that is none. */
function portResolver(ports: ReadonlyMap<string, PortPlan>, place: Place, complain: Complain): PortResolver {
  return (key, names) => {
    if (names === '*') return [...ports.keys()]
    const list = typeof names === 'string' ? [names] : names
    list.forEach((name, index) => {
      if (!ports.has(name))
        complain(
          [...place, key, ...(list === names ? [index] : [])],
          `no port '${name}' in this fabric${suggestion(name, [...ports.keys()])}`,
        )
    })
    return list
  }
}

function readEntry(
  entry: TopologyPath,
  resolve: PortResolver,
): { from: readonly string[]; to: readonly string[]; policy: PathPlan['policy'] } {
  if ('between' in entry) {
    const { between, ...policy } = entry
    const ends = resolve('between', between)
    return { from: ends, to: ends, policy: { allowed: true, ...policy } }
  }
  const { from, to, ...policy } = entry
  return { from: resolve('from', from), to: resolve('to', to), policy: { allowed: true, ...policy } }
}

/**
 * Complains of what a timeline would refuse, and of entries whose options do not go with the policies that they lie over
 * at the beginning.
 */
function checkTimeline(
  { options, ports, paths, timeline }: FabricPlan,
  place: Place,
  complain: Complain,
): void {
  const [between, withinGroup] = [{ allowed: options.forwarding !== 'deny' }, { allowed: false }]
  const byDefault = (start: string, end: string): PathPlan['policy'] =>
    inOneGroup(ports, start, end) ? withinGroup : between
  timeline.forEach((entry, index) => {
    const here = [...place, index]
    const resolve = portResolver(ports, here, complain)
    if ('port' in entry) {
      for (const port of resolve('port', entry.port))
        if (ports.get(port)?.kind === 'packet')
          complain(
            [...here, 'port'],
            `'${port}' is a packet socket, which has no say in its interface's carrier`,
          )
      check(() => checkEntry(entry), here, complain)
      return
    }
    const from = 'between' in entry ? resolve('between', entry.between) : resolve('from', entry.from)
    const to = 'between' in entry ? from : resolve('to', entry.to)
    const bases = from.flatMap((start) =>
      to.flatMap((end) =>
        start === end ? [] : [paths.get(pathKey(start, end))?.policy ?? byDefault(start, end)],
      ),
    )
    if (bases.length === 0) complain(here, 'a path needs two different ports')
    check(
      () => {
        const { samples } = checkEntry(entry)
        for (const base of new Set(bases)) for (const sample of samples) readPolicy({ ...base, ...sample })
      },
      here,
      complain,
    )
  })
}

/** Moves the addresses that stand at a host to its only port. */
function giveHostAddresses(hosts: NonNullable<Topology['hosts']>, plan: Plan, complain: Complain): void {
  for (const [host, given] of Object.entries(hosts)) {
    if (given?.addresses === undefined) continue
    const place = ['hosts', host, 'addresses']
    const ports = [...plan.fabrics.values()]
      .flatMap((fabric) => [...fabric.ports.values()])
      .filter((port) => port.kind === 'tap')
      .filter((port) => port.host === host)
    const [port] = ports
    if (port === undefined || ports.length > 1)
      complain(
        place,
        `host '${host}' has ${ports.length} ports, so its addresses must stand at the ports`,
        'key',
      )
    else if (port.addresses.length > 0)
      complain(place, `host '${host}' has addresses here and at its port; state them in one place`, 'key')
    else port.addresses = given.addresses
  }
}

/** The topology that a plan came from, in its shortest form; `planOf` of it is the plan again. */
export function topologyOf(plan: Plan): Topology {
  const fabrics = Object.fromEntries([...plan.fabrics].map(([name, fabric]) => [name, fabricOf(fabric)]))
  return {
    ...plan.engine,
    ...(plan.hosts.size > 0 && { hosts: Object.fromEntries([...plan.hosts].map((host) => [host, {}])) }),
    fabrics,
    ...(plan.worlds.size > 0 && { worlds: Object.fromEntries(plan.worlds) }),
  }
}

function fabricOf({ kind, options, ports, listen, paths, timeline }: FabricPlan): TopologyFabric {
  return {
    kind,
    ...options,
    ports: Object.fromEntries([...ports].map(([name, port]) => [name, portOf(port)])),
    ...(listen && { listen }),
    ...(paths.size > 0 && { paths: pathEntries(paths) }),
    ...(timeline.length > 0 && { timeline }),
  }
}

function portOf({ seat, ...plan }: PortPlan): TopologyPort {
  return { ...kindOf(plan), ...seat }
}

function kindOf(plan: PortPlan): TopologyPort {
  switch (plan.kind) {
    case 'patch':
      return { patch: `${plan.peer.fabric}.${plan.peer.port}` }
    case 'packet': {
      const { kind: _, interface: packet, ...options } = plan
      return { packet, ...options }
    }
    case 'socket': {
      const { kind: _, ...options } = plan
      return options
    }
    case 'udp': {
      const { kind: _, local: udp, ...options } = plan
      return { udp, ...options }
    }
    case 'passt': {
      const { kind: _, ...options } = plan
      return { passt: options }
    }
    case 'tap': {
      const { kind: _, host, interface: name, addresses, ...options } = plan
      const rest = { ...(addresses.length > 0 && { addresses }), ...options }
      return host === undefined ? { tap: name, ...rest } : { host, interface: name, ...rest }
    }
  }
}

/** One entry per path, or per pair where both directions have the same policy. */
function pathEntries(paths: ReadonlyMap<string, PathPlan>): TopologyPath[] {
  return [...paths].flatMap(([key, { from, to, policy }]): TopologyPath[] => {
    const back = pathKey(to, from)
    const same = isDeepStrictEqual(policy, paths.get(back)?.policy)
    if (same && back < key) return []
    const { allowed, ...rest } = policy
    const written = { ...(!allowed && { allowed }), ...rest }
    return [same ? { between: [from, to], ...written } : { from, to, ...written }]
  })
}
