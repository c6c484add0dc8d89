/**
 * Reads MiniWorld's scenario.json and config.json: JSON with `//` comments, defaults, and `node_details` for single nodes.
 * Called by miniworld.ts, which makes a topology of what is read here; on the JavaScript thread.
 *
 * Theory of operation. A table has an entry for every key that MiniWorld reads: a rule, for the keys that shape the
 * network; a sentence, for those whose work is done otherwise or not needed here; `elsewhere`, for what is not about the
 * network. Whatever stands in a file and not in the table becomes a note, for MiniWorld passes over it in silence.
 */
import {
  flag,
  integer,
  isMapping,
  list,
  oneOf,
  optional,
  refuse,
  suggestion,
  text,
  type Rule,
} from '../../values/options.js'
import type { Place } from '../../values/problem.js'
import { quote } from '../../values/quote.js'
import type { SourceFile } from './format.js'
import { FileReader, withoutComments } from './reader.js'

/** The classes of interfaces with the first byte of their MAC addresses. */
export const interfaceClasses = {
  ap: 1,
  mesh: 2,
  adhoc: 3,
  bluetooth: 4,
  wifidirect: 5,
  hubwifi: 6,
} as const

export type InterfaceClass = keyof typeof interfaceClasses
const classNames = Object.keys(interfaceClasses) as InterfaceClass[]

/** Whether links are by distance, and of which quality, by MiniWorld's names without their module. */
export const linkModels = {
  LinkQualityModelRange: 'range',
  LinkQualityModelWiFiLinear: 'linear',
  LinkQualityModelWiFiExponential: 'exponential',
} as const

export type LinkModel = (typeof linkModels)[keyof typeof linkModels]

/** How nodes move. */
const walks = ['core', 'RandomWalk', 'MoveOnBigStreets', 'arma'] as const

/** A /8 to /32 of IPv4, as a number and a length. */
export interface Subnet {
  base: number
  length: number
}

/** What a scenario says of the network, defaults filled in. */
export interface Scenario {
  name: string | undefined
  /** Number of nodes; their ids are 1 to this. */
  nodes: number
  backend: 'bridged' | 'vde'
  /** One interface for all links of a node, or one for each. */
  connections: 'single' | 'multi'
  model: LinkModel
  /** kbit/s. */
  bandwidth: number | undefined
  interfaces: readonly InterfaceClass[]
  /** Of nodes that have others. */
  interfacesOf: ReadonlyMap<number, readonly InterfaceClass[]>
  /** Where data interfaces get their addresses; undefined where they get none. */
  addresses: { network: Subnet; prefixLength: number } | undefined
  nicPrefix: string
  walk: (typeof walks)[number] | undefined
  topologies: readonly { seconds: number; file: string; place: Place }[]
  coreMode: 'lan' | 'wifi'
  loop: boolean
  hook: string | undefined
}

/** What a config.json says of the network. */
export interface Config {
  /** The name of the management network; undefined where there is none. */
  management: string | undefined
  /** Seconds between automatic steps. */
  timeStep: number
}

/** A file of MiniWorld that is being read. */
export class Reader extends FileReader {
  /** Keys that are not about the network. */
  readonly elsewhere: Place[] = []

  /** The parsed file, or what keeps it from being read. */
  static async open({ file, text: raw }: SourceFile): Promise<Reader> {
    const { data, locate, problems } = await FileReader.parsed({ file, text: withoutComments(raw) })
    const reader = new Reader(file, data, locate)
    reader.problems.push(...problems)
    return reader
  }

  /** Holds what is there against the table of what MiniWorld reads. */
  check(table: Table, at: Place = [], value: unknown = this.data): void {
    if (value === null || value === undefined) return
    if (!isMapping(value)) {
      this.complain(at, `${at.length === 0 ? 'the file' : quote(at.join('.'))} must be an object`)
      return
    }
    for (const [key, given] of Object.entries(value)) {
      const place = [...at, key]
      const entry = Object.hasOwn(table, key) ? table[key] : undefined
      if (entry === undefined) this.#unknown(place, Object.keys(table))
      else if (given === null || entry === known) continue
      else if (entry === elsewhere) this.elsewhere.push(place)
      else if (typeof entry === 'string') this.note(place, `${quote(place.join('.'))}: ${entry}`)
      else this.check(entry, place, given)
    }
  }

  /** One note on all keys that are not about the network. */
  noteElsewhere(): void {
    const [first] = this.elsewhere
    if (first === undefined) return
    const keys = this.elsewhere.map((place) => quote(place.join('.'))).join(', ')
    this.note(first, `not about the network, so not in the topology: ${keys}`)
  }

