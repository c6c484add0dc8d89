/**
 * Projects of GNS3: nodes by number, links between their ports, with filters. Called by gns3.ts; on the JavaScript thread.
 *
 * Theory of operation. Ethernet switches and hubs are fabrics, clouds are the ports that they stand for, and every other
 * node is a host: no emulator is started. A port of a cloud counts when a link uses it, since GNS3 lists what its machine
 * had, used or not. Interfaces are called by GNS3's numbers: eth1 is port 0 of adapter 1, eth1-2 port
 * 2. The addresses of VPCS and of containers are not in the project but in files beside it, which are read if they are
 * there. Filters hold in both directions, as there.
 */
import path from 'node:path'
import { isIPv4, isIPv6 } from 'node:net'
import { readText } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import { flag, integer, isMapping, suggestion } from '../../values/options.js'
import type { Place } from '../../values/problem.js'
import { quote } from '../../values/quote.js'
import type { Conversion, SourceFile } from './format.js'
import { isInterfaceName, Lab, wordOf, type End, type LinkPolicy, type NodeKind } from './lab.js'
import { FileReader, withoutComments } from './reader.js'

const fabricTypes: Readonly<Record<string, NodeKind>> = { ethernet_switch: 'switch', ethernet_hub: 'hub' }
/** Nodes that are a program or a machine. */
const hostTypes = ['vpcs', 'qemu', 'docker', 'dynamips', 'iou', 'virtualbox', 'vmware', 'traceng']
/** Nodes that carry no Ethernet frames. */
const otherTypes = ['frame_relay_switch', 'atm_switch']
const nodeTypes = [...Object.keys(fabricTypes), ...hostTypes, ...otherTypes, 'cloud', 'nat']

/** Of Dynamips: cards with serial ports; and the first port of interface cards (WIC-1T, WIC-2T), all of which are serial. */
const serialCards = /^(?:NM-4T|PA-[48]T\+?)$/
const firstWicPort = 16

const filterNames = ['frequency_drop', 'packet_loss', 'delay', 'corrupt', 'bpf']

interface Lead {
  name: string
  outside: object
}

interface Node {
  place: Place
  id: string
  name: string
  type: string
  /** Of switches, by their ports: what the port of the fabric has. */
  seats: Map<number, object>
  /** Of clouds, by their ports: where they lead, or why they lead nowhere here. */
  leads: Map<number, Lead | { nowhere: string }>
}

interface Project {
  reader: FileReader
  lab: Lab<Place>
  nodes: Map<string, Node>
  folder: string
}

export async function convertProject(files: readonly SourceFile[]): Promise<Conversion> {
  const [source, another] = files
  if (source === undefined) return { problems: [], notes: [] }
  if (another !== undefined) {
    const message = 'a project is a network of its own; import one at a time'
    return { problems: [{ file: another.file, line: 1, column: 1, message }], notes: [] }
  }
  const reader = await FileReader.read({ ...source, text: withoutComments(source.text) })
  if (reader.problems.length > 0) return { problems: reader.problems, notes: [] }
  const lab = new Lab<Place>({
    note: (place, message) => reader.note(place, message),
    complain: (place, message) => reader.complain(place, message),
  })
  const project: Project = { reader, lab, nodes: new Map(), folder: path.dirname(path.resolve(source.file)) }
  if (!isMapping(reader.at(['topology'])))
    reader.complain([], "a project must have 'topology', an object with nodes")
  readNodes(project)
  reader.items(['topology', 'links']).forEach((_, index) => readLink(project, ['topology', 'links', index]))
  for (const node of project.nodes.values()) readStartup(project, node)
  return reader.conversion(lab.topology(wordOf(reader.at(['name']))))
}

