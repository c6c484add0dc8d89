/** All control methods, in the order in which the documentation lists them. */
import type { Methods, ParamsOf, ResultOf } from '../method.js'
import { apply } from './apply.js'
import { attach, detach } from './attach.js'
import { capture, endCapture } from './capture.js'
import { carrier } from './carrier.js'
import { down } from './down.js'
import { exportTopology } from './export.js'
import { hello } from './hello.js'
import { host } from './host.js'
import { info } from './info.js'
import { miniworld } from './miniworld.js'
import { path, showPath } from './path.js'
import { addresses, drops, hosts, lateness, links, paths, ports, runs, timeline, worlds } from './reports.js'
import { step } from './step.js'
import { subscribe } from './subscribe.js'

export const controlMethods = {
  hello,
  info,
  ...{ ports, paths, addresses, drops, hosts, runs, timeline, worlds, links, lateness },
  host,
  miniworld,
  export: exportTopology,
  ...{ apply, attach, detach, path, showPath, carrier, step, capture, endCapture, subscribe, down },
} satisfies Methods

/** The methods that a running instance answers, by their names. */
export type ControlMethods = typeof controlMethods
/** What a method is given. */
export type ControlParams<Name extends keyof ControlMethods> = ParamsOf<ControlMethods[Name]>
/** What a method answers. */
export type ControlResult<Name extends keyof ControlMethods> = ResultOf<ControlMethods[Name]>

/** The methods whose answers are rows, for `etherloom show`. */
export const reportMethods = [
  ...([
    'ports',
    'paths',
    'addresses',
    'drops',
    'hosts',
    'runs',
    'timeline',
    'worlds',
    'links',
    'lateness',
  ] as const),
]
export type ReportMethod = (typeof reportMethods)[number]
