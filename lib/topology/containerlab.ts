/**
 * A topology as a file of containerlab. Called by `etherloom export`; on the JavaScript thread.
 *
 * Theory of operation. Hosts are nodes of kind linux and wires are links; every other fabric is a bridge, with a link for
 * each port, and a patch is a link of two bridges. Where a wire ends in a patch, as imports make them for links with
 * impairments, its link goes on to the fabric behind. Routes of hosts are commands, and settings of their kernel sysctls, or
 * commands where an interface has to be there first. What containerlab's file cannot say stands in comments at its head,
 * with the command that does it where there is one: `containerlab tools netem` impairs what an interface sends.
 */
import type { Route } from '../engine/namespace.js'
import { isOfInterface, pathOf } from '../engine/sysctls.js'
import { parseDuration, parseRate } from '../values/units.js'
import { interfaceKeys, type TopologyHost } from './host-rules.js'
import { settingsOf, sysctlsOf } from './hosts.js'
import type { Topology } from './schema.js'
import { writeYaml } from './yaml.js'

/** A file, and what it does not say, in sentences. */
export interface Exported {
  text: string
  notes: string[]
}

/** What stands for a host: a small image with ip(8). */
const image = 'alpine:3'
/** What containerlab takes for no node at the end of a link. */
const reserved = ['host', 'macvlan', 'mgmt-net', 'vxlan', 'vxlan-stitch', 'dummy']
/** Characters of the longest name of an interface. */
const longest = 15

type Mapping = Readonly<Record<string, unknown>>
interface Fabric {
  kind: string
  ports: Record<string, Mapping>
  paths?: Mapping[]
}

interface Node {
  kind: string
  image?: string
  'network-mode'?: string
  sysctls?: Record<string, string | number>
  exec?: string[]
}

/** An end of a link, and the host that it is an interface of. */
interface End {
  node: string
  interface: string
  host?: string
  mac?: unknown
  mtu?: unknown
}

/** Writes a topology as containerlab has it. `name` is the lab's, where the topology has none. */
export async function writeContainerlab(topology: Topology, name: string): Promise<Exported> {
  const writer = new Writer(topology, topology.name ?? name)
  const notes = writer.notes
  const file = await writeYaml(writer.write())
  const head = notes.map((note) => `# ${note.replace(/\s+/g, ' ')}\n`).join('')
  return { text: head + file, notes }
}

class Writer {
  readonly notes: string[] = []
  readonly #topology: Topology
  readonly #lab: string
  readonly #fabrics: ReadonlyMap<string, Fabric>
  readonly #nodes = new Map<string, Node>()
  /** The name of each host's node. */
  readonly #hosts = new Map<string, string>()
  /** The bridge of each fabric that is none of wires. */
  readonly #bridges = new Map<string, string>()
  /** The end of each port of a host, by fabric and port. */
  readonly #ends = new Map<string, End>()
  #bridgePorts = 0

  constructor(topology: Topology, lab: string) {
    this.#topology = topology
    this.#lab = lab
    this.#fabrics = new Map(Object.entries(topology.fabrics) as unknown as [string, Fabric][])
  }

