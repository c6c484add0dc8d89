/**
 * Tries calls, started by silly.test.ts: `calls.ts API FOLDER LOG JOB`, where JOB is JSON and the others are files. What it is
 * about to call is written into LOG first, so that a crash says what did it. Prints a line of JSON per finding.
 */
import { AssertionError } from 'node:assert'
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { types } from 'node:util'
import * as etherloom from '../../lib/index.js'
import * as testing from '../../lib/testing/index.js'
import { Instance } from '../../lib/control/instance.js'
import { Draw } from '../helpers/draw.js'
import { raw } from '../helpers/errors.js'
import type { Api, Member } from './api.js'
import { core, Ours, Stage, topology } from './stage.js'
import { Usual } from './usual.js'
import { wrong, type Place } from './wrong.js'

export type Job =
  /** Each member of these classes with each wrong value at each place. */
  | { owners: readonly string[] }
  /** So many random sequences. */
  | { sequences: number; seed: number }

export interface Finding {
  call: string
  problem: string
}

const [apiFile, folder, logFile, jobText] = process.argv.slice(2) as [string, string, string, string]
const api = JSON.parse(readFileSync(apiFile, 'utf8')) as Api
const job = JSON.parse(jobText) as Job
process.chdir(folder)
process.env.ETHERLOOM_CONTROL_DIRECTORY = `${folder}/run`
process.env.TMPDIR = folder // labs keep what they see there
writeFileSync('net.yaml', JSON.stringify(topology))
writeFileSync('core.xml', core)
const log = openSync(logFile, 'w')

let last: string[] = []
let calls = 0
const seen = new Set<string>()
/** Classes of which there was something to call. */
const had = new Set<string>()

/** Says what comes next, in the place of what was said before: the last three calls. */
function announce(call: string): void {
  calls++
  last = [...last.slice(-2), call]
  writeSync(log, `${calls}\n${last.join('\n')}\n`.padEnd(1000), 0)
}

function found(call: string, problem: string): void {
  const key = `${call.replace(/ with .*/, '')} ${problem}`
  if (seen.has(key)) return
  seen.add(key)
  console.log(JSON.stringify({ call, problem } satisfies Finding))
}
const unheard = (what: string) => (error: unknown) => {
  if (calls === 0) throw error // before anything was tried
  found(last.at(-1) ?? '', `${what}: ${inWords(error)}`)
}
process.on('unhandledRejection', (error) => {
  if (!(error instanceof Ours)) unheard('a rejection that nobody hears')(error)
})
process.on('uncaughtException', (error) => {
  if (!(error instanceof Ours)) unheard('thrown into the event loop')(error)
})
process.removeAllListeners('warning')

const inWords = (error: unknown): string =>
  types.isNativeError(error)
    ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' | ')
    : String(error)

/** What is wrong with how a call was refused. */
function judge(error: unknown, lax: boolean): string | undefined {
  if (error instanceof Ours) return undefined
  if (error instanceof AssertionError) return undefined // an expectation that does not hold
  if (error instanceof etherloom.EtherloomError)
    return lax
      ? undefined
      : !(error.code in etherloom.errorCodes)
        ? `an unknown code: ${inWords(error)}`
        : raw.test(error.message)
          ? `a raw message: ${error.message}`
          : undefined
  if (lax && (error instanceof TypeError || error instanceof RangeError)) return undefined
  return `no EtherloomError: ${inWords(error)}`
}

interface Call {
  member: Member
  /** What of it is wrong, in words. */
  words: string
  subject: unknown
  given: unknown[]
  /** TypeErrors are right. */
  lax: boolean
}

const library: Record<string, unknown> = { ...etherloom, ...testing }
const property = (name: string): string | symbol =>
  name.startsWith('Symbol.') ? Symbol[name.slice(7) as 'iterator'] : name

