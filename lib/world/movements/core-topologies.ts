/** CoreTopologies: topology files of CORE, one after the other, as in MiniWorld. */
import { EtherloomError } from '../../values/errors.js'
import { readText } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import {
  about,
  either,
  file,
  into,
  list,
  mapping,
  oneOf,
  optional,
  readOptions,
  required,
  type RulesOf,
} from '../../values/options.js'
import { duration, formatCount, type Duration } from '../../values/units.js'
import type { Distances } from '../distances.js'
import { readCoreTopology, type CorePlace, type CoreTopology } from './core-file.js'
import { loopRule } from './matrices.js'
import type { Movement, MovementKind, Surroundings } from './movement.js'

/** Which files of CORE say where nodes are, and for how long each. */
export interface CoreTopologiesOptions {
  /**
   * The files in their order, each with how long it holds, one step at least: `{ file, for: '10s' }`, or a name for one
   * step. The last stays.
   */
  topologies: readonly (string | { file: string; for?: Duration })[]
  /**
   * `lan`: nodes that are linked are 1 metre apart, others out of reach. `wifi`: distances are those of the places where
   * nodes stand: by latitude and longitude, on WGS 84, or, in files without them, by x and y on CORE's canvas, whose scale
   * (metres for 100 pixels) is the file's or 150. Default `wifi`.
   */
  mode?: 'wifi' | 'lan'
  /** After the last the first again. Default false. */
  loop?: boolean
}

const entry = either<{ file: string; lasts: number } | undefined>("a file, or { file, for: '10s' }", [
  into(required(file()), (file) => ({ file, lasts: 0 })),
  mapping(
    {
      file: required(about('The file.', file())),
      for: about('How long it holds, one step at least.', duration({ default: '0s' })),
    },
    { finish: ({ file, for: lasts }) => ({ file, lasts: Number(lasts) / 1e9 }) },
  ),
])

const coreRules = {
  topologies: required(
    about(
      'Topology files of CORE, one after the other.',
      optional(list(entry, { min: 1, expects: 'a list of files, at least one' })),
    ),
  ),
  mode: about(
    'Distances of the places of hosts, or 1 metre for those that are linked.',
    oneOf(['wifi', 'lan'], 'wifi'),
  ),
  loop: loopRule,
} satisfies RulesOf<CoreTopologiesOptions>

const { topologies: core, ...others } = coreRules
const keysInFiles = { core, ...others }

interface Phase {
  file: string
  /** Seconds. */
  lasts: number
  topology: CoreTopology
}

/**
 * Distances as files of CORE have them. The node with the lowest id in a file is the world's first, the next its second, and
 * so on, in either mode and whatever their order in the file. `notes` says what of the files is not in it: nodes beyond the
 * world's, and options of links.
 */
export class CoreTopologies implements Movement {
  readonly positions = undefined
  readonly #mode: 'wifi' | 'lan'
  readonly #loop: boolean
  readonly #phases: readonly Phase[]
  #notes: string[]
  #nodes = 0
  #phase = -1
  #left = 0

