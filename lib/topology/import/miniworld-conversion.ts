/**
 * MiniWorld's scenarios as topologies: its nodes are hosts, or named TAPs for machines that are started elsewhere.
 * Called by miniworld.ts; on the JavaScript thread.
 *
 * Theory of operation. Names are MiniWorld's, so that scripts and machines find what they know: `tap_00012_1` is the
 * first interface of node 12, `wifi1` the fabric of the first interfaces of each class, `br_00001_00002` the wire of a
 * connection. The management network is a switch; with it each node has one more interface, the last.
 */
import path from 'node:path'
import { EtherloomError } from '../../values/errors.js'
import { quote } from '../../values/quote.js'
import { readText } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import { readCoreTopology, type CoreTopology } from '../../world/movements/core-file.js'
import type { FileProblem } from '../file-problem.js'
import type { Conversion, SourceFile } from './format.js'
import { interfaceClasses, readConfig, readScenario, Reader } from './miniworld-scenario.js'
import type { Config, InterfaceClass, Scenario } from './miniworld-scenario.js'

/** What a user says beside the files. */
export interface MiniworldOptions {
  /** MiniWorld's config.json. */
  config?: SourceFile
  /**
   * Hosts of ours (the default); TAPs by the names that MiniWorld has for them, for machines that use an interface of this
   * one; packet sockets on interfaces of those names, which machines that are started first have made; or the folders of VDE switches
   * that MiniWorld's backend 'vde' had, one for each interface.
   */
  machines?: 'hosts' | 'taps' | 'packet' | 'vde'
}

/** An interface of a node. */
interface Nic {
  node: number
  /** Its number on the node, from 1; part of its name. */
  number: number
  nicClass: InterfaceClass | 'management'
  /** Its number among those of its class on the node, from 1. */
  ofClass: number
}

/** A topology that a scenario walks through. */
interface Station extends CoreTopology {
  /** Absolute. */
  file: string
  seconds: number
}

/** The side of the square that nodes walk about on where MiniWorld had a map. */
const squareMetres = 1000

/** What is made of one scenario: where things go as they are found. */
interface Draft {
  scenario: Scenario
  config: Config
  reader: Reader
  machines: NonNullable<MiniworldOptions['machines']>
  fabrics: Record<
    string,
    { kind: 'hub' | 'switch'; forwarding?: 'deny'; ports: Record<string, object>; listen?: object }
  >
  worlds: Record<string, object>
}

export async function convertScenario(
  files: readonly SourceFile[],
  options: MiniworldOptions,
): Promise<Conversion> {
  const [source, another] = files
  if (source === undefined) return { problems: [], notes: [] }
  if (another !== undefined) {
    const message = 'a scenario is a network of its own; import one at a time, a config.json as --config'
    return { problems: [{ file: another.file, line: 1, column: 1, message }], notes: [] }
  }
  const reader = await Reader.open(source)
  const configReader = options.config && (await Reader.open(options.config))
  const problems = (): FileProblem[] => [...reader.problems, ...(configReader?.problems ?? [])]
  if (problems().length > 0) return { problems: problems(), notes: [] }
  const [scenario, config] = [readScenario(reader), readConfig(configReader)]
  const stations = readStations(scenario, reader, path.dirname(source.file))
  const notes = (): FileProblem[] => [...reader.notes, ...(configReader?.notes ?? [])]
  if (problems().length > 0) return { problems: problems(), notes: notes() }
  const { machines = 'hosts' } = options
  const draft = { scenario, config, reader, machines, fabrics: {}, worlds: {} }
  noteDifferences(draft, options)
  if (scenario.connections === 'multi') drawWires(draft, stations)
  else drawHubs(draft, stations)
  return { topology: topologyOf(draft), problems: problems(), notes: notes() }
}

function topologyOf({ scenario, machines, fabrics, worlds }: Draft): unknown {
  const name = scenario.name?.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 63)
  return {
    ...(name !== undefined && { name }),
    ...(machines === 'hosts' && {
      hosts: Object.fromEntries(nodesOf(scenario).map((node) => [`${node}`, {}])),
    }),
    fabrics,
    worlds,
  }
}

