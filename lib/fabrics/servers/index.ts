/**
 * What a fabric can listen for, a line for each protocol. A program adds its own with `serverKinds.add`. Called by `Fabric.listen`,
 * and by topology files, which have the same options under `listen`.
 */
import type { PortFabric } from '../../ports/port.js'
import { EtherloomError } from '../../values/errors.js'
import { about, asOptions, oneOf, type Rules } from '../../values/options.js'
import { Registry } from '../../values/registry.js'
import type { ListeningPlace, PortServer, ServerKind } from './server.js'
import { socketServerKind, type SocketServer, type SocketServerOptions } from './socket.js'
import { vdeServerKind, type VdeServer, type VdeServerOptions } from './vde.js'
import { webSocketServerKind, type WebSocketServer, type WebSocketServerOptions } from './websocket.js'

const kinds = [socketServerKind, vdeServerKind, webSocketServerKind] as const

/** Every protocol that fabrics can listen for, by its word; `add` adds another. */
export const serverKinds = new Registry<ServerKind>('protocol', kinds)

/** What is listened for where nobody says. */
const usual = socketServerKind.key

/** What `Fabric.listen` takes. */
export type ListenOptions =
  | ({ protocol?: 'socket' } & SocketServerOptions)
  | ({ protocol: 'vde' } & VdeServerOptions)
  | ({ protocol: 'websocket' } & WebSocketServerOptions)

/** The server that options make. */
export type ServerOf<Given extends ListenOptions> = Given extends { protocol: 'websocket' }
  ? WebSocketServer
  : Given extends { protocol: 'vde' }
    ? VdeServer
    : SocketServer

const protocolOf = (key: string): Rules[string] => oneOf([key], key === usual ? key : undefined)

/** The keys that `listen` has in topology files, for each protocol. */
export const listenShapes = (): Rules[] =>
  [...serverKinds].map(({ key, description, options }) => ({
    protocol: about(description, protocolOf(key)),
    ...options,
  }))

/** The kind that options are for, and the options of the kind. @throws EtherloomError for a word that is no protocol */
function sortOut(options: unknown): [ServerKind, object] {
  const { protocol, ...given } = asOptions('listen', options)
  const word = oneOf(serverKinds.keys, usual)(protocol, "option 'protocol' of listen")
  return [serverKinds.get(word), given]
}

/** @internal Finds what is wrong with options of `listen`. @throws EtherloomError */
export function checkListenOptions(options: ListenOptions): void {
  const [kind, given] = sortOut(options)
  kind.check(given)
}

/** @internal Where the server that options make will listen, first where peers find it. */
export function listensAt(options: ListenOptions): [ListeningPlace, ...ListeningPlace[]] {
  const [kind, given] = sortOut(options)
  return kind.listensAt(given)
}

/** @internal A server that listens. `stopped` is called once, when it listens no more. */
export async function openServer<Given extends ListenOptions>(
  fabric: PortFabric,
  options: Given,
  stopped: (server: PortServer) => void,
): Promise<ServerOf<Given>> {
  const [kind, given] = sortOut(options)
  const server = kind.make(fabric, given, stopped)
  if (fabric.engine.clock === 'virtual')
    throw new EtherloomError(
      'ERR_ETHERLOOM_STATE',
      `'${fabric.name}' has a virtual clock, which the outside world does not keep`,
    )
  await server.start()
  return server as object as ServerOf<Given>
}
