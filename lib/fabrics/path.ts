/** Paths: directed pairs of ports of one fabric, and pairs of paths. Handles only; the state is the fabric's. */
import {
  offeredRule,
  type Capture,
  type CaptureOptions,
  type CaptureOutput,
  type PathCaptureOptions,
} from '../capture/capture.js'
import { asOptions } from '../values/options.js'
import type { Applied, Policy, PolicyOptions } from '../policy/policy.js'
import type { Port, PortFabric } from '../ports/port.js'
import type { PathStats } from '../values/stats.js'

/** One change of a transaction. A null policy returns to the fabric's default. */
export interface PathChange {
  /** The port that sends. */
  from: Port | string
  /** The port that receives. */
  to: Port | string
  /** Takes the place of the whole policy; null: what the fabric does without one. */
  policy: Policy | null
}

/** @internal The changes that give both paths of two ports one policy. */
export const bothWays = <P extends Port | string>(from: P, to: P, policy: Policy | null) => [
  { from, to, policy },
  { from: to, to: from, policy },
]

/** How a change treats what is under way. */
export interface ChangeOptions {
  /** Drops what waits and travels on the changed paths, counted as `flush`. Default: it keeps its departure. */
  flush?: boolean
}

/** What can be done to one path and to a pair of paths alike. */
abstract class PathHandle {
  /** @internal */
  constructor(
    protected readonly fabric: PortFabric,
    /** The port that frames come from. */
    readonly from: Port,
    /** The port that frames go to. */
    readonly to: Port,
  ) {}

  /**
   * Replaces the whole policy; null returns to the fabric's default. Resolves when no frame can meet the old one.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, ERR_ETHERLOOM_FILTER; ERR_ETHERLOOM_STATE
   *   when a port was detached.
   */
  abstract set(policy: Policy | null, options?: ChangeOptions): Promise<Applied>

  /** Lets frames pass, with these impairments and no others. */
  async allow(policy?: PolicyOptions, options?: ChangeOptions): Promise<Applied> {
    return this.set({ ...asOptions('path policy', policy), allowed: true }, options)
  }

  /** Lets no frame pass. */
  async deny(options?: ChangeOptions): Promise<Applied> {
    return this.set({ allowed: false }, options)
  }
}

/** A directed pair of ports. Made by `fabric.path(from, to)`. */
export class Path extends PathHandle {
  /** The policy in force: the path's own, or the fabric's default. */
  get policy(): Policy {
    return this.fabric.policyOf(this.from, this.to)
  }

  set(policy: Policy | null, options?: ChangeOptions): Promise<Applied> {
    return this.fabric.apply([{ from: this.from, to: this.to, policy }], options)
  }

  /** One consistent snapshot. All zero for a path that never had a policy: see `defaults` of its port's stats. */
  stats(): PathStats {
    return this.fabric.pathStats(this.from, this.to)
  }

  /**
   * Records what leaves the path as pcapng, at the instant when it leaves; with `offered` also what it is given. A path
   * without a policy gets one of its own, which says what held before.
   *
   * @throws EtherloomError as `Port.capture`
   */
  async capture(output: CaptureOutput, options: PathCaptureOptions = {}): Promise<Capture> {
    const { offered, ...rest } = asOptions('a capture', options) as PathCaptureOptions
    const both = offeredRule(offered, "option 'offered' of a capture")
    return this.fabric.record([this], output, rest, both ? 'offeredAndLeaving' : 'frames')
  }

  /**
   * Records what becomes of each frame: pcapng with a comment per packet, such as `n=17 fate=dropped reason=loss
   * stage=loss` or `n=18 fate=delivered delay=10000000ns`. The policy option `replay` applies it again.
   *
   * @throws EtherloomError as `Port.capture`
   */
  async fateLog(output: CaptureOutput, options: CaptureOptions = {}): Promise<Capture> {
    return this.fabric.record([this], output, options, 'fates')
  }
}

/** Both paths between two ports, changed in one transaction. Made by `fabric.between(a, b)`. */
export class PathPair extends PathHandle {
  set(policy: Policy | null, options?: ChangeOptions): Promise<Applied> {
    return this.fabric.apply(bothWays(this.from, this.to, policy), options)
  }
}