  write(): object {
    const { hosts = {}, worlds = {} } = this.#topology
    // Without the management network, eth0 is a name like others.
    const names = new Set(Object.keys(hosts))
    for (const host of names) {
      const name = reserved.includes(host) ? freeName(host, Infinity, names) : host
      if (name !== host)
        this.notes.push(`the host ${host} is called ${name}; links of containerlab take ${host} for no node`)
      this.#hosts.set(host, name)
      this.#nodes.set(name, { kind: 'linux', image, 'network-mode': 'none' })
    }
    for (const [fabric, { kind }] of this.#fabrics) if (kind !== 'wire') this.#addBridge(fabric, kind)
    this.#nameInterfaces()
    for (const [host, given] of Object.entries(hosts)) this.#configure(host, given ?? {})
    const links = [...this.#fabrics].flatMap(([fabric, given]) =>
      given.kind === 'wire' ? this.#wire(fabric, given) : this.#bridge(fabric, given),
    )
    for (const [fabric, given] of this.#fabrics) this.#noteOthers(fabric, given)
    for (const world of Object.keys(worlds))
      this.notes.push(`left out: the world ${world}; nothing moves, and all its nodes hear each other`)
    return {
      name: this.#lab,
      topology: { nodes: Object.fromEntries(this.#nodes), ...(links.length > 0 && { links }) },
    }
  }

  #addBridge(fabric: string, kind: string): void {
    const name = freeName(fabric, longest, this.#nodes)
    this.#bridges.set(fabric, name)
    this.#nodes.set(name, { kind: 'bridge' })
    this.notes.push(
      `the bridge ${name} must be there first: ip link add ${name} type bridge && ip link set ${name} up`,
    )
    if (kind === 'hub')
      this.notes.push(`${name} was a hub; a bridge sends frames only where it saw their address`)
  }

  /** Finds the interface of each port of a host: the file's name, or the next of eth0, eth1, ... that is free. */
  #nameInterfaces(): void {
    const taken = new Map<string, Set<string>>()
    const ports = [...this.#fabrics].flatMap(([fabric, given]) =>
      Object.entries(given.ports).flatMap(([name, port]) =>
        typeof port.host === 'string' ? [{ key: `${fabric}.${name}`, port, host: port.host }] : [],
      ),
    )
    for (const { host, port } of ports) {
      const names = taken.get(host) ?? new Set()
      taken.set(host, names)
      if (typeof port.interface === 'string') names.add(port.interface)
    }
    for (const { key, host, port } of ports) {
      const names = taken.get(host) as Set<string>
      let name = port.interface
      for (let number = 0; typeof name !== 'string'; number++)
        if (!names.has(`eth${number}`)) names.add((name = `eth${number}`))
      // Those of a host are there for its only port.
      const { addresses: ofHost = [], mac, mtu } = this.#topology.hosts?.[host] ?? {}
      this.#ends.set(key, {
        node: this.#hosts.get(host) ?? host,
        interface: name,
        host,
        mac: port.mac ?? mac,
        mtu: port.mtu ?? mtu,
      })
      const addresses = [...ofHost, ...((port.addresses as string[] | undefined) ?? [])]
      const node = this.#nodes.get(this.#hosts.get(host) ?? host)
      if (node && addresses.length > 0)
        node.exec = [...(node.exec ?? []), ...addresses.map((each) => `ip address add ${each} dev ${name}`)]
    }
  }

  /** What a host has besides interfaces: settings come before addresses, as some are of how these are taken, and routes after. */
  #configure(host: string, given: TopologyHost): void {
    const { routes = [], forwarding: _forwarding, ipv6: _ipv6, sysctls: _sysctls, ...others } = given
    const ends = [...this.#ends.values()].filter((end) => end.host === host)
    const interfaces = ends.map((end) => end.interface)
    const node = this.#nodes.get(this.#hosts.get(host) ?? host)
    const first: string[] = []
    for (const { name, value } of sysctlsOf(
      settingsOf(host, given, () => undefined),
      interfaces,
    )) {
      const path = pathOf(name)
      const called = path.includes('.') ? path : path.replaceAll('/', '.')
      if (isOfInterface(name) || called === path) first.push(`sysctl -w ${wordOf(`${called}=${value}`)}`)
      else if (node) node.sysctls = { ...node.sysctls, [called]: value }
    }
    const commands = [...first, ...(node?.exec ?? []), ...routes.map(routeCommand)]
    if (node && commands.length > 0) node.exec = commands
    for (const key of Object.keys(others))
      if (!interfaceKeys.includes(key as never) || ends.length === 0)
        this.notes.push(`left out: ${key} of the host ${host}`)
  }

  #wire(fabric: string, { ports }: Fabric): object[] {
    const [one, other] = Object.keys(ports).map((name) => this.#end(fabric, name))
    return one && other ? this.#link(one, other, fabric) : []
  }

  #bridge(fabric: string, { ports }: Fabric): object[] {
    return Object.entries(ports).flatMap(([name, { patch }]) => {
      const [behind = ''] = typeof patch === 'string' ? patch.split('.') : []
      // A patch is made by the wire behind it, or by the first of two fabrics.
      if (patch !== undefined && (!this.#bridges.has(behind) || behind < fabric)) return []
      const end = this.#end(fabric, name)
      return end ? this.#link(end, this.#bridgePort(fabric), fabric) : []
    })
  }

  /** What a port leads to, as an end of a link; undefined, with a note, for what containerlab has no link to. */
  #end(fabric: string, name: string): End | undefined {
    const port = this.#fabrics.get(fabric)?.ports[name] ?? {}
    const host = this.#ends.get(`${fabric}.${name}`)
    if (host) return host
    if (typeof port.tap === 'string') return { node: 'host', interface: port.tap }
    if (typeof port.packet === 'string') return { node: 'macvlan', interface: port.packet }
    const [behind = ''] = typeof port.patch === 'string' ? port.patch.split('.') : []
    if (this.#bridges.has(behind)) return this.#bridgePort(behind)
    this.notes.push(`left out: the port ${fabric}.${name}; containerlab has no such link`)
    return undefined
  }

  /** Interfaces of bridges are the machine's, so that each needs a name of its own. */
  #bridgePort(fabric: string): End {
    return { node: this.#bridges.get(fabric) ?? fabric, interface: `loom${++this.#bridgePorts}` }
  }

  #link(one: End, other: End, fabric: string): object[] {
    const ends = [one, other]
    if (!ends.some(({ host }) => host) && ends.some(({ node }) => node === 'macvlan')) {
      this.notes.push(
        `left out: a link of ${fabric} to the interface ${ends.find(({ node }) => node === 'macvlan')?.interface}`,
      )
      return []
    }
    const mtu = one.mtu ?? other.mtu
    if (one.mtu !== undefined && other.mtu !== undefined && one.mtu !== other.mtu)
      this.notes.push(
        `a link of ${fabric} has the MTU ${String(mtu)} at both ends; a link of containerlab has one`,
      )
    const ofLink = mtu === undefined ? {} : { mtu }
    if (ends.every(({ mac }) => mac === undefined))
      return [{ endpoints: ends.map(({ node, interface: name }) => `${node}:${name}`), ...ofLink }]
    const outside = ends.find(({ node }) => node === 'host' || node === 'macvlan')
    const long = ends.map(({ node, interface: name, mac }) => ({
      node,
      interface: name,
      ...(mac !== undefined && { mac }),
    }))
    return outside
      ? [
          {
            type: outside.node,
            endpoint: long.find(({ node }) => node !== outside.node),
            'host-interface': outside.interface,
            ...ofLink,
          },
        ]
      : [{ type: 'veth', endpoints: long, ...ofLink }]
  }

  /** What a fabric has besides its ports. */
  #noteOthers(fabric: string, given: Fabric): void {
    const { kind, ports, paths = [], ...others } = given
    const names = Object.keys(ports)
    for (const key of Object.keys(others)) this.notes.push(`left out: ${key} of ${fabric}`)
    for (const [name, port] of Object.entries(ports))
      for (const key of ['vlan', 'group', 'delay', 'receive', 'storm', 'gateway', 'filter'])
        if (port[key] !== undefined) this.notes.push(`left out: ${key} of the port ${fabric}.${name}`)
    for (const { between, from, to, ...policy } of paths) {
      const froms = between !== undefined ? (between as string[]) : listOf(from, names)
      const tos = between !== undefined ? froms : listOf(to, names)
      for (const name of froms)
        if (tos.some((other) => other !== name)) this.#notePolicy(fabric, name, policy, kind === 'wire')
    }
  }