/** Bridged WiFi: one interface of a class and number for all links of a node, on a hub where links are what passes. */
function drawHubs(draft: Draft, stations: Station[]): void {
  const subnets = new Map<string, number>()
  const moving = new Map<string, { fabric: string; nodes: string[] }>()
  for (const node of nodesOf(draft.scenario))
    for (const nic of nicsOf(draft, node)) {
      const group = `${nic.nicClass}${nic.ofClass}`
      if (nic.nicClass === 'management') {
        attach(draft, managementOf(draft), 'switch', nic, managementAddress(node))
        continue
      }
      if (!subnets.has(group)) subnets.set(group, subnets.size)
      const address = addressIn(draft, subnets.get(group) ?? 0, node)
      if (nic.nicClass === 'hubwifi') {
        attach(draft, 'br_cn_1', 'hub', nic, address)
        continue
      }
      const fabric = `wifi${nic.ofClass}`
      attach(draft, fabric, 'radio', nic, address)
      const world = moving.get(group) ?? { fabric, nodes: [] }
      world.nodes.push(portName(nic))
      moving.set(group, world)
    }
  if (moving.size > 1)
    draft.reader.note(
      ['network', 'links', 'interfaces'],
      `a world for each class of interfaces, ${[...moving.keys()].join(', ')}; 'etherloom step' takes a step of all`,
    )
  for (const [name, world] of moving) draft.worlds[name] = { ...world, ...movementOf(draft, stations) }
}

/**
 * Bridged LAN: a wire and an interface at each end for every connection. MiniWorld gives a node as many interfaces as it has
 * neighbours in all topologies together, nodes that are not there included, and the management network the next one. A
 * connection takes the first unused one of each node when it is first made, and keeps it; so does a world.
 */
function drawWires(draft: Draft, stations: Station[]): void {
  const { scenario, config } = draft
  const addresses = allotAddresses(draft, stations)
  const neighbours = neighboursOf(stations)
  noteClasses(draft)
  const nics = nodesOf(scenario).map((node) => {
    const count = neighbours.get(node)?.size ?? 0
    if (config.management !== undefined)
      attach(draft, config.management, 'switch', managementNic(node, count + 1), managementAddress(node))
    return [`${node}`, wireNics(draft, { node, count }, addresses.get(node) ?? [])] as const
  })
  const wireNames = 'br_%05d_%05d'
  draft.worlds.lan = { wires: Object.fromEntries(nics), wireNames, ...movementOf(draft, stations) }
}

/** All interfaces of a node for its links. */
function wireNics(
  { scenario, machines }: Draft,
  { node, count }: { node: number; count: number },
  addresses: string[],
): object {
  const name = `tap_${digits(node)}_%x`
  if (machines !== 'hosts') return { [machines === 'taps' ? 'tap' : 'packet']: name }
  const nicClass = wireClass(scenario, node)
  const macs = Array.from({ length: Math.min(count, 255) }, (_, index) =>
    macOf({ nicClass, ofClass: index + 1, node }),
  )
  return {
    host: `${node}`,
    interface: 'eth%i',
    name,
    ...(count > 0 && macs[0] !== undefined && { macs }),
    ...(addresses.length > 0 && { addresses }),
  }
}

/** The class of a node's interfaces for its links, of which there is one only. */
const wireClass = ({ interfaces, interfacesOf }: Scenario, node: number): InterfaceClass =>
  (interfacesOf.get(node) ?? interfaces)[0] as InterfaceClass

function noteClasses({ scenario, reader }: Draft): void {
  const several = nodesOf(scenario).some(
    (node) => (scenario.interfacesOf.get(node) ?? scenario.interfaces).length > 1,
  )
  if (several)
    reader.note(
      ['network', 'links', 'interfaces'],
      "with connection_mode 'multi' a node has an interface for each connection, all of the first of these classes",
    )
}

function neighboursOf(stations: Station[]): Map<number, Set<number>> {
  const neighbours = new Map<number, Set<number>>()
  for (const [a, b] of stations.flatMap(({ links }) => links))
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const known = neighbours.get(node) ?? new Set()
      neighbours.set(node, known.add(other))
    }
  return neighbours
}

/** The addresses of each node's interfaces, by their numbers: a part of the network per connection, in the order of making. */
function allotAddresses(draft: Draft, stations: Station[]): Map<number, string[]> {
  const { nodes } = draft.scenario
  const addresses = new Map<number, string[]>()
  const connections = new Set<string>()
  for (const { links } of stations) {
    const inOrder = links
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
      .filter(([a, b]) => a >= 1 && a < b && b <= nodes)
      .sort(([a, b], [c, d]) => a - c || b - d)
    for (const pair of inOrder) {
      const part = connections.size
      if (connections.has(pair.join())) continue
      connections.add(pair.join())
      pair.forEach((node, end) => {
        const address = addressIn(draft, part, end + 1)
        if (address !== undefined) addresses.set(node, [...(addresses.get(node) ?? []), address])
      })
    }
  }
  return addresses
}

/** The interfaces of a node, in the order of their numbers. */
function nicsOf({ scenario, config }: Draft, node: number): Nic[] {
  const classes = [...(scenario.interfacesOf.get(node) ?? scenario.interfaces)]
  classes.sort((one, other) => interfaceClasses[one] - interfaceClasses[other])
  const nics = classes.map((nicClass, index) => ({
    node,
    number: index + 1,
    nicClass,
    ofClass: classes.slice(0, index + 1).filter((each) => each === nicClass).length,
  }))
  if (config.management === undefined) return nics
  return [...nics, managementNic(node, nics.length + 1)]
}

