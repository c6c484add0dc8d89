/**
 * The only file that loads the addon, and the declaration of what all kinds use of it. What only one kind of port calls,
 * its file in lib/ports/ declares, by `calls`.
 * Native code trusts these calls: whoever makes one has checked its values. What stands for something of an engine (a
 * port, a fabric, a capture) is a number that is given out once, and the addon checks it: of something that has gone,
 * the call throws ERR_ETHERLOOM_STATE and does nothing. Times are nanoseconds, positions and tickets are numbers below
 * 2^53, and whatever fails throws (or rejects with) an EtherloomError.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EtherloomError, fromNative, type NativeError } from './values/errors.js'
import { quote } from './values/quote.js'

/** An interface as it was when somebody looked. */
export interface NativeInterface {
  /** 0 where it is in a namespace that we may not look into. */
  readonly index: number
  readonly name: string
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
}

/** An open device that no fabric has yet. */
export interface Device extends NativeInterface {
  readonly device: unknown
  /** The protocols of which it carries super-frames. */
  readonly superFrames: readonly ('tcp' | 'udp')[]
  /** Of packet sockets: how frames are received. */
  readonly method?: 'ring' | 'calls'
  /** Of TAPs: the interface was made, not joined. */
  readonly created?: boolean
}

/** News of an interface. `overrun`: news was lost, and nothing else is known. */
export interface LinkNews extends NativeInterface {
  readonly watch: number
  readonly change: 'appeared' | 'changed' | 'vanished' | 'overrun'
  /**
   * Where: `here` is the namespace that is watched, other numbers are namespaces as it numbers them (ip-netns(8)). From
   * there is news of TAPs that have left the watched one, where we may hear it (CAP_NET_BROADCAST and CAP_NET_ADMIN there).
   */
  readonly nsid: number
  /** Vanished from that namespace, but it lives on in another: under this index, in one with this number there. */
  readonly moved: boolean
  readonly newNsid: number
  readonly newIndex: number
}

/** `nsid` of what is in the watched namespace. */
export const here = -1

export interface NamespaceHandle {
  readonly handle: unknown
  readonly fd: number
}

/** What poll() reports: an engine event, or news of an interface. */
export type Happening =
  | { kind: number; port: number; errno: number }
  | { kind: number; fabric: number; address: bigint; from: number; to: number; at: bigint }
  | { kind: number; fabric: number; port: number; traffic: number; at: bigint }
  | LinkNews
  | { socket: number }

/** What a port has in its fabric, as lib/fabrics/attachment.ts makes it of what users say. */
export interface PortSettings {
  delay: bigint
  receive?: { broadcast: boolean; multicast: boolean; addresses: BigUint64Array } | undefined
  /** Frames a second, each of them. */
  storm?: Partial<Record<'broadcast' | 'multicast' | 'unknown', number | undefined>> | undefined
  /** For `expect` only. */
  group?: string | undefined
  /** Undefined: none, or those from before. */
  vlan?: { tagged: Uint16Array; untagged: number } | undefined
}

export interface NativeEngine {
  addFabric(name: string, kind: 'hub' | 'switch' | 'wire', forwarding: boolean, settings: object): number
  removeFabric(fabric: number): number
  /** What the port attached next under this name has from its first frame; undefined takes that back. */
  expect(fabric: number, name: string, settings: PortSettings | undefined): void
  configure(port: number, settings: PortSettings): number
  attach(fabric: number, name: string, device: unknown): number
  detach(port: number): number
  revive(port: number, device: unknown): number
  /** The port's interface is gone: takes the port down, if it is up. */
  endDevice(port: number): void
  setMtu(port: number, bytes: number): void
  setCarrier(port: number, on: boolean): number
  /** `policies`: records, one after the other, as lib/policy/records.ts lays them out. `triples`: from, to, record. */
  apply(
    fabric: number,
    policies: Uint8Array,
    triples: Uint32Array,
    flush: boolean,
  ): [up: number, down: number, changed: number, ticket: number]
  /** The number of what policies refer to, if a policy still does. It is kept until the next `apply` then. */
  shared(key: string): number | undefined
  /** Takes what policies refer to: `kind` by its place in lib/policy/shared-data.ts. Returns its number. */
  share(key: string, kind: number, bytes: Uint8Array): number
  latest(): number
  settled(ticket: number): boolean
  poll(): Happening[]
  /** Ends before that at the first instant at which `poll` has something to report. */
  advance(nanoseconds: bigint): void
  now(): bigint
  leastLoaded(): number
  portStats(port: number): BigUint64Array
  pathStats(from: number, to: number): BigUint64Array | undefined
  addresses(fabric: number): { address: bigint; port: number; age: bigint }[]
  /** Ends a storm that was reported, if none of its frames were dropped after `until`: the words of an EpisodeState. */
  endStorm(port: number, traffic: number, until: bigint): BigUint64Array
  /** The same of an address that flaps. */
  endFlapping(fabric: number, address: bigint, until: bigint): BigUint64Array
  /** One of `file` and `socket`. */
  startCapture(settings: object, targets: readonly object[]): number
  endCapture(capture: number): number
  /** State (0 running, 1 ended, 2 failed), errno, frames, bytes, lost. */
  captureState(capture: number): BigUint64Array
  forgetCapture(capture: number): void
  /** The longest, then the buckets. */
  lateness(worker: number): BigUint64Array
  watchLinks(namespace: unknown): number
  /** Of links, or of a socket that was not reported yet. */
  unwatch(watch: number): void
  ioName(): string
  ref(): void
  unref(): void
  close(): number
}

