/**
 * What a test can expect of paths, ports and frames. Each is written once, as a function to a verdict; `etherloomMatchers`
 * (vitest, jest), `etherloomChai` and `assertLab` are ways to it. Called by users of `etherloom/testing`.
 */
import { AssertionError } from 'node:assert'
import { isUint8Array } from 'node:util/types'
import { Fabric } from '../fabrics/fabric.js'
import { Path } from '../fabrics/path.js'
import { Network } from '../topology/network.js'
import { dropReasons, type DropReason, type PathStats } from '../values/stats.js'
import { EtherloomError } from '../values/errors.js'
import { integer, oneOf, readOptions, refuse, required, suggestion } from '../values/options.js'
import { formatDuration, parseDuration, type Duration } from '../values/units.js'
import { Lab } from './lab.js'
import { frameMatch, isMeant, LabPort, type Arrival, type FrameMatch, type Sent } from './lab-port.js'

/** Whose paths are meant: all of a lab, a network or a fabric, or one. */
export type WithPaths = Lab | Network | Fabric | Path

/** Frames, or a share of those whose fate is known, as `'2%'`. */
export type LossBound = number | `${number}%`

/** How many frames: exactly, or from one bound to the other, both included. Default of `from` 0, of `to` no bound. */
export type ExpectedLoss = number | { from?: LossBound; to?: LossBound }

/** Which losses count. */
export interface LossOptions {
  /** Only what was dropped for this reason. Default: for any. */
  reason?: DropReason
}

/**
 * The expectations, for the types of a runner. `Result` is what they return: `void`, or what a runner chains by.
 *
 * @example
 * // not checked: a .d.ts file of a project with vitest
 * import type { EtherloomMatchers } from 'etherloom/testing'
 * declare module 'vitest' {
 *   interface Matchers<T = any> extends EtherloomMatchers {}
 * }
 */
export interface EtherloomMatchers<Result = void> {
  /**
   * Of every path: offered + duplicated = delivered + dropped + waiting + in flight. Said of a lab, a network, a fabric or a
   * path.
   */
  toConserveFrames(): Result
  /**
   * So many frames were lost on the paths: exactly, or within bounds. Said of a lab, a network, a fabric or a path. A share
   * while no frame's fate is known is an error.
   */
  toLose(expected: ExpectedLoss, options?: LossOptions): Result
  /** A frame has reached the port: any, this one, or one of which a function says so. Said of a port of a lab. */
  toHaveReached(match?: FrameMatch): Result
  /**
   * All of the frames reach these ports unchanged within this time of when they were sent. Said of what `LabPort.send`
   * returned. Waits for them; on a virtual clock it advances that.
   */
  toArriveWithin(time: Duration, ...ports: LabPort[]): Promise<void>
}

/** Whether it holds; and in words what was expected, and what was there. */
interface Verdict {
  pass: boolean
  /** What follows "expected". */
  expected: string
  /** What follows "expected not". */
  unexpected: string
  found: string
}