function readNodes(project: Project): void {
  const { reader, lab, nodes } = project
  const kinds = new Map<string, { place: Place; nodes: number }>()
  const names = new Map<string, string>()
  reader.items(['topology', 'nodes']).forEach((given, index) => {
    const place = ['topology', 'nodes', index]
    const [id, name, type] = ['node_id', 'name', 'node_type'].map((key) => wordOf(reader.at([...place, key])))
    if (!isMapping(given) || id === undefined || name === undefined) {
      reader.complain(place, "a node must have 'node_id', 'name' and 'node_type'")
      return
    }
    if (type === undefined) {
      reader.complain(
        place,
        `${quote(name)} has no 'node_type'; a project of GNS3 1 has none: open it with GNS3 2 or later, which saves it anew`,
      )
      return
    }
    if (nodes.has(id)) {
      reader.complain(place, `a second node with the node_id ${quote(id)}`)
      return
    }
    if (names.has(name)) {
      reader.complain(place, `a second node with the name ${quote(name)}`)
      return
    }
    names.set(name, id)
    const node: Node = { place, id, name, type, seats: new Map(), leads: new Map() }
    nodes.set(id, node)
    if (type === 'cloud') readCloud(project, node)
    else if (type === 'nat') readNat(project, node)
    else if (otherTypes.includes(type))
      reader.note(place, `left out: ${quote(name)}, which carries no Ethernet frames (${type})`)
    else {
      lab.add(name, fabricTypes[type] ?? 'host', place)
      if (type === 'ethernet_switch') readVlans(project, node)
      if (fabricTypes[type] !== undefined) return
      if (!nodeTypes.includes(type))
        reader.note(
          [...place, 'node_type'],
          `${quote(name)} is of an unknown type, ${quote(type)}, and a plain host here${suggestion(type, nodeTypes)}`,
        )
      else if (type !== 'vpcs' && type !== 'docker') {
        const known = kinds.get(type)
        if (known) known.nodes++
        else kinds.set(type, { place, nodes: 1 })
      }
    }
  })
  for (const [type, { place, nodes: count }] of kinds)
    reader.note(
      place,
      `${count === 1 ? 'a node' : `${count} nodes`} of type ${quote(type)}: plain hosts here, no emulator is started; for one that you start yourself, put { udp: ..., remote: ... } or { socket: ... } in the place of the port's host`,
    )
}

/** The VLANs of a switch's ports, unless all of them are in one, which then makes no difference. */
function readVlans({ reader }: Project, { place, name, seats }: Node): void {
  const mapping = [...place, 'properties', 'ports_mapping']
  const ports = reader.items(mapping).map((_, index) => {
    const port = [...mapping, index]
    const type = wordOf(reader.at([...port, 'type'])) ?? 'access'
    return {
      port,
      type,
      number: reader.read(integer(0, 1_000_000, { default: index }), [...port, 'port_number']),
      vlan: reader.read(integer(1, 4094, { default: 1 }), [...port, 'vlan']),
    }
  })
  if (ports.every(({ type, vlan }) => type === 'access' && vlan === ports[0]?.vlan)) return
  for (const { port, type, number, vlan } of ports) {
    if (type === 'qinq')
      reader.note(
        port,
        `port ${number} of ${quote(name)}: 'qinq' is an access port here, without a second tag`,
      )
    else if (type !== 'access' && type !== 'dot1q')
      reader.complain(
        [...port, 'type'],
        `${quote(type)} is no type of port${suggestion(type, ['access', 'dot1q', 'qinq'])}`,
      )
    seats.set(number, { vlan: type === 'dot1q' ? { trunk: 'all', native: vlan } : { access: vlan } })
  }
}

