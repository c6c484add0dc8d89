/**
 * Containerlab's topology files: nodes with a kind, whose settings come from the node, its group, its kind and the
 * defaults, and links between their interfaces. Called by containerlab.ts; on the JavaScript thread.
 *
 * Theory of operation. Every node becomes a host, bridges become switches, and the machine itself is where TAPs are. No
 * container is started: what the file says of images, files and processes is noted, one note for each key. Of `exec`, the
 * commands that give an interface an address, an MTU or a MAC address, or the node a route or a setting, become what the
 * topology says of it; others are noted with the command that runs them.
 */
import { isIPv6 } from 'node:net'
import type { Route } from '../../engine/namespace.js'
import { isMapping, nearest, suggestion } from '../../values/options.js'
import type { Place } from '../../values/problem.js'
import { quote, shorten } from '../../values/quote.js'
import type { Conversion, SourceFile } from './format.js'
import { asNumber, isInterfaceName, Lab, wordOf, type End, type Nic, type NodeEnd, type Wish } from './lab.js'
import { FileReader } from './reader.js'

/** Keys of a node that this reads. */
const readKeys = ['kind', 'group', 'exec', 'sysctls']
/** Keys of a node that are about its container, and about what runs there. */
const containerKeys = [
  ...[
    'image',
    'image-pull-policy',
    'type',
    'license',
    'runtime',
    'user',
    'cmd',
    'entrypoint',
    'env',
    'env-files',
  ],
  ...['binds', 'tmpfs', 'volumes', 'ports', 'publish', 'labels', 'devices', 'cap-add', 'shm-size', 'memory'],
  ...[
    'cpu',
    'cpu-set',
    'startup-config',
    'enforce-startup-config',
    'suppress-startup-config',
    'startup-delay',
  ],
  ...['restart-policy', 'auto-remove', 'network-mode', 'mgmt-ipv4', 'mgmt-ipv6', 'mgmt_ipv4', 'mgmt_ipv6'],
  ...['position', 'extras', 'config', 'dns', 'certificate', 'healthcheck', 'aliases', 'stages', 'components'],
  ...[
    'sandbox',
    'kernel',
    'credentials',
    'wait-for',
    'vars',
    'link-mtu',
    'privileged',
    'pid-mode',
    'ulimits',
  ],
]
const topKeys = ['name', 'prefix', 'topology', 'mgmt', 'settings', 'debug']
const topologyKeys = ['nodes', 'kinds', 'groups', 'defaults', 'links']
const linkKeys = {
  read: ['type', 'endpoints', 'endpoint', 'host-interface', 'mtu', 'ipv4', 'ipv6'],
  noted: ['mode', 'remote', 'vni', 'udp-port', 'dst-port', 'src-port'],
  silent: ['vars', 'labels'],
}
const endpointKeys = ['node', 'interface', 'mac', 'ipv4', 'ipv6', 'vars']
const linkTypes = [
  'veth',
  'veth-stitch',
  'host',
  'mgmt-net',
  'macvlan',
  'vxlan',
  'vxlan-stitch',
  'dummy',
] as const
type LinkType = (typeof linkTypes)[number]

/** Kinds that are bridges of the machine on which containerlab runs. */
const bridgeKinds = ['bridge', 'ovs-bridge']

interface Context {
  reader: FileReader
  lab: Lab<Place>
  /** Keys that are noted once, with where they stand first, and how often they do. */
  left: Map<string, { place: Place; times: number }>
  /** Nodes that stand for the machine itself. */
  machines: Set<string>
}