const verdicts = {
  toConserveFrames(subject: unknown): Verdict {
    const wrong = pathsOf(subject, 'toConserveFrames').flatMap(({ name, stats }) => {
      const [given, gone] = [stats.offered + stats.duplicated, totalOf(stats)]
      return given === gone ? [] : [`${name} was given ${given} and accounts for ${gone}`]
    })
    return {
      pass: wrong.length === 0,
      expected: 'every path to account for each frame that it was given',
      unexpected: 'every path to account for each frame that it was given',
      found: wrong.length === 0 ? 'all do' : wrong.join('; '),
    }
  },

  toLose(subject: unknown, expected: ExpectedLoss, options: LossOptions = {}): Verdict {
    const { reason } = readOptions("'toLose'", options, {
      reason: oneOf(Object.keys(dropReasons) as DropReason[]),
    })
    const { from = 0, to } = lossBounds(expected)
    const paths = pathsOf(subject, 'toLose').map(({ stats }) => stats)
    const lost = sum(paths.map((stats) => lostOf(stats, reason)))
    const known = sum(
      paths.map(({ offered, duplicated, waiting, inFlight }) => offered + duplicated - waiting - inFlight),
    )
    if (known === 0n && [from, to].some((bound) => typeof bound === 'string'))
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        "no frame's fate is known yet, and there is no share of none",
        {
          hint: "send frames, and let time pass: net.advance('1s')",
        },
      )
    const why = reason === undefined ? '' : ` by '${reason}'`
    const bounds = typeof expected === 'number' ? `${expected}` : `from ${from} to ${to ?? 'any number'}`
    return {
      pass: isAtLeast(lost, from, known) && (to === undefined || isAtMost(lost, to, known)),
      expected: `${bounds} frames to be lost${why}`,
      unexpected: `${bounds} frames to be lost${why}`,
      found: `${lost} of ${known} were${lossesInWords(paths)}`,
    }
  },

  toHaveReached(subject: unknown, match?: FrameMatch): Verdict {
    const port =
      subject instanceof LabPort ? subject : wrongSubject('toHaveReached', 'a port of a lab', subject)
    const meant = frameMatch(match, "the frame of 'toHaveReached'")
    const { length } = port.arrivals.filter(({ frame }) => isMeant(frame, meant))
    const what = match === undefined ? 'a frame' : 'such a frame'
    return {
      pass: length > 0,
      expected: `${what} to have reached port '${port.name}'`,
      unexpected: `${what} to have reached port '${port.name}'`,
      found: `${length > 0 ? length : `${port.arrivals.length} others`} did by ${formatDuration(port.now())} of the lab's clock`,
    }
  },

  async toArriveWithin(subject: unknown, time: Duration, ...ports: LabPort[]): Promise<Verdict> {
    const sent = isSent(subject)
      ? subject
      : wrongSubject('toArriveWithin', "what 'send' of a lab's port returned", subject)
    if (sent.frames.length === 0) refuse("what 'toArriveWithin' is said of", 'one frame or more')
    const nanoseconds = parseDuration(time, "the time of 'toArriveWithin'")
    if (ports.length === 0 || !ports.every((port) => port instanceof LabPort))
      refuse("what follows the time of 'toArriveWithin'", 'one port of a lab or several', ports)
    const deadline = sent.at + nanoseconds
    const awaited = ports.map((port) => new Awaited(port, sent, deadline))
    await sent.from.wait(() => awaited.every((each) => each.missing() === 0), deadline)
    const missing = awaited.flatMap((each) => {
      const number = each.missing()
      return number === 0
        ? []
        : [`${number} of ${sent.frames.length} did not reach '${each.port.name}'${lastAt(each.port, sent)}`]
    })
    const what = `${count(sent.frames.length, 'frame')} from '${sent.from.name}' to reach ${ports.map(({ name }) => `'${name}'`).join(' and ')} within ${formatDuration(nanoseconds)}`
    return {
      pass: missing.length === 0,
      expected: what,
      unexpected: what,
      found: missing.length === 0 ? 'all did' : missing.join('; '),
    }
  },
}

type Name = keyof typeof verdicts

const words = ({ expected, unexpected, found }: Verdict, negated: boolean): string =>
  negated ? `expected not ${unexpected}, but ${found}` : `expected ${expected}, but ${found}`

// ---- Ways to them ----

interface MatcherResult {
  pass: boolean
  message: () => string
}

type Matcher = (this: unknown, received: unknown, ...given: never[]) => MatcherResult | Promise<MatcherResult>

const asMatcher = (name: Name): Matcher =>
  function (received, ...given) {
    const result = (verdict: Verdict): MatcherResult => ({
      pass: verdict.pass,
      message: () => words(verdict, verdict.pass),
    })
    const verdict = judge(name, received, given)
    return verdict instanceof Promise ? verdict.then(result) : result(verdict)
  }

/** For vitest and jest: `expect.extend(etherloomMatchers)`. */
export const etherloomMatchers: Readonly<Record<Name, Matcher>> = {
  toConserveFrames: asMatcher('toConserveFrames'),
  toLose: asMatcher('toLose'),
  toHaveReached: asMatcher('toHaveReached'),
  toArriveWithin: asMatcher('toArriveWithin'),
}

/** As much of chai's plug-in interface as is needed. */
interface ChaiAssertion {
  _obj: unknown
  assert(holds: boolean, message: string, negated: string): void
}
interface Chai {
  Assertion: { addMethod(name: string, method: (this: ChaiAssertion, ...given: never[]) => unknown): void }
}

