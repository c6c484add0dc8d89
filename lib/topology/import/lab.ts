/**
 * A lab of another program, nodes with interfaces and links between them, as a topology. Called by the conversions of
 * containerlab, GNS3 and CORE, whose files differ in their words and not in what they describe.
 *
 * Theory of operation. A node is a host, or a fabric: a switch, a hub, or a hub on which a world says who hears whom. A
 * link of two hosts is a wire with a port for each. A host that is linked to a fabric has a port there; two fabrics are
 * patched. Where such a link delays or loses frames, there is a wire between, so that a frame meets the impairments of
 * every link on its way, one after the other. Ports are called by the node at the link's other end or, on the side of a
 * host, by the host.
 */
import { routeFault, routeRules, type Route } from '../../engine/namespace.js'
import { isOfInterface, pathOf, sysctlsRule } from '../../engine/sysctls.js'
import { interfaceAddress, interfaceMac, isNear } from '../../values/addresses.js'
import { integer, mapping, takes, type Rule } from '../../values/options.js'
import { interfaceRule } from '../../values/names.js'
import { quote, shorten } from '../../values/quote.js'
import type { HostSettings } from '../host-rules.js'
import { Names } from './names.js'

/** Where notes and mistakes of a file go; what a place in it is, is the format's business. */
export interface Findings<At> {
  note(at: At, message: string): void
  complain(at: At, message: string): void
}

type FabricNode = 'switch' | 'hub' | 'radio'
export type NodeKind = 'host' | FabricNode

/** What is done to frames of a link: options of a policy. */
export type LinkPolicy = Record<string, unknown>

/** An interface of a host, as the port that makes it. */
export interface Nic {
  host: string
  interface: string
  mac?: string
  mtu?: number
  addresses?: string[]
}

/** An interface of a node, as the file has it. */
export interface NodeEnd<At> {
  at: At
  node: string
  /** Of the interface; fabrics need none. */
  name: string
  mac?: unknown
  mtu?: unknown
  addresses?: readonly unknown[]
  /** What the port of a fabric has besides, such as its VLAN. */
  seat?: object
}

/** An end of a link: an interface of a node, or a port that leads out of the lab. */
export type End<At> = NodeEnd<At> | { at: At; outside: object; name: string }

/** What hosts of a lab do, beside having interfaces. The interface of a route is called as the file has it. */
export type Wish =
  { command: string } | { forwarding: true } | { sysctl: string; value: string } | { route: Route }

interface FabricDraft {
  kind: 'switch' | 'hub' | 'wire'
  forwarding?: 'deny'
  ports: Map<string, object>
  names: Names
  paths: object[]
}

interface NodeDraft {
  kind: NodeKind
  /** The file's name for it. */
  given: string
  name: string
  /** Of a host, by the names that the file has for them. */
  nics: Map<string, Nic>
}

/** The ports at the two ends of a link, each on its fabric. */
export interface LinkPorts {
  fabrics: [string, string]
  ports: [string, string]
}

export class Lab<At> {
  readonly #findings: Findings<At>
  readonly #nodes = new Map<string, NodeDraft>()
  readonly #hosts = new Names()
  readonly #fabricNames = new Names()
  readonly #fabrics = new Map<string, FabricDraft>()
  /** Which fabrics are joined by links, by a fabric of each group: a loop is a link within a group. */
  readonly #joined = new Map<string, string>()
  readonly #interfaces = new Map<NodeDraft, Names>()
  readonly #wishes: { node: string; at: At; wish: Wish }[] = []

  constructor(findings: Findings<At>) {
    this.#findings = findings
  }

  has(node: string): boolean {
    return this.#nodes.has(node)
  }