interface Addon {
  Engine: new (
    options: {
      virtual: boolean
      workers: number
      seed: bigint
      memory: number
      io: 'auto' | 'io_uring' | 'epoll'
      /** Nanoseconds before a departure; -1: always. */
      spin: bigint
    },
    wake: () => void,
  ) => NativeEngine
  discardDevice(device: unknown): void
  findInterface(name: string, namespace: unknown): Promise<NativeInterface | undefined>
  createNamespace(): Promise<NamespaceHandle>
  openNamespace(pathOrName: string): Promise<NamespaceHandle>
  closeNamespace(handle: unknown): void
  configureInterface(options: {
    interface: string
    up: boolean
    addresses?: string[]
    namespace?: unknown
  }): Promise<void>
  /** `ends`: where it leads to, and the gateway if there is one. */
  changeRoute(options: {
    add: boolean
    /** Whether one that is added takes the place of another to the same destination with the same metric. */
    replace: boolean
    ends: string[]
    interface?: string
    metric: number
    namespace: unknown
  }): Promise<void>
  /** `path` is below /proc/sys. Gives what it was. */
  changeSysctl(options: { path: string; value?: string; namespace: unknown }): Promise<string>
  compileExpression(expression: string): Uint8Array
  verifyFilter(program: Uint8Array): void
  readonly dropReasons: string[]
  readonly events: string[]
  readonly traffic: string[]
  readonly impairments: string[]
}

/** By these users have node-gyp-build look elsewhere. */
const otherPlaces = ['ETHERLOOM_PREBUILD', 'PREBUILDS_ONLY', 'LIBC', 'npm_config_arch', 'npm_config_platform']

/** Where node-gyp-build would find it, nearly always. To ask it takes longer than to load the addon. */
function usualPlace(root: string): string | undefined {
  if (otherPlaces.some((name) => process.env[name])) return undefined
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
  return ['build/Release/etherloom.node', `prebuilds/linux-${process.arch}/etherloom.${libc}.node`]
    .map((name) => join(root, name))
    .find((file) => existsSync(file))
}

function load(): Addon {
  const require = createRequire(import.meta.url)
  const here = dirname(fileURLToPath(import.meta.url))
  let root = here
  while (!existsSync(join(root, 'binding.gyp')) && root !== dirname(root)) root = dirname(root)
  if (root === dirname(root))
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `${quote(here)} is in no package of etherloom`, {
      hint: 'install it with npm; its files cannot be used from another folder',
    })
  try {
    const place = usualPlace(root)
    if (place !== undefined) return require(place) as Addon
    return (require('node-gyp-build') as (directory: string) => Addon)(root)
  } catch (cause) {
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', 'the native addon of etherloom cannot be loaded', {
      cause,
      hint: `build it with 'npm rebuild etherloom --foreground-scripts' (it needs make, g++ and python3)`,
    })
  }
}

export const addon = load()

/** Functions, which need no object, instead of methods. */
type Unbound<Calls> = {
  [Name in keyof Calls]: Calls[Name] extends (...given: infer Given) => infer Result
    ? (...given: Given) => Result
    : never
}

/** The calls of one kind of port, by their native names: `calls<{ openTap(options: TapOptions): Promise<Device> }>()`. */
export const calls = <Calls extends object>(): Unbound<Calls> => addon as unknown as Unbound<Calls>

/** Makes one call into the addon; its errors become EtherloomErrors. */
export function native<T>(call: () => T): T {
  try {
    const value = call()
    return value instanceof Promise ? (value.catch(rethrow) as T) : value
  } catch (error) {
    return rethrow(error)
  }
}

function rethrow(error: unknown): never {
  throw error instanceof Error && 'errno' in error ? fromNative(error as Error & NativeError) : error
}
