/** What a world is made with: its options, and how they are checked. Called by World. */
import { Engine } from '../engine/engine.js'
import { Fabric } from '../fabrics/fabric.js'
import { Wire } from '../fabrics/wire.js'
import type { PolicyOptions } from '../policy/policy.js'
import type { Port } from '../ports/port.js'
import { nameRule } from '../values/names.js'
import {
  about,
  asOptions,
  list,
  oneOf,
  optional,
  readOptions,
  refuse,
  required,
  shaped,
  text,
  type Rule,
  type RulesOf,
} from '../values/options.js'
import { duration, type Duration } from '../values/units.js'
import type { NicMaker, WhenDown, WireNamer } from './links/wire-links.js'
import type { LinkQualityModel } from './models/model.js'
import { RangeModel } from './models/range.js'
import type { Movement } from './movements/movement.js'

export interface CommonWorldOptions {
  /** For messages, names of wires and seeds. Default `world` and a number. */
  name?: string
  /**
   * What a link of a length does: a model, or a function from whole metres to a policy, null for not connected, which
   * must give the same for the same distance. Default `new RangeModel()`.
   */
  model?: LinkQualityModel | ((distance: number) => PolicyOptions | null)
  /** Where distances come from when `step` is given none. */
  movement?: Movement
  /** The time that a step stands for: by how much nodes move, and how often automatic steps come. From 1ms; default 1s. */
  every?: Duration
  /** What holds for a pair that distances given to `step`, or matrices, leave out. Default `unchanged`. */
  missing?: 'unchanged' | 'down'
  /**
   * A command for `sh -c` that is run after each step, with ETHERLOOM_WORLD and ETHERLOOM_STEP in its environment and the
   * step on its standard input, as one line of JSON. `step` waits for its end. Not on a virtual clock.
   */
  hook?: string
}

/** Links are paths of one fabric: all nodes hear whom they are linked to, as on the air. */
export interface HubWorldOptions extends CommonWorldOptions {
  /** A Hub (or a Switch) with forwarding `deny`. */
  fabric: Fabric
  /** The ports that are nodes, attached already, in the order of matrices. Default: all of the fabric. */
  nodes?: readonly (Port | string)[]
}

/** Links are wires, each between two interfaces that are nobody else's. */
export interface WireWorldOptions extends CommonWorldOptions {
  /** That its wires run on. */
  engine: Engine
  /** Their names, in the order of matrices. */
  nodes: readonly string[]
  /** Makes the port behind a node's interface of a number, from 1 on; called when a link first needs it. */
  nic: NicMaker
  /** Names the wire of a link; the lesser node in their order comes first. Default: the world's name and theirs, as `lan-a-b`. */
  wireName?: WireNamer
  /**
   * What becomes of a wire whose link goes down: it stays with both interfaces, which have no carrier until the link is
   * back, or all is removed and the numbers are free for other links. Default `no-carrier`.
   */
  whenDown?: WhenDown
}

/** What a world is made of: nodes of one fabric, or nodes joined by wires. */
export type WorldOptions = HubWorldOptions | WireWorldOptions

/** A rule for a value of which nothing else is known here; `expects` says what it must be. */
const that = <T>(expects: string, is: (value: unknown) => boolean): Rule<T> =>
  shaped((value, subject) => (is(value) ? (value as T) : refuse(subject, expects, value)), {
    expects,
    form: { kind: 'value', json: {} },
  })

const isFunction = (value: unknown): boolean => typeof value === 'function'
const has = (value: unknown, key: string, type: string): boolean =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === type

const commonRules = {
  name: about('For messages, names of wires and seeds. Default: world and a number.', nameRule()),
  model: about(
    'What a link of a length does: a model, or a function from metres to a policy. Default: a RangeModel.',
    optional(readModel, new RangeModel()),
  ),
  movement: about(
    'Where distances come from when `step` is given none.',
    optional(
      that<Movement>(
        'a movement such as new RandomWaypoint({ area: [500, 500] })',
        (value) => has(value, 'begin', 'function') && has(value, 'step', 'function'),
      ),
    ),
  ),
  every: about(
    'The time that a step stands for, and between two automatic steps.',
    duration({
      default: '1s',
      fits: (every) => every >= 1_000_000n,
      expects: 'a duration of at least 1ms',
    }),
  ),
  missing: about(
    'What holds for pairs that given distances, or matrices, leave out.',
    oneOf(['unchanged', 'down'], 'unchanged'),
  ),
  hook: about(
    'A command for sh that is run after each step, which it finds on its standard input as JSON.',
    text({ max: 65_536 }),
  ),
}

/** @internal */
export const hubRules = {
  ...commonRules,
  fabric: required(
    about(
      'A hub, or a switch, with forwarding deny.',
      that<Fabric>('a Hub or a Switch', (value) => value instanceof Fabric && !(value instanceof Wire)),
    ),
  ),
  nodes: about(
    'The ports that are nodes, attached already, in the order of matrices. Default: all of the fabric.',
    optional(list((value) => value as Port | string)), // which the fabric checks
  ),
} satisfies RulesOf<HubWorldOptions>

/** @internal */
export const wireRules = {
  ...commonRules,
  engine: required(
    about(
      'The engine of the wires.',
      that<Engine>("an Engine, or 'fabric' given instead of it", (value) => value instanceof Engine),
    ),
  ),
  nodes: required(
    about('Names of the nodes, in the order of matrices.', optional(list(required(nameRule())))),
  ),
  nic: required(
    about(
      "Makes the port behind a node's interface of a number, from 1 on, when a link first needs it.",
      that<NicMaker>('a function (node, number) => port', isFunction),
    ),
  ),
  wireName: about(
    "Names the wire of a link. Default: the world's name and those of its nodes, as lan-a-b.",
    optional(that<WireNamer>('a function (a, b) => name', isFunction)),
  ),
  whenDown: about(
    'Whether the wire of a link that goes down stays, without carrier, or goes.',
    oneOf(['no-carrier', 'remove'], 'no-carrier'),
  ),
} satisfies RulesOf<WireWorldOptions>

/** @internal @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
export const readWorldOptions = (options: WorldOptions) =>
  'fabric' in asOptions('World', options)
    ? readOptions('World', options, hubRules)
    : readOptions('World', options, wireRules)

function readModel(value: unknown, subject: string): LinkQualityModel {
  if (typeof value === 'function')
    return { name: 'function', maxConnectedDistance: Infinity, quality: value as LinkQualityModel['quality'] }
  if (has(value, 'quality', 'function') && has(value, 'maxConnectedDistance', 'number'))
    return value as LinkQualityModel
  return refuse(subject, 'a model such as new RangeModel(), or a function from metres to a policy', value)
}
