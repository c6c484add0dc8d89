/**
 * What a topology file may say, composed of what fabrics, ports, policies, timelines and worlds declare of themselves.
 * Called by check.ts, which finds mistakes by it, and by the build, which publishes its JSON Schema; its types are used by
 * everything about topologies. What a single value cannot show, such as names that must exist, is checked
 * where it is read: resolve.ts, plan-ports.ts, plan-paths.ts and worlds.ts.
 */
import { jsonSchema } from '../values/json-schema.js'
import { entryName } from '../values/names.js'
import {
  about,
  either,
  integer,
  list,
  mapping,
  oneOf,
  optional,
  record,
  required,
  shaped,
  text,
  type Rule,
  type Rules,
} from '../values/options.js'
import { rate, duration, type Duration, type Rate } from '../values/units.js'
import { engineRules, type EngineOptions } from '../engine/engine.js'
import { attachRules, type AttachOptions } from '../fabrics/attachment.js'
import { listenShapes, type ListenOptions } from '../fabrics/servers/index.js'
import { fabricRules, type FabricOptions } from '../fabrics/fabric.js'
import { fabricKinds, type FabricMapping } from '../fabrics/index.js'
import { policyRules, type Policy } from '../policy/policy.js'
import { portKinds, type NicMapping, type PortMapping } from '../ports/index.js'
import { entryKeys, type TimelineEntry, type TimelinePaths } from '../timeline/entries.js'
import { linkModels, type LinkModelMapping } from '../world/models/index.js'
import { movements, type MovementMapping } from '../world/movements/index.js'
import { hostRules, type TopologyHost } from './host-rules.js'
import { wireRules, type CommonWorldOptions, type WireWorldOptions } from '../world/options.js'

// ---- Policies and paths ----

export type TopologyPolicy = Partial<Omit<Policy, 'seed'>> & { seed?: number }

/** One policy. */
export const policyRule: Rule<unknown> = mapping(policyRules)

const portName = about('A port of this fabric.', entryName())
const severalPorts = (all: string) =>
  either<unknown>(`the name of a port, a list of names, or '*' for ${all}`, [
    portName,
    oneOf(['*']),
    list(portName, { min: 1 }),
  ])
const between = required(about('Ports of this fabric: both ways for each pair.', list(portName, { min: 2 })))
const somePorts = required(
  about(
    "A port of this fabric, a list of them, or '*' for every other one.",
    severalPorts('every other port'),
  ),
)
const paths = [{ between }, { from: somePorts, to: somePorts }]

export type TopologyPath = TimelinePaths<string> & TopologyPolicy

const pathRule = shapes(paths.map((ends) => ({ ...ends, ...policyRules })))

// ---- Timelines ----

export type TopologyTimelineEntry = TimelineEntry<string>

const { allowed: _allowed, filter: _filter, drop: _drop, seed: _seed, ...ramped } = policyRules as Rules
/** For each option that can go from one value to another: a list of the two. */
const ramp = required(
  about(
    'Options that go from a first to a last value: { loss: [0, 5%] }.',
    mapping(
      Object.fromEntries(
        Object.entries(ramped).map(([option, rule]) => [
          option,
          about(
            `First and last value of '${option}'.`,
            list(rule, { min: 2, max: 2, expects: 'a list of two: the first and the last value' }),
          ),
        ]),
      ),
    ),
  ),
)
const carrierPorts = {
  port: required(
    about(
      "A port of this fabric, a list of them, or '*' for all, as both ends of a wire.",
      severalPorts('every port'),
    ),
  ),
}
const timelineEntry = shapes([
  ...paths.flatMap((ends) => [
    { ...ends, ...entryKeys.change, ...policyRules },
    { ...ends, ...entryKeys.ramp, ramp },
    { ...ends, ...entryKeys.flap },
  ]),
  { ...carrierPorts, ...entryKeys.flap },
  { ...carrierPorts, ...entryKeys.carrier },
])

// ---- Ports and fabrics ----

export type TopologyPort = AttachOptions & PortMapping

const portRule = () => shapes([...portKinds].map(({ options }) => ({ ...attachRules, ...options })))

interface FabricKeys extends Pick<FabricOptions, 'forwarding'> {
  ports: Record<string, TopologyPort>
  listen?: ListenOptions | ListenOptions[]
  paths?: TopologyPath[]
  timeline?: TopologyTimelineEntry[]
}
export type TopologyFabric = FabricKeys & FabricMapping

const fabricRule = () => {
  const keys = {
    forwarding: about('What holds for pairs of ports that no path entry names.', fabricRules.forwarding),
    ports: required(
      about('The ports, by name.', record(about('Name of the port.', entryName()), portRule())),
    ),
    listen: about(
      'Where any number of peers become ports, as they come and go: one mapping, or a list of them.',
      oneOrMore(listenShapes(), { by: 'protocol' }),
    ),
    paths: about(
      'Policies of directed pairs of ports; the last entry that names a pair holds.',
      list(pathRule),
    ),
    timeline: about(
      'Changes of paths and carriers at given times, in ramps, and by outages.',
      list(timelineEntry),
    ),
  }
  return shapes(
    [...fabricKinds].map(({ key, description, options }) => ({
      kind: required(about(description, oneOf([key]))),
      ...options,
      ...keys,
    })),
    { by: 'kind' },
  )
}

// ---- Worlds ----