/** What the ports of a cloud lead to: each of them is a way out of its own. */
function readCloud({ reader }: Project, { place, name, leads }: Node): void {
  const mapping = [...place, 'properties', 'ports_mapping']
  reader.items(mapping).forEach((_, index) => {
    const port = [...mapping, index]
    const word = (key: string): string | undefined => wordOf(reader.at([...port, key]))
    const number = reader.read(integer(0, 1_000_000, { default: index }), [...port, 'port_number'])
    const type = word('type') ?? 'ethernet'
    if (type === 'ethernet' || type === 'tap') {
      const device = word('interface') ?? word('name') ?? ''
      leads.set(
        number,
        isInterfaceName(device)
          ? { name: device, outside: type === 'tap' ? { tap: device } : { packet: device } }
          : { nowhere: `: ${quote(device)} is no interface of Linux; put the name of one there` },
      )
    } else if (type === 'udp') {
      const [local, remote] = ['lport', 'rport'].map((key) => reader.read(integer(1, 65_535), [...port, key]))
      const host = word('rhost') ?? '127.0.0.1'
      if (local === undefined || remote === undefined || !/^[\w.:-]+$/.test(host))
        reader.complain(port, `port ${number} of ${quote(name)} needs 'lport', 'rhost' and 'rport'`)
      else {
        const at = isIPv6(host) ? `[${host}]` : host
        const any = isIPv6(host) ? '[::]' : /^(?:127\.|localhost$)/.test(host) ? '127.0.0.1' : '0.0.0.0'
        leads.set(number, { name, outside: { udp: `${any}:${local}`, remote: `${at}:${remote}` } })
      }
    } else
      reader.complain(
        [...port, 'type'],
        `${quote(type)} is no type of a cloud's port${suggestion(type, ['ethernet', 'tap', 'udp'])}`,
      )
  })
}

function readNat({ reader }: Project, { place, name, leads }: Node): void {
  const device = name.replace(/[^A-Za-z0-9_-]+/g, '').slice(0, 12) || 'nat'
  reader.note(
    place,
    `${quote(name)} is the TAP ${quote(device)} of this machine, and leads no further; for a way out, give its port gateway: { interface: ..., dhcp: true, dns: true }`,
  )
  leads.set(0, { name: device, outside: { tap: device, addresses: ['192.168.122.1/24'] } })
}

function readLink(project: Project, place: Place): void {
  const { reader, lab } = project
  const given = reader.items([...place, 'nodes'])
  if (given.length !== 2) {
    reader.complain(place, `a link must have 'nodes', a list of two, and here are ${given.length}`)
    return
  }
  const [one, other] = [0, 1].map((index) => readEnd(project, [...place, 'nodes', index]))
  if (one === undefined || other === undefined) return
  if (one === 'left out' || other === 'left out') {
    for (const end of [one, other])
      if (typeof end === 'object' && 'node' in end && lab.kindOf(end.node) === 'host') lab.dangle(end)
    return
  }
  const policy = readFilters(project, place)
  if ([0, 1].some((index) => isSerial(project, [...place, 'nodes', index])))
    reader.note(place, 'a serial link: it is one of Ethernet here, with an interface like the others')
  if ('outside' in one && 'outside' in other) {
    reader.note(place, 'left out: a link that has no node of this lab at its ends')
    return
  }
  lab.link(one, other, policy)
}

function readEnd({ reader, lab, nodes }: Project, place: Place): End<Place> | 'left out' | undefined {
  const id = wordOf(reader.at([...place, 'node_id'])) ?? ''
  const number = (key: string): number =>
    reader.read(integer(0, 1_000_000, { default: 0 }), [...place, key], quote(key))
  const [adapter, port] = [number('adapter_number'), number('port_number')]
  const node = nodes.get(id)
  if (node === undefined) {
    reader.complain(place, `no node with the node_id ${quote(id)}`)
    return undefined
  }
  if (node.type === 'cloud' || node.type === 'nat') {
    const lead = node.leads.get(port)
    if (lead === undefined || 'nowhere' in lead) {
      const why = lead?.nowhere ?? ', which leads nowhere'
      reader.note(place, `left out: port ${port} of ${quote(node.name)}${why}`)
      return 'left out'
    }
    return { at: place, name: lead.name, outside: { ...lead.outside } }
  }
  if (!lab.has(node.name)) return 'left out'
  const name = `eth${adapter}${port === 0 ? '' : `-${port}`}`
  return { at: place, node: node.name, name, seat: { ...node.seats.get(port) } }
}