function perform({ member, subject, given }: Call, owner: object | undefined): unknown {
  const { kind, name } = member
  if (kind === 'function') return (library[name] as (...given: unknown[]) => unknown)(...given)
  const constructor = owner as (new (...given: unknown[]) => unknown) & Record<string | symbol, unknown>
  if (kind === 'new') return new constructor(...given)
  if (kind === 'static') return (constructor[property(name)] as () => unknown).apply(subject, given as [])
  const prototype = constructor.prototype as object
  const descriptor = Object.getOwnPropertyDescriptor(prototype, property(name))
  if (kind === 'get') return descriptor?.get?.call(subject)
  if (kind === 'set') return descriptor?.set?.call(subject, given[0])
  return (descriptor?.value as (() => unknown) | undefined)?.apply(subject, given as [])
}

/** The class or object of that name: as exported, or that of something on the stage. */
function classOf(name: string, stage: Stage): object | undefined {
  const exported = library[name]
  if (typeof exported === 'function' || (typeof exported === 'object' && exported !== null)) return exported
  for (const thing of stage.things)
    for (let at: unknown = thing; typeof at === 'object' && at !== null; at = Object.getPrototypeOf(at)) {
      const { constructor } = at as { constructor: { name: string } }
      if (constructor.name === name) return constructor
    }
  return undefined
}

const open = api.members.filter(({ internal }) => !internal)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
/** What calls have promised, with the words for the call. */
const promised = new Set<{ what: string; promise: Promise<void> }>()
/** What is to be closed with the stage. */
const made: { close(): unknown }[] = []

function attempt(call: Call, stage: Stage): void {
  const { member, words } = call
  const what = `${member.owner}${member.kind === 'new' || member.kind === 'function' ? '' : `.${member.name}`}${member.kind === 'get' ? '' : '()'} with ${words}`
  announce(what)
  const look = (error: unknown): void => {
    const problem = judge(error, call.lax)
    if (problem !== undefined) found(what, problem)
  }
  try {
    const result = perform(call, classOf(member.owner, stage))
    if (typeof result !== 'object' || result === null) return
    if (types.isPromise(result)) {
      keep(what, result.then(collect, look))
    } else if (!member.internal) collect(result)
    const { next } = result as { next?: () => unknown }
    if (typeof next === 'function' && member.kind === 'method') {
      const first = next.call(result)
      if (types.isPromise(first))
        keep(
          what,
          first.then(() => undefined, look),
        )
    }
  } catch (error) {
    look(error)
  }
}

/** Remembers a promise until it is kept. */
function keep(what: string, promise: Promise<void>): void {
  const kept = { what, promise: promise.finally(() => promised.delete(kept)) }
  promised.add(kept)
}

/** Closes at the end what a call has made. */
function collect(result: unknown): void {
  if (typeof result !== 'object' || result === null) return
  const { close } = result as { close?: unknown }
  if (typeof close === 'function') made.push(result as { close(): unknown })
}

/** Of all trials: nothing changes it any more. */
let closed: Stage | undefined

class Trial {
  readonly draw: Draw
  readonly usual: Usual
  #clock: 'real' | 'virtual'
  #stage: Stage | undefined
  #foreign: Stage | undefined

  constructor(seed: number, clock: 'real' | 'virtual') {
    this.draw = new Draw(seed)
    this.usual = new Usual(api, this.draw)
    this.#clock = clock
  }