  /**
   * Reads the files.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION; ERR_ETHERLOOM_TOPOLOGY for a file that
   *   cannot be read or is none of CORE's
   */
  constructor(options: CoreTopologiesOptions) {
    const { topologies, mode, loop } = readOptions('CoreTopologies', options, coreRules)
    this.#mode = mode
    this.#loop = loop
    const known = new Map<string, CoreTopology>()
    const topologyOf = (file: string): CoreTopology => {
      const topology = known.get(file) ?? readCoreTopology(read(file), file, { links: mode === 'lan' })
      known.set(file, topology)
      return topology
    }
    this.#phases = (topologies as { file: string; lasts: number }[]).map(({ file, lasts }) => ({
      file,
      lasts,
      topology: topologyOf(file),
    }))
    this.#notes = [...known.values()].flatMap(({ notes }) => notes)
  }

  get notes(): readonly string[] {
    return this.#notes
  }

  begin({ nodes }: Surroundings): void {
    this.#nodes = nodes
    for (const [file, topology] of new Map(this.#phases.map(({ file, topology }) => [file, topology]))) {
      const beyond = topology.names.slice(nodes)
      if (beyond.length > 0)
        this.#notes.push(`${file}: ${listed(beyond)} left out, since the world has ${nodes} nodes`)
      if (this.#mode === 'lan') continue
      const placed = topology.places.slice(0, nodes).filter((place) => place !== undefined).length
      if (placed < nodes)
        throw new EtherloomError(
          'ERR_ETHERLOOM_TOPOLOGY',
          `${file}: ${placed} nodes have a place, and the world has ${nodes} nodes`,
          { hint: "use mode 'lan' for files that have links only" },
        )
    }
  }

  step(seconds: number, distances: Distances): void {
    this.#advance(seconds)
    const { topology } = this.#phases[this.#phase] as Phase
    if (this.#mode === 'lan') this.#listLinks(topology, distances)
    else this.#listPlaces(topology, distances)
  }

  /** A topology holds for its time, and for one step at least. */
  #advance(seconds: number): void {
    this.#left -= seconds
    if (this.#left > 1e-9) return
    const last = this.#phases.length - 1
    if (this.#phase === last && !this.#loop) return
    this.#phase = this.#phase === last ? 0 : this.#phase + 1
    this.#left = this.#phases[this.#phase]?.lasts ?? 0
  }

  #listLinks({ links }: CoreTopology, distances: Distances): void {
    const nodes = this.#nodes
    const linked = new Set(links.map(([a, b]) => Math.min(a, b) * (nodes + 1) + Math.max(a, b)))
    for (let a = 1; a <= nodes; a++)
      for (let b = a + 1; b <= nodes; b++)
        distances.add(a - 1, b - 1, linked.has(a * (nodes + 1) + b) ? 1 : -1)
  }

  #listPlaces({ places }: CoreTopology, distances: Distances): void {
    const points = places.slice(0, this.#nodes).flatMap((place) => (place ? [toCartesian(place)] : []))
    points.forEach((one, a) => {
      for (let b = a + 1; b < points.length; b++) {
        const other = points[b] as [number, number, number]
        distances.add(a, b, Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]))
      }
    })
  }
}

/**
 * Metres: from the middle of the earth (WGS 84, at height 0), or on a plane. Straight lines between points of the former
 * differ from ways over ground by a millimetre at 10 km.
 */
function toCartesian(place: CorePlace): [number, number, number] {
  if ('x' in place) return [place.x, place.y, 0]
  const { latitude, longitude } = place
  const [semiMajorAxis, flattening] = [6_378_137, 1 / 298.257223563]
  const [phi, lambda] = [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180]
  const squared = flattening * (2 - flattening)
  const normal = semiMajorAxis / Math.sqrt(1 - squared * Math.sin(phi) ** 2)
  return [
    normal * Math.cos(phi) * Math.cos(lambda),
    normal * Math.cos(phi) * Math.sin(lambda),
    normal * (1 - squared) * Math.sin(phi),
  ]
}

/** Names, the first of them where there are many. */
const listed = (names: readonly string[]): string =>
  names.length <= 20
    ? names.join(', ')
    : `${names.slice(0, 20).join(', ')} and ${formatCount(names.length - 20)} others`

const read = (file: string): string =>
  readText(file, {
    subject: file,
    most: limits.topologyFile,
    code: 'ERR_ETHERLOOM_TOPOLOGY',
    hint: 'give the path of a topology file of CORE',
    smaller: 'leave out of it what is neither a node, its place nor a link',
  })

/** @internal */
export const coreKind: MovementKind<
  { core: CoreTopologiesOptions['topologies'] } & Omit<CoreTopologiesOptions, 'topologies'>
> = {
  key: 'core',
  options: keysInFiles,
  make: ({ core: topologies, ...options }) => new CoreTopologies({ topologies, ...options }),
}