const managementNic = (node: number, number: number): Nic => ({
  node,
  number,
  nicClass: 'management',
  ofClass: 1,
})
const managementOf = ({ config }: Draft): string => config.management ?? ''

const kinds = {
  /** Everybody hears everybody. */
  hub: { kind: 'hub' },
  /** Who hears whom is a world's business. */
  radio: { kind: 'hub', forwarding: 'deny' },
  switch: { kind: 'switch' },
} as const

function attach(
  draft: Draft,
  fabric: string,
  kind: keyof typeof kinds,
  nic: Nic,
  address: string | undefined,
): void {
  draft.fabrics[fabric] ??= { ...kinds[kind], ports: {} }
  draft.fabrics[fabric].ports[portName(nic)] = portOf(draft, fabric, nic, address)
}

function portOf(draft: Draft, fabric: string, nic: Nic, address: string | undefined): object {
  const { machines } = draft
  if (machines === 'vde') {
    const name = vdeSwitchName(nic)
    const listen = { protocol: 'vde', directory: `${vdeFolder}/${name}` }
    draft.fabrics[name] = { kind: 'hub', ports: { cable: { patch: `${fabric}.${portName(nic)}` } }, listen }
    return { patch: `${name}.cable` }
  }
  if (machines !== 'hosts') return { [machines === 'taps' ? 'tap' : 'packet']: portName(nic) }
  const mac = macOf(nic)
  return {
    host: `${nic.node}`,
    interface: nic.nicClass === 'management' ? 'mgmt' : `eth${nic.number - 1}`,
    ...(mac !== undefined && { mac }),
    ...(address !== undefined && { addresses: [address] }),
  }
}

/** Where MiniWorld had the switches of its backend 'vde': one for each interface, called by node, class and number of the class. */
const vdeFolder = '/tmp/MiniWorld'
const vdeSwitchName = ({ node, nicClass, ofClass }: Nic): string =>
  `vde_switch_${node}_${classNumber(nicClass)}_${ofClass}`
const classNumber = (nicClass: Nic['nicClass']): number =>
  nicClass === 'management' ? 10 : interfaceClasses[nicClass]

const portName = ({ node, number }: Nic): string => `tap_${digits(node)}_${number.toString(16)}`
const digits = (node: number): string => `${node}`.padStart(5, '0')

