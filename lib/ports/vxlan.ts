/** VxlanPort: frames of one network in UDP datagrams to and from peers on other machines (RFC 7348). */
import { fstatSync } from 'node:fs'
import { isIP, SocketAddress } from 'node:net'
import { constants } from 'node:os'
import { ipAddress, readAddress } from '../values/addresses.js'
import { calls, native, type NativeEngine } from '../binding.js'
import type { Engine } from '../engine/engine.js'
import { Namespace, namespaceRule } from '../engine/namespace.js'
import { EtherloomError } from '../values/errors.js'
import { counted, type Counted } from '../values/counter.js'
import {
  about,
  flag,
  integer,
  list,
  optionsReader,
  refuse,
  required,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { duration, formatDuration, type Duration } from '../values/units.js'
import { Port, type PortFabric } from './port.js'
import type { PortKind } from './kind.js'

/** Where a VXLAN port is, which network it carries, and to whom. */
export interface VxlanPortOptions {
  /**
   * The IP address of this end, as `10.0.0.1` or `fd00::1`: datagrams come to it and leave from it. `0.0.0.0` or `::`: any of
   * that version which this machine has.
   */
  local: string
  /** The VXLAN network identifier, 0 to 16777215. Ports of one `local` and `udpPort` have one each. */
  vni: number
  /** The other ends, as IP addresses of the version of `local`: at most 256, at first perhaps none. */
  peers?: string[]
  /** The UDP port at which this end and its peers receive, 1 to 65535. Default 4789. */
  udpPort?: number
  /**
   * Whether datagrams have a UDP checksum. They are accepted with and without it. Default: false over IPv4, true over IPv6, as
   * the kernel's.
   */
  checksum?: boolean
  /**
   * How long it is known, after a frame from an address, which peer that is behind. Default 300s. 0s learns nothing, so each
   * frame goes to all peers.
   */
  ageing?: Duration
  /** Addresses it knows at most, 1 to 1048576. Default 8192. A full table evicts from the peer that has most. */
  addresses?: number
  /** The longest frame that passes, in bytes, 64 to 65499. Default 65499, what a datagram holds. */
  frameLimit?: number
  /** The network namespace of the sockets: a Namespace, a path or a name. Default: this process's. */
  namespace?: string | Namespace
  /** Default `vxlan%d`. */
  name?: string
}

/** What passed between a VXLAN port and one of its peers. */
export interface VxlanPeerStats extends Counted {
  /** Its address, as it was given. */
  peer: string
  /** Frames that came from it. */
  received: { frames: bigint; bytes: bigint }
  /** Frames that the kernel took for it. */
  sent: { frames: bigint; bytes: bigint }
  /** Frames for it that are longer than what the way to it takes. */
  tooLong: bigint
  /** Frames for it to which the kernel knew no way, or that it was not allowed to send. */
  unreachable: bigint
  /** Frames for it that the kernel had no room for. */
  full: bigint
  /** The longest IP packet that frames for it can hold, in bytes. Absent where no way leads to it. */
  innerMtu?: number
  /** The addresses that are behind it, as far as was learned. */
  addresses: { address: string; vlan: number; age: string }[]
}

/** Datagrams that were for no VXLAN port of a local address and UDP port, since the first was attached there. */
export interface VxlanStrays extends Counted {
  /** Shorter than a VXLAN header. */
  tooShort: bigint
  /** Without the flag that says that there is a network identifier. */
  withoutVni: bigint
  /** Of a network that no port there has. */
  unknownVni: bigint
}

const mostPeers = 256
/** What IP, UDP, VXLAN and the inner Ethernet header need of a packet to a peer. */
const overheadTo = (peer: string): number => (isIP(peer) === 6 ? 40 : 20) + 8 + 8 + 14

interface NativeState {
  sourcePort: number
  strays: BigUint64Array
  peers: { ip: string; counts: BigUint64Array; mtu?: number; addresses: { address: bigint; age: bigint }[] }[]
}

const { openVxlanSocket, closeVxlanSocket, makeVxlanPort, setVxlanPeers, vxlanState } = calls<{
  openVxlanSocket(engine: NativeEngine, options: { ip: string; port: number; namespace: unknown }): unknown
  /** Returns a ticket: when it is settled, the address is free. */
  closeVxlanSocket(engine: NativeEngine, socket: unknown): number
  makeVxlanPort(
    socket: unknown,
    options: {
      vni: number
      frameLimit: number
      addresses: number
      ageing: bigint
      checksum: boolean
      remotePort: number
      peers: readonly string[]
      namespace: unknown
    },
  ): unknown
  /** Returns a ticket: when it is settled, they hold for every frame. */
  setVxlanPeers(engine: NativeEngine, port: number, peers: readonly string[], remotePort: number): number
  vxlanState(engine: NativeEngine, port: number, options: { ip: string; namespace: unknown }): NativeState
}>()

const local = required(
  about('IP address of this end; 0.0.0.0 or :: for any that the machine has.', ipAddress()),
)
const vni = required(
  about(
    'VXLAN network identifier. Ports of one local address and UDP port have one each.',
    integer(0, 0xffffff),
  ),
)
const peersRule = about(
  'IP addresses of the other ends.',
  list(ipAddress(), { max: mostPeers, expects: `a list of at most ${mostPeers} IP addresses` }),
)
const inFiles = {
  local,
  peers: peersRule,
  udpPort: about('UDP port at which this end and its peers receive.', integer(1, 65_535, { default: 4789 })),
  checksum: about(
    'Whether datagrams have a UDP checksum. Default: over IPv6, but not over IPv4, as those of the kernel.',
    flag(),
  ),
  ageing: about(
    'How long a silent address is known to be behind its peer; 0s learns nothing, and each frame goes to all peers.',
    duration({ default: '300s' }),
  ),
  addresses: about('How many addresses it knows at most.', integer(1, 1 << 20, { default: 8192 })),
  frameLimit: about(
    'Bytes of the longest frame that passes.',
    integer(64, 65_499, { unit: 'bytes', default: 65_499 }),
  ),
}

const readVxlanOptions = optionsReader('VxlanPort', {
  vni,
  ...inFiles,
  name: about("The port's name. Default: vxlan and a number.", nameRule()),
  namespace: about("The sockets' network namespace. Default: this process's.", namespaceRule),
} satisfies RulesOf<VxlanPortOptions>)

/** What receives for all ports of one local address and UDP port, and who has which network there. */
interface Shared {
  socket: unknown
  owners: Map<number, VxlanPort>
  /** While the address is being given up. */
  closing?: Promise<void>
}

const sockets = new WeakMap<Engine, Map<string, Shared>>()

/** An address as its only spelling. */
const spelling = (ip: string): string =>
  isIP(ip) === 6 ? new SocketAddress({ address: ip, family: 'ipv6' }).address : ip

/**
 * A network that spans machines: each frame goes in a UDP datagram, behind a header with the network's identifier, to the
 * peers. What a kernel's `vxlan` device, Open vSwitch and most hardware switches speak.
 *
 * One port is one network with any number of peers. Frames for an address that was seen behind a peer go to that peer; all
 * others go to every peer, a copy for each. What comes from a peer never goes to another (split horizon), so each peer has to
 * have all others as its peers. Datagrams of others are dropped and counted as `wrong-peer`.
 *
 * Datagrams are never fragmented: frames too long for the way to a peer are dropped, counted as `oversize` where no peer gets
 * them, and told apart by `peerStats()`, which also says what fits. UDP says nothing of peers that are not there, so the port is up
 * as long as it is attached. Nothing is encrypted, and a source address can be forged. Privilege: none; CAP_SYS_ADMIN for
 * another `namespace`.
 *
 * @example
 * const port = await hub.attach(new VxlanPort({ local: '10.0.0.1', vni: 42, peers: ['10.0.0.2', '10.0.0.3'] }))
 */
export class VxlanPort extends Port {
  readonly #options: ReturnType<typeof readVxlanOptions>
  #peers: readonly string[]
  #shared: Shared | undefined
  #key = ''
  #namespace: Namespace | undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: VxlanPortOptions) {
    const given = readVxlanOptions(options)
    super(given.name ?? 'vxlan%d')
    this.#options = given
    if (isGroup(given.local) || isMapped(given.local))
      refuse("option 'local' of VxlanPort", 'an address of this machine', given.local)
    this.#peers = this.#checked(given.peers, "option 'peers' of VxlanPort")
  }

  /** The network identifier. */
  get vni(): number {
    return this.#options.vni
  }

  /** The address and UDP port of this end, as `10.0.0.1:4789`. */
  get local(): string {
    const { local, udpPort } = this.#options
    return isIP(local) === 6 ? `[${spelling(local)}]:${udpPort}` : `${local}:${udpPort}`
  }

  /** The other ends. */
  get peers(): readonly string[] {
    return this.#peers
  }

  /**
   * Has other peers instead of these; frames to and from those that stay are not touched. What was learned of those that go is
   * forgotten. Resolves when it holds for every frame; while detached, at once.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION
   */
  async setPeers(peers: readonly string[]): Promise<void> {
    const what = "what 'setPeers' is given"
    const wanted = this.#checked(peersRule(peers, what), what)
    const { fabric } = this
    if (fabric && this.id >= 0) {
      const { engine } = fabric
      const ticket = native(() => setVxlanPeers(engine.native, this.id, wanted, this.#options.udpPort))
      this.#peers = wanted
      await engine.settled(ticket)
    } else this.#peers = wanted
  }

  /** Has one peer more; nothing changes where it is one already. As `setPeers`. @throws EtherloomError ERR_ETHERLOOM_OPTION */
  async addPeer(peer: string): Promise<void> {
    const ip = required(ipAddress())(peer, "what 'addPeer' is given")
    if (!this.#peers.some((each) => spelling(each) === spelling(ip)))
      await this.setPeers([...this.#peers, ip])
  }

  /** Has one peer less; nothing changes where it is none. As `setPeers`. @throws EtherloomError ERR_ETHERLOOM_OPTION */
  async removePeer(peer: string): Promise<void> {
    const ip = required(ipAddress())(peer, "what 'removePeer' is given")
    const rest = this.#peers.filter((each) => spelling(each) !== spelling(ip))
    if (rest.length < this.#peers.length) await this.setPeers(rest)
  }

  /** What passed to and from each peer since it became one, and what is known of it. @throws EtherloomError ERR_ETHERLOOM_STATE */
  peerStats(): VxlanPeerStats[] {
    return this.#state().peers.map(({ ip, counts, mtu, addresses }) => {
      const count = (index: number): bigint => counts[index] ?? 0n
      return counted({
        peer: ip,
        received: counted({ frames: count(0), bytes: count(1) }),
        sent: counted({ frames: count(2), bytes: count(3) }),
        tooLong: count(4),
        unreachable: count(5),
        full: count(6),
        ...(mtu !== undefined && {
          innerMtu: Math.min(mtu - overheadTo(ip), this.#options.frameLimit - 14),
        }),
        addresses: addresses.map(({ address, age }) => ({
          ...readAddress(address),
          age: formatDuration(age),
        })),
      })
    })
  }

  /** Datagrams for no port at all, of those that came to `local`. @throws EtherloomError ERR_ETHERLOOM_STATE */
  strays(): VxlanStrays {
    const [tooShort = 0n, withoutVni = 0n, unknownVni = 0n] = this.#state().strays
    return counted({ tooShort, withoutVni, unknownVni })
  }

  /**
   * The longest IP packet that frames to every peer can hold, in bytes: what the MTU of interfaces in the network can be. It is
   * the MTU of the way, as far as the kernel knows it, less 50 bytes over IPv4 and 70 over IPv6. Undefined while detached,
   * without peers, and where no way leads to any.
   */
  get innerMtu(): number | undefined {
    if (this.id < 0) return undefined
    const known = this.peerStats().flatMap(({ innerMtu }) => innerMtu ?? [])
    return known.length === 0 ? undefined : Math.min(...known)
  }

  /** @internal Why it drops frames for a reason, in words that say what to do. */
  advice(reason: string): string | undefined {
    const peers = this.peerStats()
    if (reason === 'unreachable') {
      if (peers.length === 0) return 'it has no peers: give it some'
      const lost = peers.filter(({ unreachable }) => unreachable > 0n).map(({ peer }) => peer)
      return lost.length === 0
        ? undefined
        : `no way leads to ${lost.join(', ')}: see the routes of this machine`
    }
    if (reason !== 'oversize') return undefined
    const tight = peers.filter(({ tooLong }) => tooLong > 0n)
    const [worst] = tight.sort((one, other) => (one.innerMtu ?? 0) - (other.innerMtu ?? 0))
    if (worst?.innerMtu === undefined) return undefined
    const { peer, innerMtu } = worst
    return `IP packets of ${innerMtu} bytes fit on the way to ${peer}: set the MTU of interfaces in the network to that, or that of the way to ${1500 + overheadTo(peer)} for packets of 1500 bytes`
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    this.insistOnRealClock(fabric)
    const { namespace, local, udpPort, checksum = isIP(local) === 6, ageing, ...options } = this.#options
    if (typeof namespace === 'string') this.#namespace = await Namespace.open(namespace)
    const shared = await this.#join(fabric.engine)
    this.#shared = shared
    const device = native(() =>
      makeVxlanPort(shared.socket, {
        ...options,
        ageing,
        checksum,
        remotePort: udpPort,
        peers: this.#peers,
        namespace: this.#place()?.handle,
      }),
    )
    return this.seatDevice(fabric, device)
  }

  override async undone(): Promise<void> {
    const shared = this.#shared
    this.#shared = undefined
    const engine = this.fabric?.engine
    if (shared && engine) {
      shared.owners.delete(this.#options.vni)
      if (shared.owners.size === 0) await this.#giveUp(engine, shared)
    }
    this.#namespace?.close()
    this.#namespace = undefined
  }

  #checked(peers: readonly string[], subject: string): readonly string[] {
    const family = isIP(this.#options.local)
    const expects = `different IPv${family} addresses of other machines, as 'local' is one of IPv${family}`
    const known = new Set([spelling(this.#options.local)])
    for (const peer of peers) {
      if (
        isIP(peer) !== family ||
        isGroup(peer) ||
        isMapped(peer) ||
        known.has(spelling(peer)) ||
        isNobody(peer)
      )
        refuse(subject, expects, peer)
      known.add(spelling(peer))
    }
    return [...peers]
  }

  #place() {
    const { namespace } = this.#options
    return namespace instanceof Namespace ? namespace.held : this.#namespace?.held
  }

  /** Takes the network's place at the socket of its address, which the first to come there opens. */
  async #join(engine: Engine): Promise<Shared> {
    const { local, udpPort, vni } = this.#options
    const place = this.#place()
    const all = sockets.get(engine) ?? new Map<string, Shared>()
    sockets.set(engine, all)
    this.#key = `${place ? fstatSync(place.fd).ino : ''} ${this.local}`
    for (let there = all.get(this.#key); there?.closing; there = all.get(this.#key)) await there.closing
    let shared = all.get(this.#key)
    const owner = shared?.owners.get(vni)
    if (owner)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `VNI ${vni} at ${this.local} is that of port '${owner.name}' of '${owner.fabric?.name}' already`,
        { hint: 'give each port there a VNI of its own, or that port more peers' },
      )
    if (!shared) {
      shared = {
        socket: openSocket(engine, { ip: local, port: udpPort, namespace: place?.handle }),
        owners: new Map(),
      }
      all.set(this.#key, shared)
    }
    shared.owners.set(vni, this)
    return shared
  }

  async #giveUp(engine: Engine, shared: Shared): Promise<void> {
    const all = sockets.get(engine)
    if (!engine.closed) {
      shared.closing = engine.settled(closeVxlanSocket(engine.native, shared.socket))
      await shared.closing
    }
    all?.delete(this.#key)
  }

  #state(): NativeState {
    const { engine } = this.attachedTo()
    const place = this.#place()
    return native(() =>
      vxlanState(engine.native, this.id, { ip: this.#options.local, namespace: place?.handle }),
    )
  }
}

function openSocket(engine: Engine, at: { ip: string; port: number; namespace: unknown }): unknown {
  try {
    return native(() => openVxlanSocket(engine.native, at))
  } catch (cause) {
    if (!(cause instanceof EtherloomError) || cause.errno !== constants.errno.EADDRINUSE) throw cause
    const { code, syscall, errno } = cause
    const where = isIP(at.ip) === 6 ? `[${at.ip}]` : at.ip
    throw new EtherloomError(
      code,
      `UDP port ${at.port} of ${where} is in use by another program or engine, or by a vxlan device of the kernel`,
      {
        cause,
        syscall,
        errno,
        hint: "end that ('ip -d link show type vxlan' lists the kernel's), or choose another 'udpPort' on all machines",
      },
    )
  }
}

type VxlanMapping = Omit<VxlanPortOptions, 'vni' | 'name' | 'namespace'> & { vxlan: number }

/** @internal */
export const vxlanKind: PortKind<VxlanMapping, VxlanPort> = {
  key: 'vxlan',
  options: { vxlan: vni, ...inFiles },
  make: (name, { vxlan, ...options }) => new VxlanPort({ ...options, name, vni: vxlan }),
  leadsTo: ({ vxlan, peers = [] }) => `VNI ${vxlan}: ${peers.length === 0 ? 'no peer' : peers.join(' ')}`,
  listensAt: ({ vxlan, local, udpPort = 4789 }) => ({
    key: 'vxlan',
    place: `${spelling(local)} UDP ${udpPort} VNI ${vxlan}`,
  }),
  device: (port) => {
    const { innerMtu } = port
    return innerMtu === undefined ? {} : { innerMtu }
  },
  advice: (port, reason) => port.advice(reason),
}

/** Whether an IP address is that of a multicast group (RFC 5771, RFC 4291), or the broadcast address. */
function isGroup(host: string): boolean {
  return isIP(host) === 6 ? /^ff/i.test(host) : Number(host.split('.')[0]) >= 224
}

/** Whether it is one of IPv4 in the words of IPv6, which no socket of ours takes. */
const isMapped = (ip: string): boolean => isIP(ip) === 6 && /^::ffff:/i.test(spelling(ip))

/** Whether no other machine is at an address: it stands for any, or is local to a link, which it does not name. */
function isNobody(ip: string): boolean {
  return ['0.0.0.0', '::'].includes(spelling(ip)) || (isIP(ip) === 6 && /^fe[89ab]/i.test(ip))
}