const bandwidth = about(
  "Bits per second of links, in each direction; of the WiFi models, at distance 0. Default: the model's own.",
  rate(),
  { examples: ['54Mbit'] },
)
const nicRule = () => shapes([...portKinds].flatMap(({ numbered }) => (numbered ? [numbered.options] : [])))

interface WorldKeys extends Pick<CommonWorldOptions, 'missing' | 'hook'> {
  model?: LinkModelMapping
  bandwidth?: Rate
  movement?: MovementMapping
  step?: 'manual' | Duration
}
interface WireWorldKeys extends Pick<WireWorldOptions, 'whenDown'> {
  wires: Record<string, NicMapping>
  wireNames?: string
}
export type TopologyWorld = WorldKeys & ({ fabric: string; nodes?: string[] } | WireWorldKeys)

const wireNamesPattern = /^[^\s%]{0,30}%(?:s|0[1-9]d)[^\s%]{0,30}%(?:s|0[1-9]d)[^\s%]{0,30}$/
const worldRule = () => {
  const keys = {
    model: about(
      'What a link of a length does. Default range.',
      either<unknown>(
        `${linkModels.keys.map((key) => `'${key}'`).join(', ')}, or a mapping with one of them`,
        [
          oneOf(linkModels.keys),
          ...[...linkModels].map(({ key, description, options }) =>
            mapping({ [key]: required<unknown>(about(description, mapping(options))) }),
          ),
        ],
      ),
    ),
    bandwidth,
    movement: about(
      'How the distances of nodes come about.',
      shapes([...movements].map(({ options }) => options)),
    ),
    step: about(
      "The time between two steps; or 'manual', for steps of 1s by command. Default 1s.",
      either<unknown>("'manual' or a duration such as 1s", [oneOf(['manual']), duration()]),
    ),
    missing: wireRules.missing,
    hook: wireRules.hook,
  }
  return shapes([
    {
      fabric: required(
        about('The hub (or switch) whose ports are the nodes; its forwarding is deny.', entryName()),
      ),
      nodes: about('The ports that are nodes, in the order of matrices. Default: all.', list(portName)),
      ...keys,
    },
    {
      wires: required(
        about(
          'The nodes, and the interfaces that each gets for its links, a wire per link.',
          record(about('Name of the node.', entryName()), nicRule()),
        ),
      ),
      wireNames: about(
        "Names of the wires: '%s' is the name of each of its two nodes, '%05d' the same with zeros in front, to five characters. Default: the world's name and theirs, as in 'lan-%s-%s'.",
        text({
          pattern: wireNamesPattern,
          expects: "a name with two '%s' in it, or '%05d', such as 'cable-%s-%s'",
        }),
      ),
      whenDown: wireRules.whenDown,
      ...keys,
    },
  ])
}

// ---- The whole ----

/** What a topology file says, as an object. */
export interface Topology extends Pick<EngineOptions, 'workers' | 'memory' | 'io' | 'busyPoll'> {
  /** Of the running instance. Default: the name of the file without its ending. */
  name?: string
  /** Where all random draws start, 0 to 2^53 - 1. Default: a new one for each run. */
  seed?: number
  /** Network namespaces made for this run, by their names. */
  hosts?: Record<string, TopologyHost | null>
  /** Hubs, switches and wires with their ports, by their names. */
  fabrics: Record<string, TopologyFabric>
  /** Nodes that move, and the links between them, by the names of the worlds. */
  worlds?: Record<string, TopologyWorld>
}

const { workers, memory, io, busyPoll } = engineRules
const hostRule = mapping(hostRules, { empty: true })

/** A whole file, with the kinds that are known now. */
export const topologyRule = (): Rule<unknown> =>
  mapping({
    name: about('Name of the running instance. Default: the file name without its ending.', entryName()),
    seed: about(
      'Seed of all random draws. Default: a new one for each run.',
      integer(0, Number.MAX_SAFE_INTEGER),
    ),
    workers,
    memory,
    io,
    busyPoll,
    hosts: about(
      'Network namespaces made for this run, each with its own kernel stack.',
      record(about('Name of the host.', entryName()), hostRule),
    ),
    fabrics: required(
      about(
        'Hubs, switches and wires, by name.',
        record(about('Name of the fabric.', entryName()), fabricRule()),
      ),
    ),
    worlds: about(
      'Nodes that move, whose distances make the links of a fabric, or wires.',
      record(about('Name of the world.', entryName()), worldRule()),
    ),
  })

/** The JSON Schema (draft 2020-12) of a topology file, for editors; the package publishes it. */
export const topologyJsonSchema = (): Record<string, unknown> =>
  jsonSchema('etherloom topology', topologyRule())

/** Mappings of several shapes, told apart by the keys that they require, or by the word at the key `by`. */
function shapes(keys: readonly Rules[], by: By = {}): Rule<unknown> {
  return eitherOf(
    keys.map((each) => mapping(each)),
    by,
  )
}

/** One of such mappings, or a list of them. */
function oneOrMore(keys: readonly Rules[], by: By): Rule<unknown> {
  const mappings = keys.map((each) => mapping(each))
  return eitherOf([...mappings, list(eitherOf(mappings, by))], by)
}

interface By {
  by?: string
}

function eitherOf(branches: readonly Rule<unknown>[], by: By): Rule<unknown> {
  return optional(shaped((value) => value, { form: { kind: 'either', branches, ...by } }))
}