/** Whether an end is a serial port, by the cards that the node has: in Dynamips' slots, or after IOU's Ethernet adapters. */
function isSerial({ reader, nodes }: Project, place: Place): boolean {
  const numberAt = (at: Place): number => Number(reader.at(at) ?? 0)
  const node = nodes.get(wordOf(reader.at([...place, 'node_id'])) ?? '')
  const [adapter, port] = [numberAt([...place, 'adapter_number']), numberAt([...place, 'port_number'])]
  if (node?.type === 'iou') {
    const ethernet = wordOf(reader.at([...node.place, 'properties', 'ethernet_adapters']))
    return ethernet !== undefined && adapter >= Number(ethernet)
  }
  if (node?.type !== 'dynamips') return false
  const slot = wordOf(reader.at([...node.place, 'properties', `slot${adapter}`])) ?? ''
  return port >= firstWicPort || serialCards.test(slot)
}

/** The filters of a link as the policy of both its directions. A filter whose first number is 0 is off. */
function readFilters({ reader }: Project, place: Place): LinkPolicy {
  const policy: LinkPolicy = {}
  for (const [name, given] of reader.entries([...place, 'filters'])) {
    const at = [...place, 'filters', name]
    if (!filterNames.includes(name)) {
      const known = suggestion(name, filterNames)
      if (known === '') reader.note(at, `left out: the filter ${quote(name)}, which is not known here`)
      else reader.complain(at, `${quote(name)} is no filter${known}`, 'key')
      continue
    }
    const values = Array.isArray(given) ? (given as unknown[]) : [given]
    if (name === 'bpf') {
      addExpressions(reader, at, values, policy)
      continue
    }
    const most = name === 'delay' || name === 'frequency_drop' ? 32_767 : 100
    const numbers = values.slice(0, 2).map((value) => {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
      return typeof number === 'number' && Number.isFinite(number) ? number : NaN
    })
    const [first = NaN, second = 0] = numbers
    const least = name === 'frequency_drop' ? -1 : 0
    if (!(first >= least && first <= most && second >= 0 && second <= 32_767)) {
      reader.complain(at, `the filter ${quote(name)} needs a number from ${least} to ${most}`)
      continue
    }
    if (first === 0) continue
    if (name === 'delay') {
      policy.delay = `${first}ms`
      if (second > 0) policy.jitter = `${second}ms`
    } else if (name === 'packet_loss') policy.loss = first / 100
    else if (name === 'corrupt') {
      policy.corrupt = first / 100
      reader.note(at, "'corrupt' turns one bit of a frame around here, not a quarter of its bytes")
    } else if (first < 0) policy.allowed = false
    else policy.dropEvery = first
  }
  if (reader.read(flag(false), [...place, 'suspend'])) policy.allowed = false
  return policy
}

/** Of GNS3's expressions, one a line, each drops what it matches. */
function addExpressions(reader: FileReader, at: Place, values: readonly unknown[], policy: LinkPolicy): void {
  const expressions = values
    .flatMap((value) => (typeof value === 'string' ? value.split('\n') : []))
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (expressions.length > limits.filters)
    reader.complain(at, `a link may have ${limits.filters} expressions, not ${expressions.length}`)
  else if (expressions.length > 0) policy.drop = expressions
}

/** What the files beside a project say of a node's addresses. */
function readStartup(project: Project, node: Node): void {
  const { reader, lab } = project
  if (node.type === 'vpcs') {
    const given = reader.at([...node.place, 'properties', 'startup_script'])
    const text = typeof given === 'string' ? given : fileOf(project, node, 'vpcs', 'startup.vpc')
    for (const line of (text ?? '').split(/\r?\n/)) runVpcs(project, node, line.trim())
  }
  if (node.type === 'docker') {
    const text = fileOf(project, node, 'docker', path.join('etc', 'network', 'interfaces'))
    if (text !== undefined) readInterfaces(project, node, text)
    const command = wordOf(reader.at([...node.place, 'properties', 'start_command']))
    if (command !== undefined && command.trim() !== '') lab.wish(node.name, node.place, { command })
  }
}

