/** UdpPort: one frame in each UDP datagram. */
import { isIP } from 'node:net'
import { inetAddress } from '../values/addresses.js'
import { addon, native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { about, integer, optionsReader, refuse, required, type RulesOf } from '../values/options.js'
import { nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { duration, type Duration } from '../values/units.js'
import { resolvePlace, sockets } from './socket.js'

export interface UdpPortOptions {
  /** Where the peer sends to, as `127.0.0.1:5000`, `[::]:5000` or, for a port that the kernel chooses, `127.0.0.1:0`. */
  local: string
  /** The only peer, of the same IP version. Default: the first that sends a frame, for as long as the port is attached. */
  remote?: string
  /** How often to send what OpenVPN does to keep a connection alive, when there is nothing else. 1s to 1h. Default never. */
  keepAlive?: Duration
  /** The longest frame that passes, in bytes, 64 to 65507. Default 65507, what a datagram holds. */
  frameLimit?: number
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
  readonly #frameLimit: number
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
    this.#local = given.local
    this.#remote = given.remote
    this.#keepAlive = given.keepAlive
    this.#frameLimit = given.frameLimit
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
    this.#bound = native(() => sockets.bindSocket({ ...local, framing: 'datagram', mode: 0 }))
    const device = native(() => sockets.makeDatagramPort(this.#bound, { frameLimit: this.#frameLimit, peer }))
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
