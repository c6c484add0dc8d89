/**
 * What ports over sockets share: the native calls, the rules of common options, and places that become addresses.
 * Called by SocketPort, UdpPort, SocketServer and spawn.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { constants } from 'node:os'
import { calls, native, type NativeEngine } from '../binding.js'
import type { SocketPlace } from '../values/addresses.js'
import { EtherloomError } from '../values/errors.js'
import { about, flag, integer, type RulesOf } from '../values/options.js'
import { unlessAborted } from '../values/signals.js'
import { quote } from '../values/quote.js'
import type { Framing } from './framings.js'
import { inheritedSocket } from './inherited.js'

/** @internal A socket's address: a path, or an IP address in numbers and a port. */
export type NativeAddress = { path: string } | { ip: string; port: number }

/** @internal A socket that is handed over, by its descriptor, instead of an address. */
export interface NativeSocket {
  fd: number
}

/** What frames of a connection may be. */
export interface FrameOptions {
  /** The longest frame that passes, in bytes, 64 to 69632. Default 69632. */
  frameLimit?: number
  /**
   * Fills frames that go out with zeros up to 60 bytes, as a network card does: for emulated cards that refuse shorter ones.
   * Default false.
   */
  pad?: boolean
}

/** @internal */
export type FrameShape = Required<FrameOptions>

/** @internal What the native half does with sockets. */
export const sockets = calls<{
  /** Takes a connected socket; the descriptor stays the caller's. */
  adoptSocket(
    fd: number,
    options: FrameShape & { framing: Framing | undefined },
  ): { device: unknown; framing: Framing }
  /** Takes the connected socket; without one the port is down at once. */
  makeSocketPort(socket: unknown, options: FrameShape & { framing: Framing }): unknown
  /** With `control`, a stream whose end is the port's, the socket is connected to its peer; both stay the caller's, too. */
  makeDatagramPort(
    bound: unknown,
    options: FrameShape & { peer?: NativeAddress | undefined; control?: unknown },
  ): unknown
  /** A member of a multicast group. `interface`: its name; empty where the routes shall choose. */
  makeGroupPort(options: FrameShape & { ip: string; port: number; interface: string }): unknown
  /** A socket that listens, or receives datagrams. */
  bindSocket(
    options: (NativeAddress | NativeSocket) & { framing: Framing; mode: number; owner?: number | undefined },
  ): unknown
  socketAddress(bound: unknown): string
  /** Another descriptor of a bound socket, which is the caller's to close. */
  duplicateSocket(bound: unknown): number
  acceptPeer(bound: unknown): unknown
  connectSocket(options: NativeAddress & { framing: Framing }): { socket: unknown; pending: boolean }
  finishConnecting(socket: unknown, address: NativeAddress): void
  closeSocket(socket: unknown): void
  /** Of a port of datagrams. */
  keepAlive(engine: NativeEngine, port: number): void
  /** Of a port over TCP, every few seconds: a peer that answers and does not read is not given up. */
  attendPeer(engine: NativeEngine, port: number, seconds: number): void
  /** One message to the peer of a connected socket; it does not wait. */
  sendBytes(socket: unknown, bytes: Uint8Array): void
  /** What has come from the peer of a connected socket, at most so many bytes; none when it has closed, undefined when nothing is there. */
  receiveBytes(socket: unknown, most: number): Uint8Array | undefined
  /** Who is at the other end of a Unix connection, by the kernel's word. */
  peerIdentity(socket: unknown): { process: number; user: number; group: number }
  /** Makes who is at a path the only peer of a socket of datagrams; what is there must be a socket of one of these users. */
  connectPeer(bound: unknown, path: Uint8Array, owners: Uint32Array): void
  /** Two descriptors, which are the caller's to close. */
  socketPair(framing: Framing): [number, number]
}>()

/** @internal The rule for `pad`. */
export const padRule = about(
  'Whether to fill frames that go out with zeros up to 60 bytes, for emulated cards that refuse shorter ones.',
  flag(false),
)

/** @internal The waits between attempts to connect, in milliseconds; the last repeats. */
const waits = [0, 10, 20, 50, 100, 200, 500]

/** @internal How long to wait before the next attempt to connect, in milliseconds, after so many have failed. */
export const waitAfter = (failures: number): number => waits[Math.min(failures, waits.length - 1)] as number

/** @internal A connection that has held for so long, in milliseconds, was one: the next attempt is made at once. */
export const settledAfter = 1000

/** @internal How long an attempt to connect may take, in milliseconds. */
export const attemptLimit = 5000

/** @internal The rules for frames of connections. */
export const frameRules = {
  frameLimit: about(
    'Bytes of the longest frame that passes.',
    integer(64, 69632, { unit: 'bytes', default: 69632 }),
  ),
  pad: padRule,
} satisfies RulesOf<FrameOptions>

/** @internal The rule for `mode` of sockets. */
export const modeRule = about(
  'Rights of a path that is made here, as 0o660. Default 0o600: of our own user only.',
  integer(0, 0o777),
)

/** @internal A socket at which peers connect, or to which they send. @throws EtherloomError ERR_ETHERLOOM_DEVICE */
export function bindSocket(options: Parameters<typeof sockets.bindSocket>[0]): unknown {
  try {
    return native(() => sockets.bindSocket(options))
  } catch (cause) {
    if (!(cause instanceof EtherloomError) || cause.errno !== constants.errno.ENOENT) throw cause
    const { code, message, syscall, errno } = cause
    const hint = 'make its folder first, or choose another path'
    throw new EtherloomError(code, message, { cause, syscall, errno, hint })
  }
}

/** Sockets that were handed over, by name, with the bound ones that stand for them. */
const taken = new Map<string, unknown>()

/**
 * @internal The same at a place of our own: bound there, or the socket that was handed over, of which each is for one.
 *
 * @throws EtherloomError ERR_ETHERLOOM_DEVICE
 */
export async function bindPlace(
  place: SocketPlace,
  options: { framing: Framing; mode: number },
  signal?: AbortSignal,
): Promise<unknown> {
  if (!('inherited' in place)) return bindSocket({ ...(await resolvePlace(place, signal)), ...options })
  const name = place.inherited
  if (taken.has(name))
    throw new EtherloomError(
      'ERR_ETHERLOOM_DEVICE',
      `the socket ${quote(name)} that was handed over is another port's or 'listen' already`,
      {
        errno: constants.errno.EADDRINUSE,
        hint: 'give each a socket unit with a FileDescriptorName of its own',
      },
    )
  const bound = bindSocket({ fd: inheritedSocket(name), ...options })
  taken.set(name, bound)
  return bound
}

/** @internal Closes what `bindPlace` has bound. */
export function unbind(bound: unknown): void {
  for (const [name, each] of taken) if (each === bound) taken.delete(name)
  sockets.closeSocket(bound)
}

/** @internal The address of a place, by name where it is not in numbers. */
export async function resolvePlace(
  place: Exclude<SocketPlace, { inherited: string }>,
  signal?: AbortSignal,
): Promise<NativeAddress> {
  if ('path' in place) return place
  const { host, port } = place
  if (isIP(host) !== 0 || host.includes('%')) return { ip: host, port }
  try {
    const { address } = await unlessAborted(lookup(host), signal)
    return { ip: address, port }
  } catch (cause) {
    signal?.throwIfAborted()
    throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `the name ${quote(host)} leads to no address`, {
      cause,
      errno: constants.errno.EHOSTUNREACH,
    })
  }
}
