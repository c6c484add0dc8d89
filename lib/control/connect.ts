/**
 * The client's beginning: `connect`, which loads the rest of it when it is called. Programs that speak to no instance pay
 * nothing for it. Called by programs and by the command line.
 */
import type { ControlClient } from './client.js'
import type { Methods } from './method.js'
import type { ControlMethods } from './methods/index.js'

export interface ConnectOptions<Known extends Methods = ControlMethods> {
  /** The name of the instance. Default: the only one that runs. */
  name?: string
  /** Gives up connecting. */
  signal?: AbortSignal
  /** The methods that the instance answers. Default: those of etherloom. */
  methods?: Known
}

/**
 * A connection to the instance of this name; without a name, to the only one that runs.
 *
 * @throws EtherloomError ERR_ETHERLOOM_CONTROL when none is running, when several are and no name is given, or when the
 *   instance speaks another version of the protocol
 */
export async function connect<Known extends Methods = ControlMethods>({
  name,
  signal,
  methods,
}: ConnectOptions<Known> = {}): Promise<ControlClient<Known>> {
  signal?.throwIfAborted()
  const { ControlClient } = await import('./client.js')
  const client = await ControlClient.find(name, methods)
  try {
    await client.greet(signal)
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}