  #unknown(place: Place, keys: string[]): void {
    const path = place.join('.')
    if (path === 'network.backend.links')
      this.note(
        place,
        "'network.backend.links' has no effect, in MiniWorld neither: it must be 'network.links'",
      )
    else
      this.note(
        place,
        `'${path}' has no effect, MiniWorld knows no such key${suggestion(`${place.at(-1)}`, keys)}`,
      )
  }
}

const known = Symbol('read below')
const elsewhere = Symbol('not about the network')

interface Table {
  readonly [key: string]: Table | typeof known | typeof elsewhere | string
}

const spread = 'one process carries all nodes; to spread them over machines, join fabrics with udp ports'
const oneTransaction = 'not needed, each step is one transaction'

const scenarioTable: Table = {
  scenario: known,
  cnt_nodes: known,
  walk_model: { name: known, filepath: 'replays of arma files cannot be run, in MiniWorld neither' },
  provisioning: elsewhere,
  qemu: elsewhere,
  network: {
    backend: {
      name: known,
      connection_mode: known,
      execution_mode: oneTransaction,
      event_hook_script: known,
      distributed_mode: spread,
      tunnel_endpoints: spread,
      num_ports: 'not needed, a fabric has as many ports as there are',
    },
    links: {
      model: known,
      bandwidth: known,
      interfaces: known,
      configuration: {
        auto_ipv4: known,
        nic_prefix: known,
        connectivity_check: "nothing is checked by itself; try 'etherloom exec NODE ping ADDRESS'",
        ip_provisioner: {
          name: 'the connection mode decides, as in MiniWorld',
          base_network_cidr: known,
          prefixlen: known,
        },
      },
    },
    core: { topologies: known, mode: known, loop: known },
  },
  distributed: spread,
  node_details: known,
}

const configTable: Table = {
  management: { use: known, device: known },
  simulation: { time_step: known },
  network: { protocol: spread },
  distributed: spread,
  network_switching_threads: oneTransaction,
  concurrency: elsewhere,
  provisioning: elsewhere,
  logging: elsewhere,
  qemu: elsewhere,
  ramdisk: elsewhere,
  vlan_enabled: elsewhere,
}

/** Reads a scenario. What is wrong with it is in the reader's problems, and then the rest of the answer is not to be used. */
export function readScenario(reader: Reader): Scenario {
  reader.check(scenarioTable)
  const links = ['network', 'links']
  const configuration = [...links, 'configuration']
  const provisioner = [...configuration, 'ip_provisioner']
  const automatic = reader.read(flag(true), [...configuration, 'auto_ipv4'])
  const network = reader.read(subnet, [...provisioner, 'base_network_cidr'])
  const prefixLength = reader.read(integer(1, 30, { default: 16 }), [...provisioner, 'prefixlen'])
  if (prefixLength < network.length)
    reader.complain(
      [...provisioner, 'prefixlen'],
      `'prefixlen' must be at least that of 'base_network_cidr', ${network.length}`,
    )
  const scenario: Scenario = {
    name: reader.read(text(), ['scenario']),
    nodes: reader.read(nodeCount, ['cnt_nodes']),
    backend: reader.read(oneOf(['bridged', 'vde'], 'bridged'), ['network', 'backend', 'name']),
    connections: reader.read(oneOf(['single', 'multi'], 'single'), ['network', 'backend', 'connection_mode']),
    model: reader.read(linkModel, [...links, 'model']),
    bandwidth: reader.read(bandwidth, [...links, 'bandwidth']),
    interfaces: reader.read(interfaceList, [...links, 'interfaces']) ?? ['mesh'],
    interfacesOf: readNodeDetails(reader),
    addresses: automatic ? { network, prefixLength } : undefined,
    nicPrefix: reader.read(text({ max: 8, default: 'eth' }), [...configuration, 'nic_prefix']),
    walk: reader.read(oneOf(walks), ['walk_model', 'name']),
    topologies: reader.read(topologies, ['network', 'core', 'topologies']),
    coreMode: reader.read(oneOf(['lan', 'wifi'], 'wifi'), ['network', 'core', 'mode']),
    loop: reader.read(flag(false), ['network', 'core', 'loop']),
    hook: reader.read(text({ max: 4096 }), ['network', 'backend', 'event_hook_script']),
  }
  reader.noteElsewhere()
  return scenario
}

/** Reads a config.json, or gives MiniWorld's defaults. */
export function readConfig(reader: Reader | undefined): Config {
  if (reader === undefined) return { management: undefined, timeStep: 1 }
  reader.check(configTable)
  const use = reader.read(flag(false), ['management', 'use'])
  const device = reader.read(text({ max: 15, default: 'mgmt' }), ['management', 'device'])
  const timeStep = reader.read(seconds(0.01, 1), ['simulation', 'time_step'])
  reader.noteElsewhere()
  return { management: use ? device : undefined, timeStep }
}