  get nodes(): string[] {
    return [...this.#nodes.keys()]
  }

  kindOf(node: string): NodeKind | undefined {
    return this.#nodes.get(node)?.kind
  }

  /** Adds a node, which links call by `key`. Nodes come before links. */
  add(key: string, kind: NodeKind, at: At, given = key): void {
    const name = (kind === 'host' ? this.#hosts : this.#fabricNames).free(given, kind)
    if (name !== given) this.#findings.note(at, `${quote(given)} is called ${quote(name)} here`)
    this.#nodes.set(key, { kind, given, name, nics: new Map() })
    if (kind !== 'host') this.#addFabric(name, kind)
  }

  /** The name that a node, or its fabric, has in the topology. */
  nameOf(node: string): string {
    return this.#nodes.get(node)?.name ?? node
  }

  /** The interface of a host with a name of the file, to be changed as long as the topology is not asked for. */
  nic(node: string, name: string): Nic | undefined {
    return this.#nodes.get(node)?.nics.get(name)
  }

  nicsOf(node: string): ReadonlyMap<string, Nic> {
    return this.#nodes.get(node)?.nics ?? new Map<string, Nic>()
  }

  /**
   * Joins two ends. `there` holds from the first to the second, `back` the other way.
   *
   * @returns the ports that were made, undefined where the ends are wrong, which is a mistake by then
   */
  link(
    one: End<At>,
    other: End<At>,
    there: LinkPolicy = {},
    back: LinkPolicy = there,
  ): LinkPorts | undefined {
    const [first, second] = [this.#nodeAt(one), this.#nodeAt(other)]
    const [a, b] = [this.#portAt(one, first), this.#portAt(other, second)]
    if (a === undefined || b === undefined) return undefined
    const isPlain = Object.keys(there).length === 0 && Object.keys(back).length === 0
    const [left, right] = [this.#fabricOf(first), this.#fabricOf(second)]
    if (left !== undefined && right !== undefined) this.#join(left, right, other.at)
    const names = [this.#calledAt(one, first), this.#calledAt(other, second)] as const
    if (isPlain && left !== undefined && right !== undefined) {
      const ports: [string, string] = [this.#freePort(left, names[1]), this.#freePort(right, names[0])]
      this.#attach(left, ports[0], { patch: `${right}.${ports[1]}`, ...a })
      this.#attach(right, ports[1], { patch: `${left}.${ports[0]}`, ...b })
      return { fabrics: [left, right], ports }
    }
    if (isPlain && (left ?? right) !== undefined) {
      const fabric = (left ?? right) as string
      const port = this.#freePort(fabric, left === undefined ? names[0] : names[1])
      const [made, seat] = left === undefined ? [a, b] : [b, a]
      this.#attach(fabric, port, Object.assign(made, seat)) // not a copy: an interface may be changed yet
      return { fabrics: [fabric, fabric], ports: [port, port] }
    }
    const wire = this.#fabricNames.free(`${names[0]}-${names[1]}`)
    this.#addFabric(wire, 'wire')
    const ports: [string, string] = [this.#freePort(wire, names[0]), this.#freePort(wire, names[1])]
    this.#end(wire, ports[0], left, ports[1], a)
    this.#end(wire, ports[1], right, ports[0], b)
    this.#addPaths(wire, ports, there, back)
    return { fabrics: [wire, wire], ports }
  }

  /** An interface of a host that leads nowhere. */
  dangle(end: NodeEnd<At>): void {
    const node = this.#nodeAt(end)
    const port = this.#portAt(end, node)
    if (node === undefined || port === undefined) return
    const fabric = this.#fabricNames.free(`${node.name}-${end.name}`)
    this.#addFabric(fabric, 'hub')
    this.#attach(fabric, this.#freePort(fabric, node.name), port)
  }

  /** Gives ports of a fabric a delay, which all frames to them have. */
  delay(fabric: string, ports: readonly string[], delay: string | undefined): void {
    if (delay === undefined) return
    for (const port of ports) Object.assign(this.#fabrics.get(fabric)?.ports.get(port) ?? {}, { delay })
  }

  /** What a host of the lab does. The topology says it where it can; the rest is noted, with the command that does it. */
  wish(node: string, at: At, wish: Wish): void {
    this.#wishes.push({ node, at, wish })
  }

  /** The whole as a topology file would state it. */
  topology(name: string | undefined, worlds: Record<string, object> = {}): unknown {
    const called = name?.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 63)
    const hosts = [...this.#nodes].filter(([, { kind }]) => kind === 'host')
    const settings = this.#grant()
    return {
      ...(called !== undefined && called !== '' && { name: called }),
      ...(hosts.length > 0 && {
        hosts: Object.fromEntries(hosts.map(([node, { name }]) => [name, settings.get(node) ?? {}])),
      }),
      fabrics: Object.fromEntries(
        [...this.#fabrics].map(([fabric, { kind, forwarding, ports, paths }]) => [
          fabric,
          {
            kind,
            ...(forwarding !== undefined && { forwarding }),
            ports: Object.fromEntries(ports),
            ...(paths.length > 0 && { paths }),
          },
        ]),
      ),
      ...(Object.keys(worlds).length > 0 && { worlds }),
    }
  }

  /** What wishes come to, by node. It waits for the whole file, as a gateway's interface may have its address later. */
  #grant(): ReadonlyMap<string, HostSettings> {
    const granted = new Map<string, HostSettings>()
    for (const { node, at, wish } of this.#wishes) {
      const settings = granted.get(node) ?? {}
      granted.set(node, settings)
      const nics = this.nicsOf(node)
      const route = 'route' in wish ? routeOf(wish.route, nics, settings.routes) : undefined
      if ('forwarding' in wish) settings.forwarding = true
      else if ('sysctl' in wish && isSetting(wish.sysctl, wish.value, nics))
        settings.sysctls = { ...settings.sysctls, [wish.sysctl]: asNumber(wish.value) as string | number }
      else if (route) settings.routes = [...(settings.routes ?? []), route]
      else
        this.#findings.note(
          at,
          `not in the topology; once it is up: ${shorten(`etherloom exec ${this.nameOf(node)} ${commandOf(wish)}`, 200)}`,
        )
    }
    return granted
  }

  #addFabric(name: string, kind: FabricNode | 'wire'): void {
    this.#fabrics.set(name, {
      ...(kind === 'radio' ? { kind: 'hub', forwarding: 'deny' } : { kind }),
      ports: new Map(),
      names: new Names(),
      paths: [],
    })
  }

  #nodeAt(end: End<At>): NodeDraft | undefined {
    return 'node' in end ? this.#nodes.get(end.node) : undefined
  }

  #fabricOf(node: NodeDraft | undefined): string | undefined {
    return node === undefined || node.kind === 'host' ? undefined : node.name
  }

  #calledAt(end: End<At>, node: NodeDraft | undefined): string {
    return node?.name ?? ('node' in end ? end.node : end.name)
  }

