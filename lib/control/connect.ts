/**
 * Connects to a running instance. Called by programs and by the command line.
 */
import { anyText, isMapping, readOptions, single } from '../values/options.js'
import { abortSignal } from '../values/signals.js'
import type { ControlClient } from './client.js'
import type { Methods } from './method.js'
import type { ControlMethods } from './methods/index.js'

/** Which running instance to connect to. */
export interface ConnectOptions<Known extends Methods = ControlMethods> {
  /** The name of the instance. Default: the only one that runs. */
  name?: string
  /** Gives up connecting. */
  signal?: AbortSignal
  /** The methods that the instance answers. Default: those of etherloom. */
  methods?: Known
}

const readConnectOptions = (options: unknown) =>
  readOptions('connect', options, {
    name: anyText,
    signal: abortSignal,
    methods: single<Methods>('methods by their names', {}, (value) =>
      isMapping(value) ? (value as Methods) : undefined,
    ),
  })

/**
 * A connection to the instance of this name; without a name, to the only one that runs.
 *
 * @throws EtherloomError ERR_ETHERLOOM_CONTROL when none is running, when several are and no name is given, when the
 *   instance has not answered for 10 s, as one that is stopped, or when it speaks another version of the protocol
 */
export async function connect<Known extends Methods = ControlMethods>(
  options: ConnectOptions<Known> = {},
): Promise<ControlClient<Known>> {
  const { name, signal, methods } = readConnectOptions(options)
  signal?.throwIfAborted()
  const { ControlClient } = await import('./client.js')
  const client = await ControlClient.find(name, methods as Known | undefined)
  try {
    await client.greet(signal)
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}