/** A file of a node, undefined where there is none. Identities that are none lead nowhere. */
function fileOf(
  { folder, reader }: Project,
  { id, place }: Node,
  kind: string,
  name: string,
): string | undefined {
  if (!/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) return undefined
  const file = path.join(folder, 'project-files', kind, id, name)
  try {
    return readText(file, {
      subject: file,
      most: limits.topologyFile,
      code: 'ERR_ETHERLOOM_TOPOLOGY',
      smaller: 'leave out of it what does not set addresses',
    })
  } catch (error) {
    const { code } = (error as { cause?: NodeJS.ErrnoException }).cause ?? {}
    if (code !== 'ENOENT' && code !== 'ENOTDIR') reader.note(place, `left out: ${(error as Error).message}`)
    return undefined
  }
}

/** `ip ADDRESS[/BITS] [MASK] [GATEWAY]` of VPCS gives its interface an address; other commands but `set` and `save` are noted. */
function runVpcs({ lab, reader }: Project, { name, place }: Node, line: string): void {
  const [command = '', ...words] = line.split(/\s+/)
  if (command === '' || command.startsWith('#') || ['set', 'save', 'echo'].includes(command)) return
  const nic = lab.nic(name, 'eth0')
  const [, address = '', bits] = /^([\d.a-fA-F:]+)(?:\/(\d{1,3}))?$/.exec(words[0] ?? '') ?? []
  if (command !== 'ip' || (!isIPv4(address) && !isIPv6(address))) {
    reader.note(place, `left out: ${quote(line)} of the start-up file of ${quote(name)}`)
    return
  }
  if (nic === undefined) return
  const masks = words.slice(1).map((word) => lengthOf(word))
  const given = bits === undefined ? masks.find((length) => length !== undefined) : Number(bits)
  const length = Math.min(given ?? (isIPv6(address) ? 64 : 24), isIPv6(address) ? 128 : 32)
  nic.addresses = [...new Set([...(nic.addresses ?? []), `${address}/${length}`])]
  const gateway = words.slice(1).find((word) => isIPv4(word) && lengthOf(word) === undefined)
  if (gateway !== undefined) lab.wish(name, place, { route: { to: 'default', via: gateway } })
}

/** The prefix length that a mask such as 255.255.255.0, or a number, stands for. */
function lengthOf(word: string): number | undefined {
  if (/^\d{1,2}$/.test(word)) return Number(word)
  if (!isIPv4(word) || !word.startsWith('255.')) return undefined
  const binary = word
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('')
  return /^1*0*$/.test(binary) ? binary.replace(/0*$/, '').length : undefined
}

/** The static addresses of interfaces(5). */
function readInterfaces({ lab }: Project, { name, place }: Node, text: string): void {
  let current: { device: string; address?: string; length?: number | undefined } | undefined
  const finish = (): void => {
    const nic = current && lab.nic(name, current.device)
    if (!nic || current?.address === undefined) return
    const length = current.length ?? (isIPv6(current.address) ? 64 : 24)
    if (length <= (isIPv6(current.address) ? 128 : 32))
      nic.addresses = [...new Set([...(nic.addresses ?? []), `${current.address}/${length}`])]
  }
  for (const line of text.split(/\r?\n/)) {
    const [word = '', value = '', family = '', method = ''] = line.trim().split(/\s+/)
    if (word === 'iface') {
      finish()
      current = /^inet6?$/.test(family) && method === 'static' ? { device: value } : undefined
    } else if (current && word === 'address') {
      const [address = '', bits] = value.split('/')
      if (isIPv4(address) || isIPv6(address)) current.address = address
      if (bits !== undefined && /^\d{1,3}$/.test(bits)) current.length = Number(bits)
    } else if (current && word === 'netmask') current.length = lengthOf(value)
    else if (current && word === 'gateway' && (isIPv4(value) || isIPv6(value)))
      lab.wish(name, place, { route: { to: 'default', via: value } })
  }
  finish()
}