  #freePort(fabric: string, wanted: string): string {
    return (this.#fabrics.get(fabric) as FabricDraft).names.free(wanted, 'port')
  }

  #attach(fabric: string, name: string, port: object): void {
    this.#fabrics.get(fabric)?.ports.set(name, port)
  }

  /** An end of a wire: a port, or a patch to the fabric where the link leads. */
  #end(wire: string, name: string, fabric: string | undefined, far: string, port: object): void {
    if (fabric === undefined) {
      this.#attach(wire, name, port)
      return
    }
    const seat = this.#freePort(fabric, far)
    this.#attach(wire, name, { patch: `${fabric}.${seat}` })
    this.#attach(fabric, seat, { patch: `${wire}.${name}`, ...port })
  }

  #addPaths(fabric: string, [a, b]: [string, string], there: LinkPolicy, back: LinkPolicy): void {
    const paths = this.#fabrics.get(fabric)?.paths
    const isSame = JSON.stringify(there) === JSON.stringify(back)
    if (isSame && Object.keys(there).length > 0) paths?.push({ between: [a, b], ...there })
    if (isSame) return
    if (Object.keys(there).length > 0) paths?.push({ from: a, to: b, ...there })
    if (Object.keys(back).length > 0) paths?.push({ from: b, to: a, ...back })
  }

  #portAt(end: End<At>, node: NodeDraft | undefined): object | undefined {
    if (!('node' in end)) return end.outside
    if (node === undefined) {
      this.#findings.complain(end.at, `no node ${quote(end.node)}`)
      return undefined
    }
    return node.kind === 'host' ? this.#nicAt(end, node) : (end.seat ?? {})
  }

  #nicAt(end: NodeEnd<At>, node: NodeDraft): Nic | undefined {
    const { name, mac, mtu, addresses = [] } = end
    if (node.nics.has(name)) {
      this.#findings.complain(end.at, `${quote(name)} of ${quote(node.given)} has a link already`)
      return undefined
    }
    const nic: Nic = { host: node.name, interface: this.#interfaceName(end, node) }
    const subject = `${quote(name)} of ${quote(node.given)}`
    const checked = <T>(rule: Rule<T>, value: unknown, what: string): T | undefined => {
      try {
        return rule(value ?? undefined, `the ${what} of ${subject}`)
      } catch (error) {
        this.#findings.complain(end.at, (error as Error).message)
        return undefined
      }
    }
    if (checked(interfaceMac(), mac, 'MAC address') !== undefined) nic.mac = String(mac)
    const size = checked(integer(68, 65_521, { unit: 'bytes' }), asNumber(mtu), 'MTU')
    if (size !== undefined) nic.mtu = size
    const valid = addresses.flatMap((address) => checked(interfaceAddress(), address, 'address') ?? [])
    if (valid.length > 0) nic.addresses = [...new Set(valid)]
    node.nics.set(name, nic)
    return nic
  }

  /** The interface's name in the host: the file's, or one that Linux takes. */
  #interfaceName({ name, at }: NodeEnd<At>, node: NodeDraft): string {
    const names = this.#interfaces.get(node) ?? new Names(15)
    this.#interfaces.set(node, names)
    const isFine = isInterfaceName(name)
    const free = names.free(name, 'eth')
    // Names that only the kernel takes, such as eth1.100, stay whole where nothing else is like them.
    const chosen = isFine && free === name.replace(/[^A-Za-z0-9_-]+/g, '-') ? name : free
    if (chosen !== name)
      this.#findings.note(at, `${quote(name)} of ${quote(node.given)} is the interface ${quote(chosen)} here`)
    return chosen
  }

  /** Fabrics that are joined twice carry frames around. */
  #join(one: string, other: string, at: At): void {
    const [a, b] = [this.#groupOf(one), this.#groupOf(other)]
    if (a === b)
      this.#findings.note(
        at,
        `${quote(one)} and ${quote(other)} are linked in a loop, and there is no spanning tree here: frames go round until they have passed 16 patches; take one of the links out`,
      )
    else this.#joined.set(b, a)
  }

  #groupOf(fabric: string): string {
    let group = fabric
    for (let next = this.#joined.get(group); next !== undefined; next = this.#joined.get(group)) group = next
    if (group !== fabric) this.#joined.set(fabric, group)
    return group
  }
}