  async place(type: number, of?: string): Promise<Place> {
    const { draw, usual } = this
    if (this.#stage && !this.#stage.whole) await this.end()
    this.#stage ??= await Stage.make(this.#clock, 'peer')
    if (this.#foreign && !this.#foreign.whole) await this.#endForeign()
    this.#foreign ??= await Stage.make('virtual', 'peer')
    if (!closed) {
      closed = await Stage.make('virtual', 'peer')
      await closed.close()
    }
    return {
      stage: this.#stage,
      foreign: this.#foreign,
      closed,
      usual,
      draw,
      type,
      ...(of !== undefined && { class: of }),
    }
  }

  /** Closes the stage: frames must get through until then, and whatever was promised must end. */
  async end(): Promise<void> {
    const stage = this.#stage
    this.#stage = undefined
    if (!stage) return
    const what = last.join('; ')
    if (!(await stage.carries())) found(last.at(-1) ?? '', `frames do not get through after it: ${what}`)
    for (const thing of made.splice(0)) await settles(closeIt(thing), `close() of what a call made`)
    await settles(stage.close(), 'close() of the engine')
    // Calls on something of the other engine end with that.
    if (promised.size > 0) await this.#endForeign()
    for (const { what, promise } of promised) await settles(promise, what)
  }

  async over(): Promise<void> {
    await this.end()
    await this.#endForeign()
  }

  async #endForeign(): Promise<void> {
    await this.#foreign?.close()
    this.#foreign = undefined
  }
}

async function closeIt(thing: { close(): unknown }): Promise<void> {
  try {
    await thing.close()
  } catch (error) {
    if (!(error instanceof etherloom.EtherloomError)) found('close()', inWords(error))
  }
}

/** Waits, but not for ever. */
async function settles(promise: Promise<unknown>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), 5000)))
  const first = await Promise.race([promise.catch(() => undefined), late])
  clearTimeout(timer)
  if (first === 'late') found(what, 'never ends, although its engine is closed')
}

/** The class that a type asks for. */
function classAsked(type: number): string | undefined {
  const asked = api.types[type]!
  if (asked.kind === 'instance') return asked.of
  if (asked.kind === 'list') return classAsked(asked.of)
  return asked.kind === 'union' ? asked.of.map(classAsked).find((of) => of !== undefined) : undefined
}

/** These lie about what they are, and JavaScript refuses to look at them. */
const pretenders = [
  'class',
  'prototype only',
  'proxy of it',
  'iterable of nothing',
  'detached bytes',
  'shrunk bytes',
]

/**
 * What programs write that add kinds, models and movements, or runners of tests, which etherloom then calls or is called by: those are held to their types by
 * the compiler of TypeScript only, and some are called once per pair and step. A TypeError of JavaScript is right there.
 */
const forAuthors = ({ owner, kind, name }: Member): boolean =>
  [
    'Distances',
    'EtherloomError',
    'about',
    'flag',
    'integer',
    'list',
    'mapping',
    'mochaHooks',
    'oneOf',
    'required',
    'text',
  ].includes(owner) ||
  (owner === 'Registry' && kind === 'new') ||
  (['begin', 'powerAt', 'step'].includes(name) && owner !== 'World' && owner !== 'Network')