/** For chai: `use(etherloomChai)`. @throws EtherloomError ERR_ETHERLOOM_OPTION for what is not chai */
export function etherloomChai(chai: object): void {
  const { Assertion } = Object(chai) as Partial<Chai>
  if (typeof Assertion?.addMethod !== 'function')
    refuse("what 'etherloomChai' is called with", "chai itself, as in 'use(etherloomChai)'", chai)
  for (const name of Object.keys(verdicts) as Name[])
    Assertion.addMethod(name, function (...given) {
      const settle = (verdict: Verdict): void => {
        this.assert(verdict.pass, words(verdict, false), words(verdict, true))
      }
      const verdict = judge(name, this._obj, given)
      if (verdict instanceof Promise) return verdict.then(settle)
      settle(verdict)
      return undefined
    })
}

/** An expectation as a function of its subject. */
type Asserts = {
  readonly [Key in Name]: (
    subject: Key extends 'toHaveReached' ? LabPort : Key extends 'toArriveWithin' ? Sent : WithPaths,
    ...given: Parameters<EtherloomMatchers[Key]>
  ) => ReturnType<EtherloomMatchers[Key]>
}

const asserts = (negated: boolean): Asserts => {
  const check = (name: Name) =>
    function assertion(subject: unknown, ...given: never[]): void | Promise<void> {
      const called: { stack?: string } = {} // after an await the caller is on the stack no longer
      Error.captureStackTrace(called, assertion)
      const settle = (verdict: Verdict): void => {
        if (verdict.pass !== negated) return
        const error = new AssertionError({ message: words(verdict, negated), operator: name })
        const callers = called.stack?.slice(called.stack.indexOf('\n')) ?? ''
        error.stack = `${error.name} [${error.code}]: ${error.message}${callers}`
        throw error
      }
      const verdict = judge(name, subject, given)
      if (verdict instanceof Promise) return verdict.then(settle)
      settle(verdict)
      return undefined
    }
  return Object.fromEntries(
    (Object.keys(verdicts) as Name[]).map((name) => [name, check(name)]),
  ) as unknown as Asserts
}

/**
 * Without a library for assertions, as with node:test: `assertLab.toLose(path, 3)`, `assertLab.not.toHaveReached(port)`.
 *
 * @throws AssertionError of node:assert where it does not hold
 */
export const assertLab: Asserts & { readonly not: Asserts } = { ...asserts(false), not: asserts(true) }

const judge = (name: Name, subject: unknown, given: readonly unknown[]): Verdict | Promise<Verdict> =>
  (verdicts[name] as (...all: unknown[]) => Verdict | Promise<Verdict>)(subject, ...given)

// ---- What they ask ----

const wrongSubject = (name: Name, expected: string, subject: unknown): never =>
  refuse(`what '${name}' is said of`, expected, subject)

interface NamedStats {
  name: string
  stats: PathStats
}

/** The counters of the paths that are meant, those that count together among them. */
function pathsOf(subject: unknown, matcher: Name): NamedStats[] {
  if (subject instanceof Path)
    return [{ name: `path ${subject.from.name}>${subject.to.name}`, stats: subject.stats() }]
  if (subject instanceof Fabric) {
    const { ports, paths } = subject.stats()
    return [
      ...paths.map(({ from, to, ...stats }) => ({ name: `path ${subject.name}.${from}>${to}`, stats })),
      ...Object.entries(ports).map(([port, { defaults }]) => ({
        name: `what else leaves ${subject.name}.${port}`,
        stats: defaults,
      })),
    ]
  }
  const network = subject instanceof Lab ? subject.network : subject
  if (network instanceof Network)
    return [...network.fabrics.values()].flatMap((fabric) => pathsOf(fabric, matcher))
  return wrongSubject(matcher, 'a lab, a network, a fabric or a path', subject)
}

const sum = (counts: readonly bigint[]): bigint => counts.reduce((total, each) => total + each, 0n)
const totalOf = ({ delivered, dropped, waiting, inFlight }: PathStats): bigint =>
  delivered + sum(dropsOf(dropped)) + waiting + inFlight
const dropsOf = (dropped: PathStats['dropped']): bigint[] =>
  (Object.keys(dropReasons) as DropReason[]).map((reason) => dropped[reason])
const lostOf = ({ dropped }: PathStats, reason: DropReason | undefined): bigint =>
  reason === undefined ? sum(dropsOf(dropped)) : dropped[reason]