  /** The command that gives a port's side of a wire a policy, or that there is none. */
  #notePolicy(fabric: string, name: string, policy: Mapping, isWire: boolean): void {
    const end = this.#ends.get(`${fabric}.${name}`)
    const { words, left } = netemWords(policy)
    if (!isWire || end === undefined) {
      if (Object.keys(policy).length > 0)
        this.notes.push(
          `left out: the policy of what ${fabric}.${name} sends (${Object.keys(policy).join(', ')})`,
        )
      return
    }
    if (words.length > 0)
      this.notes.push(
        `once it is up: containerlab tools netem set -n clab-${this.#lab}-${end.node} -i ${end.interface} ${words.join(' ')}`,
      )
    if (left.length > 0) this.notes.push(`left out: of what ${fabric}.${name} sends: ${left.join(', ')}`)
  }
}

/** The first of NAME, NAME-2, NAME-3, ... of at most so many characters that is neither taken nor reserved. */
function freeName(given: string, most: number, taken: { has(name: string): boolean }): string {
  let name = given.slice(0, most)
  for (let number = 2; taken.has(name) || reserved.includes(name); number++)
    name = `${given.slice(0, most - `-${number}`.length)}-${number}`
  return name
}

/** A word of a command, as containerlab divides it. */
const wordOf = (word: string): string => (/\s|["'\\]/.test(word) ? JSON.stringify(word) : word)

/** The command that adds a route; ip(8) of small images has to be told of IPv6. */
function routeCommand({ to, via, dev, metric }: Route): string {
  const words = Object.entries({ via, dev, metric }).flatMap(([key, value]) =>
    value === undefined ? [] : [key, value],
  )
  const family = [to, via].some((each) => each?.includes(':')) ? ['-6'] : []
  return ['ip', ...family, 'route', 'add', to, ...words].join(' ')
}

const listOf = (given: unknown, all: readonly string[]): readonly string[] =>
  given === '*' ? all : Array.isArray(given) ? (given as string[]) : [String(given)]

/** The options of a policy as those of `containerlab tools netem set`, and those that it has not. */
function netemWords(policy: Mapping): { words: string[]; left: string[] } {
  const words: string[] = []
  const left: string[] = []
  const percent = (value: number): string => `${Number((value * 100).toFixed(4))}`
  const time = (value: unknown): string => `${Number(parseDuration(value)) / 1e6}ms`
  for (const [key, value] of Object.entries(policy))
    if (key === 'delay' || key === 'jitter') words.push(`--${key} ${time(value)}`)
    else if (key === 'loss' && typeof value === 'number') words.push(`--loss ${percent(value)}`)
    else if (key === 'corrupt' && typeof value === 'number') words.push(`--corruption ${percent(value)}`)
    else if (key === 'rate') words.push(`--rate ${Math.max(1, Math.round(Number(parseRate(value)) / 1000))}`)
    else left.push(key)
  return { words, left }
}