async function tryMember(trial: Trial, member: Member): Promise<void> {
  const { usual, draw } = trial
  const { parameters } = member
  const bound = member.kind !== 'new' && member.kind !== 'static' && member.kind !== 'function'
  const call = async (
    words: string,
    make: (place: Place) => Partial<Call>,
    type = -1,
    of?: string,
  ): Promise<void> => {
    const place = await trial.place(type, of)
    const { stage } = place
    const subject = bound ? stage.instance(member.owner, draw) : classOf(member.owner, stage)
    if (bound && subject === undefined) return
    had.add(member.owner)
    const whole: Call = {
      member,
      words,
      subject,
      given: usual.all(parameters, stage),
      lax: false,
      ...make(place),
    }
    attempt({ ...whole, lax: whole.lax || member.internal || forAuthors(member) }, stage)
    await turn()
    await turn()
  }
  // What is made of nothing at all is no member of anything: what it does later is nobody's matter.
  if (member.internal) return call('nothing', () => ({ given: [] }))
  for (let round = 0; round < 4; round++) await call('what it asks for', () => ({}))
  await call('nothing', () => ({ given: [] }))
  for (const [index, type] of parameters.entries()) {
    const of = classAsked(type)
    for (const [word, make] of Object.entries(wrong))
      await call(
        `${word} as argument ${index + 1}`,
        (place) => {
          const given = usual.all(parameters, place.stage)
          given[index] = make(place)
          return { given, lax: pretenders.includes(word) }
        },
        type,
        of,
      )
    for (const key of usual.keysOf(type)) {
      const inside = classAsked(key.type)
      for (let round = 0; round < 4; round++) {
        const word = draw.of(Object.keys(wrong))
        await call(
          `${word} as ${key.name} of argument ${index + 1}`,
          (place) => {
            const given = usual.all(parameters, place.stage)
            const whole = given[index]
            given[index] = {
              ...(typeof whole === 'object' ? whole : undefined),
              [key.name]: wrong[word]!(place),
            }
            return { given, lax: pretenders.includes(word) }
          },
          key.type,
          inside,
        )
      }
    }
  }
  if (bound)
    for (const [word, make] of Object.entries(wrong)) {
      const of = ['foreign', 'closed one', 'half closed', ...pretenders].includes(word)
        ? member.owner
        : undefined
      await call(
        `${word} as this`,
        (place) => ({ subject: make(place), lax: of === undefined || pretenders.includes(word) }),
        -1,
        of,
      )
    }
}

async function trySequence(trial: Trial): Promise<void> {
  const { usual, draw } = trial
  const place = await trial.place(-1)
  const { stage } = place
  const length = 20 + draw.below(31)
  for (let step = 0; step < length; step++) {
    const member = draw.of(open)
    const bound = member.kind !== 'new' && member.kind !== 'static' && member.kind !== 'function'
    const given = usual.all(member.parameters, stage)
    const words: string[] = []
    let lax = false
    if (given.length > 0 && draw.once(2)) {
      const index = draw.below(given.length)
      const type = member.parameters[index]!
      const of = classAsked(type)
      const word = draw.of(Object.keys(wrong))
      const keys = usual.keysOf(type)
      const value = wrong[word]!({ ...place, type, ...(of !== undefined && { class: of }) })
      if (keys.length > 0 && draw.once(2)) {
        const { name } = draw.of(keys)
        given[index] = { ...(given[index] as object | undefined), [name]: value }
        words.push(`${word} as ${name} of argument ${index + 1}`)
      } else {
        given[index] = value
        words.push(`${word} as argument ${index + 1}`)
      }
      lax = pretenders.includes(word)
    }
    const subject = bound ? stage.instance(member.owner, draw) : classOf(member.owner, stage)
    if (bound && subject === undefined) continue
    lax ||= member.internal || forAuthors(member)
    attempt({ member, words: words.join() || 'what it asks for', subject, given, lax }, stage)
    if (draw.once(2)) await turn()
  }
  await trial.end()
}

async function run(): Promise<void> {
  const peer = await Instance.start('peer', `${folder}/net.yaml`, topology)
  if ('owners' in job) await tryClasses(job.owners)
  else await trySequences(job.seed, job.sequences)
  await peer.close()
}

async function tryClasses(owners: readonly string[]): Promise<void> {
  for (const clock of ['virtual', 'real'] as const) {
    const trial = new Trial(1, clock)
    const before = new Set(had)
    for (const member of api.members) {
      // On the real clock what there is on no other one: the sequences are on both.
      if (!owners.includes(member.owner) || before.has(member.owner)) continue
      await tryMember(trial, member)
      await trial.end()
    }
    await trial.over()
  }
}

async function trySequences(seed: number, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const trial = new Trial(seed + number, number % 2 === 0 ? 'virtual' : 'real')
    await trySequence(trial)
    await trial.over()
  }
}

const began = performance.now()
run().then(
  () => {
    console.log(JSON.stringify({ calls, had: [...had], seconds: (performance.now() - began) / 1000 }))
    process.exit(0)
  },
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  },
)