/** A route as a host can have it; undefined where it has none like it: no such gateway is near, or it has one to there. */
function routeOf(
  { dev: given, ...wished }: Route,
  nics: ReadonlyMap<string, Nic>,
  known: readonly Route[] = [],
): Route | undefined {
  const dev = given === undefined || given === 'lo' ? given : nics.get(given)?.interface
  if (given !== undefined && dev === undefined) return undefined
  const route: Route = { ...wished, ...(dev !== undefined && { dev }) }
  if (!takes(mapping(routeRules), route) || routeFault(route) !== undefined) return undefined
  const { via } = route
  const near = [...nics.values()]
    .filter((nic) => dev === undefined || nic.interface === dev)
    .flatMap(({ addresses = [] }) => addresses)
    .filter((address) => takes(interfaceAddress(), address))
  const isLocal = dev !== undefined && /^fe80:/i.test(via ?? '')
  if (via !== undefined && !isLocal && !near.some((address) => isNear(address, via))) return undefined
  return known.some((other) => identityOf(other) === identityOf(route)) ? undefined : route
}

/** What no two routes of a host share. */
const identityOf = ({ to, via = '', metric = 0 }: Route): string =>
  `${to} ${to === 'default' && via.includes(':') ? 6 : 4} ${metric}`

/** Whether a host can have a setting: it is of the network, and of an interface that is there. */
const isSetting = (name: string, value: string, nics: ReadonlyMap<string, Nic>): boolean =>
  takes(sysctlsRule, { [name]: value }) &&
  (!isOfInterface(name) ||
    ['lo', ...[...nics.values()].map((nic) => nic.interface)].includes(pathOf(name).split('/')[3] ?? ''))

/** The command that a wish is. `forwarding` can be said in every topology. */
function commandOf(wish: Exclude<Wish, { forwarding: true }>): string {
  if ('command' in wish) return wish.command
  if ('sysctl' in wish) return `sysctl -w ${wish.sysctl}=${wish.value}`
  const { to, via, dev, metric } = wish.route
  const words = Object.entries({ via, dev, metric }).flatMap(([key, value]) =>
    value === undefined ? [] : [key, value],
  )
  return ['ip route add', to, ...words].join(' ')
}

/** Whether Linux takes a name for an interface. */
export function isInterfaceName(name: string): boolean {
  try {
    return interfaceRule()(name, '') !== undefined
  } catch {
    return false
  }
}

/** A number that may stand as text. */
export const asNumber = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,9}$/.test(value.trim()) ? Number(value) : value

/** The text of a name, a number or nothing; what else a file has there is no text. */
export const wordOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined
