/**
 * What a control method is: declared once, for the instance that answers it, the client that calls it and the pages of
 * docs/reference/control/. Called by the files of methods/, and by whoever adds a method of their own.
 */
import { readOptions, shaped, suggestion } from '../values/options.js'
import type { Rule, Rules, RulesOf } from '../values/options.js'
import { check } from '../values/check.js'
import { EtherloomError } from '../values/errors.js'
import { quote } from '../values/quote.js'
import type { Network, NetworkApplied } from '../topology/network.js'
import type { Topology } from '../topology/schema.js'
import type { Captures } from './captures.js'

/** Who answers. */
export interface InstanceInfo {
  name: string
  /** Absolute path of its topology file; of `etherloom ubridge`, where its console is. */
  file: string
  pid: number
  /** As text: it can exceed what a JSON number holds. */
  seed: string
  workers: number
  /** What its workers speak to the kernel with. */
  io: string
  /** Whether it makes and opens nothing more (`up --sealed`). */
  sealed: boolean
}

/** The instance, as a method sees it. */
export interface Running {
  readonly network: Network
  readonly captures: Captures
  readonly sealed: boolean
  /** Goes over to another topology, as `Network.apply`. */
  apply(topology: Topology | ((now: Topology) => Topology)): Promise<NetworkApplied>
  info(): InstanceInfo
  close(): Promise<void>
}

/** The connection over which a method was called. */
export interface Peer {
  /** Sends these events to it from now on, until it ends. */
  subscribe(instance: Running, events: readonly string[]): void
}

export interface Method<Params extends object = object, Result = unknown> {
  /** What it does, in sentences. */
  readonly description: string
  readonly parameters: RulesOf<Params>
  readonly result: Rule<Result>
  readonly example: { readonly params: Params; readonly result: unknown }
  /** Answers; what it throws goes back to the caller. The instance is there once its topology is up. */
  call(params: Params, instance: Promise<Running>, peer: Peer): Promise<Result>
}

/** Any method. */
export interface AnyMethod {
  readonly description: string
  readonly parameters: object
  readonly result: Rule<unknown>
  readonly example: { readonly params: object; readonly result: unknown }
  call(params: never, instance: Promise<Running>, peer: Peer): Promise<unknown>
}

/** Methods by their names. */
export type Methods = Readonly<Record<string, AnyMethod>>
export type ParamsOf<Called extends AnyMethod> = Parameters<Called['call']>[0]
export type ResultOf<Called extends AnyMethod> = Awaited<ReturnType<Called['call']>>

/** Declares a method. */
export const method = <Params extends object, Result>(
  declared: Method<Params, Result>,
): Method<Params, Result> => declared

/** The rule of a row or another answer with these keys, no more and no fewer. */
export const fields = <Row extends object>(keys: RulesOf<Row>): Rule<Row> =>
  shaped((value) => value as Row, { form: { kind: 'mapping', keys: keys as Rules } })

/** The answer of a method that has none. */
export const nothing: Rule<null> = shaped(() => null, {
  description: 'nothing',
  expects: 'null',
  form: { kind: 'value', json: { type: 'null' } },
})

/** A value that is described elsewhere. */
export const anything = <Value>(expects: string): Rule<Value> =>
  shaped((value) => value as Value, { expects, form: { kind: 'value', json: {} } })

/** Calls a method with what has come over the socket. @throws EtherloomError */
export async function answer(
  methods: Methods,
  name: string,
  params: unknown,
  instance: Promise<Running>,
  peer: Peer,
): Promise<unknown> {
  const called = Object.hasOwn(methods, name) ? methods[name] : undefined
  if (!called) throw noSuchMethod(name, methods)
  const read = readOptions(`method ${quote(name)}`, params, called.parameters as Rules)
  try {
    return await called.call(read as never, instance, peer)
  } catch (error) {
    const isSealed = await instance.then(
      (running) => running.sealed,
      () => false,
    )
    throw isSealed ? (await import('./sealed.js')).explainSeal(error) : error
  }
}

/** The answer of a method as its declaration reads it; what it does not know, as of a later version, is left out. */
export const readAnswer = (called: AnyMethod, result: unknown): unknown => check(called.result, result).value

export const noSuchMethod = (name: string, methods: Methods): EtherloomError =>
  new EtherloomError(
    'ERR_ETHERLOOM_CONTROL',
    `no control method ${quote(name)}${suggestion(name, Object.keys(methods)) || `; there are ${Object.keys(methods).join(', ')}`}`,
  )
