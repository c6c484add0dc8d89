/** UdpPort: one frame in each UDP datagram. */
import { isIP } from 'node:net'
import { inetAddress } from '../values/addresses.js'
import { addon, native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { about, integer, optionsReader, refuse, required, type RulesOf } from '../values/options.js'
import { interfaceRule, nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { duration, type Duration } from '../values/units.js'
import { padRule, resolvePlace, sockets, type FrameShape, type NativeAddress } from './socket.js'

export interface UdpPortOptions {
  /**
   * Where the peer sends to, as `127.0.0.1:5000`, `[::]:5000` or, for a port that the kernel chooses, `127.0.0.1:0`. The address
   * of a multicast group, as `230.0.0.1:1234` or `[ff02::4]:1234`, joins that: what goes out goes to all its members.
   */
  local: string
  /** The only peer, of the same IP version. Default: the first that sends a frame, for as long as the port is attached. */
  remote?: string
  /** With a group: the interface to join it on. Default: the one that the routes lead to. */
  interface?: string
  /** How often to send what OpenVPN does to keep a connection alive, when there is nothing else. 1s to 1h. Default never. */
  keepAlive?: Duration
  /** The longest frame that passes, in bytes, 64 to 65507. Default 65507, what a datagram holds. */
  frameLimit?: number
  /**
   * Fills frames that go out with zeros up to 60 bytes, as a network card does: for emulated cards that refuse shorter ones.
   * Default false.
   */
  pad?: boolean
  /** Default `udp%d`. */
  name?: string
}

const local = required(about('Address to which the peer sends one frame per UDP datagram.', inetAddress()))
const inFiles = {
  remote: about('Address of the peer. Default: the first that sends a frame.', inetAddress()),
  keepAlive: about(
    'How often to send what OpenVPN does to keep a connection alive, when there is nothing else. Default: never.',
    duration({
      fits: (time) => time >= 1_000_000_000n && time <= 3_600_000_000_000n,
      expects: "from 1s to 1h, such as '10s'",
    }),
  ),
  interface: about(
    'Interface to join a multicast group on. Default: that to which the routes lead.',
    interfaceRule(),
  ),
  pad: padRule,
  frameLimit: about(
    'Bytes of the longest frame that passes.',
    integer(64, 65507, { unit: 'bytes', default: 65507 }),
  ),
}

const readUdpOptions = optionsReader('UdpPort', {
  local,
  ...inFiles,
  name: about("The port's name. Default: udp and a number.", nameRule()),
} satisfies RulesOf<UdpPortOptions>)

const udpKeys = { udp: local, ...inFiles }

/**
 * Frames to and from one peer, each in a datagram of its own and nothing around it: what QEMU's `-netdev dgram`,
 * OpenVPN without encryption (and so the links of TME), ubridge and GNS3 speak.
 *
 * With the address of a multicast group it is one of any number of members, on this machine and others: what QEMU's
 * `-netdev socket,mcast=` and User Mode Linux' `mcast` speak. Datagrams reach the local network only (a TTL of 1).
 *
 * Datagrams of others are dropped and counted as `wrong-peer`; keep-alives of OpenVPN as `no-frame`. UDP says neither
 * whether the peer is there nor what it lost, so the port is up as long as it is attached, and what is sent before a
 * peer is known is dropped as `port-down`. Frames that do not fit the path's MTU are fragmented by IP. Nothing is
 * encrypted, and a source address can be forged. Privilege: none.
 *
 * @example
 * const link = await hub.attach(new UdpPort({ local: '127.0.0.1:5000', remote: '127.0.0.1:5001' }))
 */
export class UdpPort extends Port {
  readonly #local
  readonly #remote
  readonly #keepAlive: bigint | undefined
  readonly #interface: string | undefined
  readonly #frames: FrameShape
  #bound: unknown
  #timer: NodeJS.Timeout | undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: UdpPortOptions) {
    const given = readUdpOptions(options)
    super(given.name ?? 'udp%d')
    const families = [given.local, given.remote].map((place) => place && isIP(place.host))
    if (families[0] && families[1] && families[0] !== families[1])
      refuse("option 'remote' of UdpPort", `an IPv${families[0]} address, as 'local' is`, options.remote)
    if (given.remote?.port === 0)
      refuse("option 'remote' of UdpPort", 'an address with a port above 0', options.remote)
    const [beside] = Object.keys(options).filter((key) => key === 'remote' || key === 'keepAlive')
    if (given.remote && isGroup(given.remote.host))
      refuse(
        "option 'remote' of UdpPort",
        "one peer; the address of a group is given as 'local'",
        options.remote,
      )
    if (isGroup(given.local.host) ? beside : given.interface)
      refuse(
        `option '${beside ?? 'interface'}' of UdpPort`,
        `given ${beside === undefined ? 'only with' : 'without'} the address of a multicast group as 'local'`,
        options[beside as 'remote'] ?? given.interface,
      )
    if (isGroup(given.local.host) && given.local.port === 0)
      refuse("option 'local' of UdpPort", 'a group with a port above 0', options.local)
    this.#local = given.local
    this.#interface = given.interface
    this.#remote = given.remote
    this.#keepAlive = given.keepAlive
    this.#frames = { frameLimit: given.frameLimit, pad: given.pad }
  }

  /** Where it receives, with the port that the kernel has chosen; undefined while detached. */
  get local(): string | undefined {
    return this.#bound === undefined ? undefined : sockets.socketAddress(this.#bound)
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    const { engine } = fabric
    if (engine.clock === 'virtual')
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port '${this.name}' belongs to the outside world, which keeps no virtual clock; use a MemoryPort`,
      )
    const local = await resolvePlace(this.#local)
    const peer = this.#remote && (await resolvePlace(this.#remote))
    const device = native(() => this.#makeDevice(local, peer))
    let id: number
    try {
      id = native(() => engine.native.attach(fabric.id, this.name, device))
    } catch (error) {
      addon.discardDevice(device)
      throw error
    }
    if (this.#keepAlive !== undefined)
      this.#timer = setInterval(
        () => {
          if (this.id >= 0) sockets.keepAlive(engine.native, this.id)
        },
        Number(this.#keepAlive / 1_000_000n),
      ).unref()
    return id
  }

  #makeDevice(local: NativeAddress, peer: NativeAddress | undefined): unknown {
    if ('ip' in local && isGroup(local.ip)) {
      const name = this.#interface ?? ''
      const zone = name !== '' && isIP(local.ip) === 6 && !local.ip.includes('%') ? `%${name}` : ''
      return sockets.makeGroupPort({
        ip: local.ip + zone,
        port: local.port,
        interface: name,
        ...this.#frames,
      })
    }
    this.#bound = sockets.bindSocket({ ...local, framing: 'datagram', mode: 0 })
    return sockets.makeDatagramPort(this.#bound, { ...this.#frames, peer })
  }

  protected override closed(_fabric: PortFabric): void {
    clearInterval(this.#timer)
    if (this.#bound !== undefined) sockets.closeSocket(this.#bound)
    this.#bound = undefined
  }
}

/** @internal */
export const udpKind: PortKind<Omit<UdpPortOptions, 'local' | 'name'> & { udp: string }> = {
  key: 'udp',
  options: udpKeys,
  make: (name, { udp: local, ...options }) => new UdpPort({ ...options, name, local }),
  leadsTo: ({ udp, remote }) => remote ?? udp,
}

/** Whether an IP address is that of a multicast group (RFC 5771, RFC 4291). */
function isGroup(host: string): boolean {
  if (isIP(host) === 6) return /^ff/i.test(host)
  const first = Number(host.split('.')[0])
  return isIP(host) === 4 && first >= 224 && first <= 239
}