/** `CC:NN:ii:ii:ii:ii`: class, number of the class, node. Undefined for group addresses, which no kernel's interface has. */
function macOf({ nicClass, ofClass, node }: Omit<Nic, 'number'>): string | undefined {
  const first = classNumber(nicClass)
  const bytes = [first, ofClass, 0, 0, node >> 8, node & 255]
  return first % 2 === 1 ? undefined : bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

const managementAddress = (node: number): string => `172.21.${node >> 8}.${node & 255}/16`

/** Address number `host` of a part of the scenario's network; a part that is not there is a mistake of the scenario's. */
function addressIn({ scenario, reader }: Draft, part: number, host: number): string | undefined {
  if (scenario.addresses === undefined) return undefined
  const { network, prefixLength } = scenario.addresses
  if (part >= 2 ** (prefixLength - network.length) || host >= 2 ** (32 - prefixLength) - 1) {
    const place = ['network', 'links', 'configuration', 'ip_provisioner']
    const message = `the network for addresses has too few parts or addresses for ${scenario.nodes} nodes`
    if (reader.problems.length === 0) reader.complain(place, message, 'key')
    return undefined
  }
  const address = network.base + part * 2 ** (32 - prefixLength) + host
  return `${[24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')}/${prefixLength}`
}

const nodesOf = ({ nodes }: Scenario): number[] => Array.from({ length: nodes }, (_, index) => index + 1)

/** What cannot be as it was, or is to be known. Keys without effect the reader has noted. */
function noteDifferences(
  { scenario, reader, config, machines }: Draft,
  { config: file }: MiniworldOptions,
): void {
  const { walk, topologies, connections } = scenario
  const core = ['network', 'core', 'topologies']
  const name = ['walk_model', 'name']
  if (file === undefined)
    reader.note(
      [],
      'without a config.json there is no management network; give one with --config FILE',
      'value',
    )
  if (walk === 'arma') reader.complain(name, "'arma' replays cannot be run, in MiniWorld neither")
  if (walk === 'core' && topologies.length === 0)
    reader.complain(name, `'core' needs ${quote(core.join('.'))}`)
  if (walk !== 'core' && topologies.length > 0)
    reader.note(
      core,
      `without "walk_model": { "name": "core" } the topologies have no effect, in MiniWorld neither`,
    )
  if (walk !== 'core' && connections === 'multi')
    reader.complain(
      ['network', 'backend', 'connection_mode'],
      "'multi' needs the walk model 'core', in MiniWorld too",
    )
  if (walk === 'RandomWalk' || walk === 'MoveOnBigStreets')
    reader.note(name, `nodes walk at random on a square of ${squareMetres} m, not along the streets of a map`)
  if (walk === undefined) reader.note([], 'nothing moves, so no nodes are ever linked', 'value')
  if (scenario.backend === 'vde')
    reader.note(
      ['network', 'backend', 'name'],
      machines === 'vde'
        ? "the links are those of 'vde'; the delay, which 'vde' passed over, holds"
        : "'vde' becomes Bridged WiFi, with the same links; the delay, which 'vde' passed over, holds; '--machines vde' has the folders of its switches",
    )
  if (machines === 'vde')
    reader.note(
      [],
      `the folders of switches are in ${vdeFolder}; make that first, so that only who may use them can write there`,
    )
  if (scenario.hook !== undefined)
    reader.note(
      ['network', 'backend', 'event_hook_script'],
      'runs after each step with the step as JSON on its standard input, instead of names of bridges as its argument',
    )
  if (machines === 'hosts' && scenario.nicPrefix !== 'eth')
    reader.note(
      ['network', 'links', 'configuration', 'nic_prefix'],
      `the addresses are those of eth0, eth1, ...; who makes '${scenario.nicPrefix}0' has to move them there`,
    )
  const used = new Set(
    nodesOf(scenario).flatMap((node) =>
      connections === 'multi'
        ? wireClass(scenario, node)
        : (scenario.interfacesOf.get(node) ?? scenario.interfaces),
    ),
  )
  const odd = [...used].filter((each) => interfaceClasses[each] % 2 === 1)
  if (machines === 'hosts' && odd.length > 0)
    reader.note(
      ['network', 'links', 'interfaces'],
      `${odd.join(' and ')} have group addresses in MiniWorld, which no Linux interface takes; they get others`,
    )
  if (config.timeStep !== 1)
    reader.note(
      [],
      `steps are taken by 'etherloom step'; for automatic ones write 'step: ${config.timeStep}s' in the world`,
      'value',
    )
}

/** The topologies that a scenario walks through, in its order. */
function readStations(scenario: Scenario, reader: Reader, folder: string): Station[] {
  if (scenario.walk !== 'core') return []
  return scenario.topologies.flatMap(({ file: name, seconds, place }): Station[] => {
    try {
      const { file, text } = findFile(name, folder)
      return [{ ...readCoreTopology(text, file), file, seconds }]
    } catch (error) {
      reader.complain(place, (error as Error).message)
      return []
    }
  })
}

/**
 * MiniWorld's paths are relative to the folder that its server was started in, which is most often one above that of the
 * scenario.
 */
function findFile(name: string, folder: string): SourceFile {
  const folders = [path.resolve(folder)]
  for (let above = folders[0] ?? ''; path.dirname(above) !== above;)
    folders.push((above = path.dirname(above)))
  for (const each of [...folders, process.cwd()]) {
    const file = path.resolve(each, name)
    try {
      const text = readText(file, {
        subject: file,
        most: limits.topologyFile,
        code: 'ERR_ETHERLOOM_TOPOLOGY',
        smaller: 'leave out of it what is neither a node, its place nor a link',
      })
      return { file, text }
    } catch (error) {
      const { cause } = error as { cause?: NodeJS.ErrnoException }
      if (cause?.code !== 'ENOENT') throw error
    }
  }
  throw new EtherloomError(
    'ERR_ETHERLOOM_TOPOLOGY',
    `no file ${quote(name)} in the folder of the scenario, in one above it, or in the current one`,
    { hint: 'give its absolute path' },
  )
}

/** The quality of links by distance, and where distances come from: the same for all worlds of a scenario. */
function movementOf({ scenario }: Draft, stations: Station[]): object {
  const { model, bandwidth, walk, coreMode, loop, hook } = scenario
  const core = stations.map(({ file, seconds }) => (seconds === 0 ? file : { file, for: `${seconds}s` }))
  const area = [squareMetres, squareMetres]
  return {
    model,
    ...(bandwidth !== undefined && { bandwidth: `${bandwidth}kbit` }),
    ...(walk === 'core' && { movement: { core, mode: coreMode, ...(loop && { loop }) } }),
    ...(walk === 'RandomWalk' && { movement: { randomWalk: { area, speed: [1, 5] } } }),
    ...(walk === 'MoveOnBigStreets' && { movement: { randomWalk: { area, speed: [5, 15] } } }),
    ...(walk !== undefined && { step: 'manual' }),
    ...(hook !== undefined && { hook: `'${hook.replaceAll("'", "'\\''")}'` }),
  }
}