export async function convertContainerlab(files: readonly SourceFile[]): Promise<Conversion> {
  const [source, another] = files
  if (source === undefined) return { problems: [], notes: [] }
  if (another !== undefined) {
    const message = 'a containerlab file is a network of its own; import one at a time'
    return { problems: [{ file: another.file, line: 1, column: 1, message }], notes: [] }
  }
  if (/\{\{-?\s*(?:range|if|define|template|end|[.$])/.test(source.text)) {
    const line = source.text.slice(0, source.text.indexOf('{{')).split('\n').length
    const message = 'this is a template; render it first, and import the file that comes of it'
    return { problems: [{ file: source.file, line, column: 1, message }], notes: [] }
  }
  const reader = await FileReader.read(source)
  if (reader.problems.length > 0) return { problems: reader.problems, notes: [] }
  const lab = new Lab<Place>({
    note: (place, message) => reader.note(place, message),
    complain: (place, message) => reader.complain(place, message),
  })
  const context: Context = { reader, lab, left: new Map(), machines: new Set() }
  checkKeys(context)
  readNodes(context)
  readLinks(context)
  for (const node of lab.nodes) if (lab.kindOf(node) === 'host') runCommands(context, node)
  noteLeft(context)
  return reader.conversion(lab.topology(textAt(context, ['name'])))
}

/** The text at a place, with variables of the environment put in; in commands, those that are not set are the shell's. */
function textAt({ reader }: Context, place: Place, { isCommand = false } = {}): string | undefined {
  return wordOf(reader.at(place))?.replace(
    /\$(?:\{(\w+)(?::?[-=]([^}]*))?\}|([A-Za-z_]\w*))/g,
    (whole, braced: string | undefined, otherwise: string | undefined, plain: string | undefined) => {
      const name = braced ?? plain ?? ''
      const value = process.env[name] ?? otherwise
      if (value === undefined && isCommand) return whole
      if (value === undefined)
        reader.complain(
          place,
          `no variable ${quote(name)} in the environment; set it, or write \${${name}:=...} with a default`,
        )
      return value ?? ''
    },
  )
}

/** What a file says that containerlab does not know: a mistake where it looks like a slip, else of a version to come. */
function unknown({ reader }: Context, place: Place, known: readonly string[]): void {
  const key = String(place.at(-1))
  if (nearest(key, known) !== undefined)
    reader.complain(place, `unknown key ${quote(key)}${suggestion(key, known)}`, 'key')
  else reader.note(place, `left out: ${quote(key)}, which is not known here`)
}

function leave({ left }: Context, key: string, place: Place): void {
  const before = left.get(key)
  if (before) before.times++
  else left.set(key, { place, times: 1 })
}

function noteLeft({ reader, left }: Context): void {
  for (const [key, { place, times }] of left)
    reader.note(
      place,
      `left out: ${quote(key)}${times > 1 ? `, ${times} times` : ''}; no containers are started, hosts are network namespaces`,
    )
}

/** Whose network a container shares: that is not so here, where each host has its own. */
function leaveNetwork(context: Context, place: Place): void {
  const mode = textAt(context, place)
  const whose = mode === 'host' ? 'this machine' : /^container:(.+)$/.exec(mode ?? '')?.[1]
  if (whose === undefined) leave(context, 'network-mode', place)
  else
    context.reader.note(
      place,
      `left out: 'network-mode: ${mode}'; here it is a host with a network of its own, and not in that of ${whose}`,
    )
}

function checkKeys(context: Context): void {
  const { reader } = context
  if (reader.data === null) reader.complain([], 'the file must be a mapping')
  for (const [key] of reader.entries([])) {
    if (!topKeys.includes(key)) unknown(context, [key], topKeys)
    else if (key === 'mgmt')
      reader.note([key], "left out: 'mgmt'; there is no management network, and no eth0 of it")
    else if (key === 'settings' || key === 'prefix') leave(context, key, [key])
  }
  const topology = ['topology']
  if (!isMapping(reader.at(topology)))
    reader.complain(topology, "'topology' must be given, with 'nodes' in it", 'key')
  for (const [key] of reader.entries(topology))
    if (!topologyKeys.includes(key)) unknown(context, [...topology, key], topologyKeys)
  const known = [...readKeys, ...containerKeys]
  const check = (place: Place): void => {
    for (const [key] of reader.entries(place)) {
      if (key === 'network-mode') leaveNetwork(context, [...place, key])
      else if (containerKeys.includes(key)) leave(context, key, [...place, key])
      else if (!readKeys.includes(key)) unknown(context, [...place, key], known)
    }
  }
  check(['topology', 'defaults'])
  for (const part of ['kinds', 'groups', 'nodes'])
    for (const [name] of reader.entries(['topology', part])) check(['topology', part, name])
}

/** Where settings of a node may stand, the nearest first. */
function sourcesOf(context: Context, node: string): Place[] {
  const { reader } = context
  const own = ['topology', 'nodes', node]
  const inGroups = (name: string | undefined): Place[] =>
    name !== undefined && reader.at(['topology', 'groups', name]) !== undefined
      ? [['topology', 'groups', name]]
      : []
  const defaults = ['topology', 'defaults']
  const group = textAt(context, [...own, 'group'])
  const kind =
    textAt(context, [...own, 'kind']) ??
    inGroups(group).map((place) => textAt(context, [...place, 'kind']))[0] ??
    textAt(context, [...defaults, 'kind'])
  const ofKind = kind !== undefined && reader.at(['topology', 'kinds', kind]) !== undefined
  return [own, ...inGroups(group), ...(ofKind ? [['topology', 'kinds', kind]] : []), defaults]
}

function kindOf(context: Context, node: string): string | undefined {
  for (const place of sourcesOf(context, node)) {
    const kind = textAt(context, [...place, 'kind'])
    if (kind !== undefined) return kind
  }
  return undefined
}

function readNodes(context: Context): void {
  const { reader, lab, machines } = context
  const routers = new Map<string, { place: Place; nodes: number }>()
  for (const [node] of reader.entries(['topology', 'nodes'])) {
    const place = ['topology', 'nodes', node]
    const kind = kindOf(context, node)
    if (kind === undefined)
      reader.complain(place, `${quote(node)} has no kind: give it one, such as 'kind: linux'`, 'key')
    if (kind === 'host') machines.add(node)
    else lab.add(node, bridgeKinds.includes(kind ?? '') ? 'switch' : 'host', place)
    if (bridgeKinds.includes(kind ?? ''))
      reader.note(
        place,
        `${quote(node)} is a switch of its own here, not the bridge of that name on this machine; to join that, give the switch the port { packet: ${shorten(node, 15)} }`,
      )
    else if (kind !== undefined && kind !== 'linux' && kind !== 'host') {
      const known = routers.get(kind)
      if (known) known.nodes++
      else routers.set(kind, { place, nodes: 1 })
    }
  }
  for (const [kind, { place, nodes }] of routers)
    reader.note(
      place,
      `${nodes === 1 ? 'a node' : `${nodes} nodes`} of kind ${quote(kind)}: plain hosts here, with the kernel's own stack and no software of that kind`,
    )
}

function readLinks(context: Context): void {
  const { reader } = context
  reader.items(['topology', 'links']).forEach((link, index) => {
    const place = ['topology', 'links', index]
    if (!isMapping(link)) {
      reader.complain(place, "a link must be a mapping, such as { endpoints: ['a:eth1', 'b:eth1'] }")
      return
    }
    const known = [...linkKeys.read, ...linkKeys.noted, ...linkKeys.silent]
    for (const key of Object.keys(link)) if (!known.includes(key)) unknown(context, [...place, key], known)
    const type = textAt(context, [...place, 'type'])
    if (type !== undefined && !linkTypes.some((word) => word === type))
      reader.complain([...place, 'type'], `${quote(type)} is no type of link${suggestion(type, linkTypes)}`)
    else if (type === undefined || type === 'veth' || type === 'veth-stitch') readVeth(context, place)
    else readOther(context, place, type as LinkType)
  })
}

/** A link with two ends, in either form. */
function readVeth(context: Context, place: Place): void {
  const { reader, lab } = context
  const given = reader.items([...place, 'endpoints'])
  if (given.length !== 2) {
    reader.complain(
      given.length === 0 ? place : [...place, 'endpoints'],
      `a link needs 'endpoints', a list of two such as ['a:eth1', 'b:eth1'], and here are ${given.length}`,
    )
    return
  }
  const ends = [0, 1].map((index) => {
    const extra = { mtu: reader.at([...place, 'mtu']), addresses: addressesAt(context, place, [index]) }
    return readEnd(context, [...place, 'endpoints', index], extra)
  })
  const [one, other] = ends
  if (one === undefined || other === undefined) return
  if (one === 'left out' || other === 'left out') {
    for (const end of ends)
      if (typeof end === 'object' && 'node' in end && lab.kindOf(end.node) === 'host') lab.dangle(end)
    return
  }
  if ('outside' in one && 'outside' in other) reader.complain(place, 'a link needs a node at one of its ends')
  else lab.link(one, other)
}

/** The addresses of a link, by the numbers of its ends, or of an endpoint: as keys of it, or among its 'vars'. */
const addressesAt = (context: Context, place: Place, end: Place = []): (string | undefined)[] =>
  [[], ['vars']].flatMap((under) =>
    ['ipv4', 'ipv6'].map((key) => textAt(context, [...place, ...under, key, ...end])),
  )

interface Extra {
  mtu: unknown
  addresses?: readonly (string | undefined)[]
}

/** An endpoint as 'node:interface' or as a mapping; 'left out' where it is what cannot be here. */
function readEnd(context: Context, place: Place, extra: Extra): End<Place> | 'left out' | undefined {
  const { reader } = context
  if (isMapping(reader.at(place))) return readLongEnd(context, place, extra)
  const text = textAt(context, place)
  const [, node, name] = /^([^:]+):(.+)$/.exec(text ?? '') ?? []
  if (node === undefined || name === undefined) {
    const given = text === undefined ? '' : `, not ${quote(text)}`
    reader.complain(place, `an endpoint must be 'node:interface'${given}`)
    return undefined
  }
  if (!isNode(context, node) && node === 'mgmt-net') return leaveManagement(context, place)
  if (!isNode(context, node) && node === 'macvlan') return macvlan(context, place, name)
  return endAt(context, { place, node, name, ...extra })
}

const isNode = ({ lab, machines }: Context, node: string): boolean => lab.has(node) || machines.has(node)

function readLongEnd(context: Context, place: Place, extra: Extra): End<Place> | undefined {
  const { reader } = context
  for (const [key] of reader.entries(place))
    if (!endpointKeys.includes(key)) unknown(context, [...place, key], endpointKeys)
  const [node, name] = ['node', 'interface'].map((key) => textAt(context, [...place, key]))
  if (node === undefined || name === undefined) {
    reader.complain(place, "an endpoint needs 'node' and 'interface'")
    return undefined
  }
  const addresses = [...(extra.addresses ?? []), ...addressesAt(context, place)]
  return endAt(context, {
    place,
    node,
    name,
    mtu: extra.mtu,
    addresses,
    mac: textAt(context, [...place, 'mac']),
  })
}

function endAt(
  context: Context,
  {
    place,
    node,
    name,
    mtu,
    addresses = [],
    mac,
  }: { place: Place; node: string; name: string; mac?: unknown } & Extra,
): End<Place> | undefined {
  const { reader, lab, machines } = context
  const given = addresses.filter((address) => address !== undefined)
  if (machines.has(node) || (node === 'host' && !lab.has(node))) {
    if (!isInterfaceName(name)) {
      reader.complain(place, `${quote(name)} is no name of an interface: 1 to 15 characters without '/'`)
      return undefined
    }
    return { at: place, name, outside: { tap: name, ...(given.length > 0 && { addresses: given }) } }
  }
  if (!lab.has(node)) {
    reader.complain(place, `no node ${quote(node)}${suggestion(node, lab.nodes)}`)
    return undefined
  }
  return { at: place, node, name, mac, mtu: asNumber(mtu), addresses: given }
}

function leaveManagement({ reader }: Context, place: Place): 'left out' {
  reader.note(place, 'left out: there is no management network; the interface is there, and leads nowhere')
  return 'left out'
}

function macvlan({ reader }: Context, place: Place, name: string | undefined): End<Place> | undefined {
  if (name === undefined || !isInterfaceName(name)) {
    reader.complain(
      place,
      "a link of type 'macvlan' needs 'host-interface', the name of an interface of this machine",
    )
    return undefined
  }
  reader.note(
    place,
    `a packet socket on ${quote(name)} takes the place of a macvlan interface: all frames of ${quote(name)} reach the node, and it needs a MAC address of its own that the network behind accepts`,
  )
  return { at: place, name, outside: { packet: name } }
}

/** A link with one end in the lab. */
function readOther(context: Context, place: Place, type: LinkType): void {
  const { reader, lab } = context
  for (const key of linkKeys.noted)
    if (reader.at([...place, key]) !== undefined && type !== 'vxlan' && type !== 'vxlan-stitch')
      reader.note([...place, key], `left out: ${quote(key)} of this link`)
  const end = readLongEnd(context, [...place, 'endpoint'], { mtu: reader.at([...place, 'mtu']) })
  if (end === undefined) return
  if (!('node' in end)) {
    reader.complain([...place, 'endpoint'], `a link of type ${quote(type)} needs a node at its end`)
    return
  }
  const name = textAt(context, [...place, 'host-interface'])
  if (type === 'host') {
    if (name !== undefined && isInterfaceName(name))
      lab.link(end, { at: place, name, outside: { tap: name } })
    else
      reader.complain(place, "a link of type 'host' needs 'host-interface', 1 to 15 characters without '/'")
    return
  }
  if (type === 'macvlan') {
    const outside = macvlan(context, place, name)
    if (outside) lab.link(end, outside)
    return
  }
  if (type === 'mgmt-net') leaveManagement(context, place)
  if (type === 'vxlan' || type === 'vxlan-stitch')
    reader.note(
      place,
      `left out: a tunnel (${type}); the interface is there and leads nowhere; a port { udp: ..., remote: ... } on both machines is a tunnel of ours`,
    )
  dangle(lab, end)
}

function dangle(lab: Lab<Place>, end: NodeEnd<Place>): void {
  if (lab.kindOf(end.node) === 'host') lab.dangle(end)
}

/** What a node's `exec` and `sysctls` do to its interfaces, and what is wished of its host besides. */
function runCommands(context: Context, node: string): void {
  const { reader, lab } = context
  for (const source of sourcesOf(context, node).reverse()) {
    reader.items([...source, 'exec']).forEach((_, index) => {
      const place = [...source, 'exec', index]
      const line = textAt(context, place, { isCommand: true })
      if (line === undefined) reader.complain(place, 'a command must be text')
      else if (!carryOut(lab.nicsOf(node), line.trim())) lab.wish(node, place, wishOf(line.trim()))
    })
    for (const [key] of reader.entries([...source, 'sysctls'])) {
      const place = [...source, 'sysctls', key]
      lab.wish(node, place, { sysctl: key, value: textAt(context, place) ?? '' })
    }
  }
}

/**
 * Whether a command is one of ip(8) that an interface's port can say, which then says it: `ip address add ADDRESS dev NAME`
 * and `ip link set NAME up|mtu N|address MAC`.
 */
function carryOut(nics: ReadonlyMap<string, Nic>, line: string): boolean {
  const [object = '', verb = '', ...words] = wordsOfIp(line) ?? []
  if (isShort(object, 'address', 1) || object === 'addr')
    return (isShort(verb, 'add', 1) || verb === 'replace') && addAddress(nics, words)
  return isShort(object, 'link', 1) && isShort(verb, 'set', 1) && setLink(nics, words)
}

/** The words behind `ip` and its options of a family, undefined for another command. */
function wordsOfIp(line: string): string[] | undefined {
  const [program = '', ...rest] = line.split(/\s+/)
  if (!/^(?:\/(?:usr\/)?s?bin\/)?ip$/.test(program)) return undefined
  while (/^-(?:[46]|family|inet6?)$/.test(rest[0] ?? '')) rest.shift()
  return rest
}

/** Whether ip(8) takes a word for the whole one. */
const isShort = (word: string, whole: string, least: number): boolean =>
  word.length >= least && whole.startsWith(word)

/**
 * A command as a setting, `sysctl -w NAME=VALUE` of IP, or as a route, `ip route add TO via GATEWAY dev NAME metric N`, where
 * it is one of these; else as it is.
 */
function wishOf(command: string): Wish {
  const [, sysctl, value] =
    /^(?:\/(?:usr\/)?s?bin\/)?sysctl\s+(?:-w\s+)?(net\.ipv[46]\.\S+?)=(\S+)$/.exec(command) ?? []
  if (sysctl !== undefined && value !== undefined) return { sysctl, value }
  const [object = '', verb = '', to = '', ...words] = wordsOfIp(command) ?? []
  if (!isShort(object, 'route', 1) || !isShort(verb, 'add', 1)) return { command }
  const route: Route = { to }
  while (words.length > 0) {
    const [word, given = ''] = words.splice(0, 2)
    if (word === 'via' || word === 'dev') route[word] = given
    else if (word === 'metric' && /^\d{1,10}$/.test(given)) route.metric = Number(given)
    else return { command }
  }
  // Without a gateway, only the option says of which family the default is.
  return to === 'default' && route.via === undefined && /\s-(?:6|family\s+inet6)\s/.test(command)
    ? { command }
    : { route }
}

function addAddress(nics: ReadonlyMap<string, Nic>, words: string[]): boolean {
  const dev = words.indexOf('dev')
  if (dev < 0 || words.length !== 3) return false
  const [name = '', address = ''] = [words[dev + 1], words[dev === 0 ? 2 : 0]]
  const nic = nics.get(name)
  if (nic === undefined || !/^[\d.a-fA-F:]+(?:\/\d{1,3})?$/.test(address)) return false
  const whole = address.includes('/') ? address : `${address}/${isIPv6(address) ? 128 : 32}`
  nic.addresses = [...new Set([...(nic.addresses ?? []), whole])]
  return true
}

function setLink(nics: ReadonlyMap<string, Nic>, given: string[]): boolean {
  const [name = '', ...words] = given[0] === 'dev' ? given.slice(1) : given
  const nic = nics.get(name)
  if (nic === undefined) return false
  const set: Partial<Nic> = {}
  while (words.length > 0) {
    const word = words.shift()
    if (word === 'up') continue
    const value = words.shift() ?? ''
    if (word === 'mtu' && /^\d{2,5}$/.test(value)) set.mtu = Number(value)
    else if (word === 'address' && /^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(value)) set.mac = value
    else return false
  }
  Object.assign(nic, set)
  return true
}
