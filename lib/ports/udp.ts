/** UdpPort: one frame in each UDP datagram. */
import { isIP } from 'node:net'
import { inetAddress } from '../values/addresses.js'
import { native } from '../binding.js'
import { about, integer, optionsReader, refuse, required, type RulesOf } from '../values/options.js'
import { interfaceRule, nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { duration, type Duration } from '../values/units.js'
import { padRule, resolvePlace, sockets, type NativeAddress } from './sockets.js'

/** Where the datagrams of a UDP port go, and from where they come. */
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
  readonly #options: ReturnType<typeof readUdpOptions>
  #bound: unknown
  #timer: NodeJS.Timeout | undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: UdpPortOptions) {
    const given = readUdpOptions(options)
    super(given.name ?? 'udp%d')
    this.#options = given
    const { local, remote } = given
    const mustBe = (option: keyof UdpPortOptions, expects: string): never =>
      refuse(`option '${option}' of UdpPort`, expects, options[option])
    const [family, other] = [isIP(local.host), isIP(remote?.host ?? '')]
    if (family !== 0 && other !== 0 && family !== other)
      mustBe('remote', `an IPv${family} address, as 'local' is`)
    if (remote?.port === 0) mustBe('remote', 'an address with a port above 0')
    if (remote && isGroup(remote.host))
      mustBe('remote', "one peer; the address of a group is given as 'local'")
    const aGroup = "the address of a multicast group as 'local'"
    if (!isGroup(local.host)) {
      if (given.interface !== undefined) mustBe('interface', `given only with ${aGroup}`)
      return
    }
    for (const option of ['remote', 'keepAlive'] as const)
      if (given[option] !== undefined) mustBe(option, `given without ${aGroup}`)
    if (local.port === 0) mustBe('local', 'a group with a port above 0')
  }

  /** Where it receives, with the port that the kernel has chosen; undefined while detached. */
  get local(): string | undefined {
    return this.#bound === undefined ? undefined : sockets.socketAddress(this.#bound)
  }

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    this.insistOnRealClock(fabric)
    const { local, remote, keepAlive } = this.#options
    const here = await resolvePlace(local, signal)
    const there = remote && (await resolvePlace(remote, signal))
    const id = this.seatDevice(
      fabric,
      native(() => this.#makeDevice(here, there)),
    )
    if (keepAlive !== undefined)
      this.#timer = setInterval(
        () => {
          if (this.id >= 0) sockets.keepAlive(fabric.engine.native, this.id)
        },
        Number(keepAlive / 1_000_000n),
      ).unref()
    return id
  }

  #makeDevice(local: NativeAddress, peer: NativeAddress | undefined): unknown {
    const { interface: name = '', frameLimit, pad } = this.#options
    if ('ip' in local && isGroup(local.ip)) {
      const zone = name !== '' && isIP(local.ip) === 6 && !local.ip.includes('%') ? `%${name}` : ''
      return sockets.makeGroupPort({
        ip: local.ip + zone,
        port: local.port,
        interface: name,
        frameLimit,
        pad,
      })
    }
    this.#bound = sockets.bindSocket({ ...local, framing: 'datagram', mode: 0 })
    return sockets.makeDatagramPort(this.#bound, { frameLimit, pad, peer })
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