/** By reason, where there was any. */
function lossesInWords(paths: readonly PathStats[]): string {
  const all = (Object.keys(dropReasons) as DropReason[]).flatMap((reason) => {
    const lost = sum(paths.map(({ dropped }) => dropped[reason]))
    return lost === 0n ? [] : [`${lost} by '${reason}'`]
  })
  return all.length === 0 ? '' : `: ${all.join(', ')}`
}

function lossBounds(expected: ExpectedLoss): { from?: LossBound; to?: LossBound } {
  if (typeof expected !== 'object' || (expected as unknown) === null) {
    const exact = required(integer(0, Number.MAX_SAFE_INTEGER))(expected, "the loss of 'toLose'")
    return { from: exact, to: exact }
  }
  for (const key of Object.keys(expected))
    if (key !== 'from' && key !== 'to')
      refuse("the loss of 'toLose'", `of 'from' and 'to'${suggestion(key, ['from', 'to'])}`)
  for (const bound of [expected.from, expected.to]) if (bound !== undefined) share(bound)
  return expected
}

/** A share in parts of 10^9, or frames. */
function share(bound: LossBound): { parts: bigint } | { frames: bigint } {
  if (typeof bound === 'number')
    return { frames: BigInt(required(integer(0, Number.MAX_SAFE_INTEGER))(bound, "a bound of 'toLose'")) }
  const percent = /^\d+(\.\d+)?%$/.test(bound) ? Number(bound.slice(0, -1)) : NaN
  return percent >= 0 && percent <= 100
    ? { parts: BigInt(Math.round(percent * 1e7)) }
    : refuse("a bound of 'toLose'", "a number of frames, or a share such as '2%'", bound)
}

function isAtLeast(lost: bigint, bound: LossBound, known: bigint): boolean {
  const least = share(bound)
  return 'frames' in least ? lost >= least.frames : lost * 1_000_000_000n >= least.parts * known
}

function isAtMost(lost: bigint, bound: LossBound, known: bigint): boolean {
  const most = share(bound)
  return 'frames' in most ? lost <= most.frames : lost * 1_000_000_000n <= most.parts * known
}

const isSent = (subject: unknown): subject is Sent =>
  typeof subject === 'object' &&
  subject !== null &&
  'from' in subject &&
  subject.from instanceof LabPort &&
  'frames' in subject &&
  Array.isArray(subject.frames) &&
  subject.frames.every(isUint8Array)

/** A frame as a key of maps. */
const bytesOf = (frame: Uint8Array): string =>
  Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString('latin1')

/** Frames on their way to a port, where they must be by a deadline; of equal ones each needs an arrival of its own. */
class Awaited {
  readonly port: LabPort
  readonly #since: bigint
  readonly #deadline: bigint
  readonly #numbers = new Map<string, number>()
  #missing: number
  /** Each arrival is looked at once: so many of these have been. */
  #looked = 0
  #arrivals: readonly Arrival[] = []

  constructor(port: LabPort, { frames, at }: Sent, deadline: bigint) {
    this.port = port
    this.#since = at
    this.#deadline = deadline
    this.#missing = frames.length
    for (const bytes of frames.map(bytesOf)) this.#numbers.set(bytes, (this.#numbers.get(bytes) ?? 0) + 1)
  }

  /** How many have not come yet. */
  missing(): number {
    const { arrivals } = this.port
    if (arrivals !== this.#arrivals) [this.#arrivals, this.#looked] = [arrivals, 0] // the port was cleared
    for (const { frame, at } of arrivals.slice(this.#looked)) {
      if (at < this.#since || at > this.#deadline) continue
      const bytes = bytesOf(frame)
      const number = this.#numbers.get(bytes) ?? 0
      if (number === 0) continue
      this.#numbers.set(bytes, number - 1)
      this.#missing--
    }
    this.#looked = arrivals.length
    return this.#missing
  }
}

/** How long the last took of those that have come, in time or later. */
function lastAt(port: LabPort, { frames, at }: Sent): string {
  const sent = new Set(frames.map(bytesOf))
  const last = port.arrivals.findLast((arrival) => arrival.at >= at && sent.has(bytesOf(arrival.frame)))
  return last === undefined ? '' : ` (the last to come took ${formatDuration(last.at - at)})`
}

const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`
