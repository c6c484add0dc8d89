/**
 * How frames stand in a socket: one entry each, from which options, topology files and messages follow. Those of streams have
 * their bytes in native/ports/, a file each, under the same word. Called by all that has an option `framing`.
 */
import { oneOf, oneOfWords, shaped, type Rule } from '../values/options.js'
import { Registry, type Keyed } from '../values/registry.js'
import type { Greeting } from './conversation.js'
import { hyperkitGreeting } from './hyperkit.js'

/** One way in which frames stand in a socket. */
export interface FramingKind extends Keyed {
  /** The kind of socket: a `stream` carries any framing that the native half knows, the others a frame in each message. */
  readonly socket: 'stream' | 'datagram' | 'seqpacket'
  /** What a peer has to speak, for the one whose peer does not. */
  readonly speaks: string
  /** The words that give QEMU a network of this id on an inherited descriptor, where it has this framing. */
  readonly netdev?: (id: string, fd: number) => string
  /** What both ends of a new connection say before the first frame. */
  readonly greeting?: Greeting
}

const ours = [
  {
    key: 'stream',
    socket: 'stream',
    speaks: "QEMU's stream framing, 4 bytes of length before each frame",
    netdev: (id: string, fd: number) => `stream,id=${id},server=off,addr.type=fd,addr.str=${fd}`,
  },
  {
    key: 'datagram',
    socket: 'datagram',
    speaks: 'one frame in each datagram',
    netdev: (id: string, fd: number) => `dgram,id=${id},local.type=fd,local.str=${fd}`,
  },
  {
    key: 'vde',
    socket: 'stream',
    speaks: "VDE's stream framing, 2 bytes of length before each frame",
  },
  {
    key: 'vpnkit',
    socket: 'stream',
    speaks: "vpnkit's stream framing, 2 bytes of length before each frame, the lower one first",
  },
  {
    key: 'hyperkit',
    socket: 'stream',
    speaks: "hyperkit's greeting, and then vpnkit's stream framing",
    greeting: hyperkitGreeting,
  },
  { key: 'seqpacket', socket: 'seqpacket', speaks: 'one frame in each message' },
] as const satisfies readonly FramingKind[]

/**
 * How frames stand in a socket. `stream`: each behind its length, 4 bytes, big-endian, in a stream: QEMU's
 * `-netdev stream`, passt, socket_vmnet, and our own trunks. `vde`: the same with 2 bytes, as vde_plug and wirefilter have
 * it in their pipes. `vpnkit`: 2 bytes, little-endian: gvproxy's standard input and output. `hyperkit`: the same after a greeting,
 * in which a machine gets a network card: hyperkit, vpnkit, gvproxy. `datagram`: one in each datagram of a Unix socket: QEMU's
 * `-netdev dgram`, vfkit, libkrun. `seqpacket`: one in each message of a connection: `bess` of User Mode Linux and
 * slirp4netns.
 */
export type Framing = (typeof ours)[number]['key']

/** @internal All there are. What is added has to be known to the addon, by the same word. */
export const framings = new Registry<FramingKind>('framing', ours)

/** @internal A rule for an option that is one of the framings which are `fit`. */
export function framingRule<F extends Framing, D extends F | undefined = undefined>(
  fit: (kind: FramingKind) => boolean,
  fallback?: D,
): Rule<F | D> {
  const words = (): F[] => [...framings].filter(fit).map(({ key }) => key as F)
  return shaped((value, subject) => oneOf<F, D>(words(), fallback)(value, subject), {
    ...(fallback !== undefined && { default: fallback }),
    get expects() {
      return oneOfWords(words())
    },
    form: {
      kind: 'value',
      get json() {
        return { type: 'string', enum: words() }
      },
    },
  })
}