/** The interfaces of single nodes. Everything else that can stand there is of the machine, or of all nodes. */
function readNodeDetails(reader: Reader): ReadonlyMap<number, readonly InterfaceClass[]> {
  const found = new Map<number, readonly InterfaceClass[]>()
  const details = isMapping(reader.data) ? reader.data.node_details : undefined
  if (details === undefined || details === null) return found
  if (!isMapping(details))
    reader.complain(['node_details'], "'node_details' must be an object of nodes by id")
  else
    for (const [id, given] of Object.entries(details)) {
      const place = ['node_details', id]
      if (!/^[1-9]\d{0,4}$/.test(id))
        reader.complain(place, `${quote(id)} in 'node_details' must be the id of a node`, 'key')
      reader.check(detailsTable, place, given)
      const interfaces = reader.read(interfaceList, [...place, 'network', 'links', 'interfaces'])
      if (interfaces !== undefined) found.set(Number(id), interfaces)
    }
  return found
}

const ofAll = 'holds for all nodes or none; give it outside of node_details'
const detailsTable: Table = {
  ...Object.fromEntries(Object.keys(scenarioTable).map((key) => [key, ofAll])),
  provisioning: elsewhere,
  qemu: elsewhere,
  interfaces: "has no effect, in MiniWorld neither: it must be 'network.links.interfaces'",
  network: {
    backend: ofAll,
    core: ofAll,
    links: { model: ofAll, bandwidth: ofAll, configuration: ofAll, interfaces: known },
  },
}

const nodeCount: Rule<number> = (value, subject) => {
  if (value === undefined && subject !== '') return refuse(subject, 'given: the number of nodes')
  return integer(1, 65_534, { default: 1 })(value, subject)
}

const interfaceList: Rule<InterfaceClass[] | undefined> = optional((value, subject) => {
  const classes = list(oneOf(classNames))(value, subject)
  if (classes.length === 0) return refuse(subject, 'a list of at least one class of interfaces', value)
  if (classes.filter((name) => name === 'hubwifi').length > 1)
    return refuse(subject, "a list with at most one 'hubwifi'", value)
  return classes
})

const linkModel: Rule<LinkModel> = (value, subject) => {
  if (value === undefined) return 'range'
  const names = Object.keys(linkModels) as (keyof typeof linkModels)[]
  const given = typeof value === 'string' ? value.slice(value.lastIndexOf('.') + 1) : value
  const known = names.find((name) => name === given)
  if (known !== undefined) return linkModels[known]
  // Beginnings first: who writes LinkQualityModelWiFi means one of those that go on.
  const meant = names.find((name) => typeof given === 'string' && given.length > 16 && name.startsWith(given))
  if (meant !== undefined) return refuse(subject, oneOfModels, given, meant)
  oneOf(names)(given, subject)
  return refuse(subject, oneOfModels, given)
}
const oneOfModels = `one of ${Object.keys(linkModels)
  .map((name) => quote(name))
  .join(', ')}`

/** kbit/s; MiniWorld takes a number as text too. */
const bandwidth: Rule<number | undefined> = optional((value, subject) => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && number > 0 && number <= 1e9
    ? number
    : refuse(subject, 'a number of kbit/s above 0 and up to 1000000000', value)
})

function seconds(min: number, fallback: number): Rule<number> {
  return (value, subject) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : (value ?? fallback)
    return typeof number === 'number' && number >= min && number <= 1e6
      ? number
      : refuse(subject, `a number of seconds from ${min} to 1000000`, value)
  }
}

const topologies: Rule<Scenario['topologies']> = (value, subject) => {
  if (value === undefined) return []
  if (!Array.isArray(value)) return refuse(subject, "a list of [seconds, 'file.xml']", value)
  return value.map((entry: unknown, index) => {
    const [duration, file, ...rest] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof file !== 'string' || file === '' || rest.length > 0)
      return refuse(`entry ${index + 1} of ${subject}`, "[seconds, 'file.xml']", entry)
    const time = seconds(0, 0)(duration, `the time in entry ${index + 1} of ${subject}`)
    return { seconds: time, file, place: ['network', 'core', 'topologies', index, 1] }
  })
}

const subnet: Rule<Subnet> = (value, subject) => {
  const parts = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(typeof value === 'string' ? value : '10.0.0.0/8')
  const [a = 256, b = 0, c = 0, d = 0, length = 0] = (parts ?? []).slice(1).map(Number)
  const fits = [a, b, c, d].every((byte) => byte < 256) && length >= 1 && length <= 30
  const base = ((a * 256 + b) * 256 + c) * 256 + d
  return fits && (value === undefined || typeof value === 'string') && base % 2 ** (32 - length) === 0
    ? { base, length }
    : refuse(subject, "an IPv4 network such as '10.0.0.0/8'", value)
}
