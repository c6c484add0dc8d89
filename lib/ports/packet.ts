/** PacketPort: a packet socket on an existing interface (packet(7)). */
import { calls, native, type Device } from '../binding.js'
import { compileFilter, filterRule, type FilterSource } from '../policy/filters/index.js'
import { namespaceRule, type Namespace } from '../engine/namespace.js'
import { about, flag, oneOf, optionsReader, required, type RulesOf } from '../values/options.js'
import { interfaceRule, nameRule } from '../values/names.js'
import { attempt } from '../values/problem.js'
import { DevicePort } from './device.js'
import type { PortKind } from './kind.js'
import { fill, patternRule } from './numbered.js'

/** What the native half needs: options of a PacketPort, read. */
type OpenPacket = Omit<ReturnType<typeof readPacketOptions>, 'checksums' | 'name' | 'namespace'> & {
  completeChecksums: boolean
}

const { openPacket } = calls<{
  openPacket(options: OpenPacket & { namespace: unknown }): Promise<Device>
}>()

/** The interface that a packet port uses, and how. */
export interface PacketPortOptions {
  /** The interface's name. */
  interface: string
  /** The port's name in its fabric. Default: the interface's. */
  name?: string
  /** `in`: what arrives at the interface. `out`: what its host sends. `both`. Default `in`. */
  direction?: 'in' | 'out' | 'both'
  /** Also receives what is addressed to others, as long as the port is attached. Default true. */
  promiscuous?: boolean
  /** The receive filter, which runs in the kernel: a pcap-filter(7) expression or a match object. */
  filter?: FilterSource
  /**
   * How frames are received. `ring`: through memory shared with the kernel, 4 MiB that stay in use while the port is
   * attached; refused with ERR_ETHERLOOM_DEVICE where the kernel grants none. `calls`: by system calls, slower, and
   * with buffers that grow with use. Default: a ring, or calls where it is refused.
   */
  method?: 'ring' | 'calls'
  /**
   * Whether frames whose checksum their sender left to the device are sent with it `complete`, for programs that read raw
   * frames at the other end of a veth pair, or `undone`, which spares copies. Super-frames stay whole. Default `complete`.
   */
  checksums?: 'complete' | 'undone'
  /** The network namespace of the interface: a Namespace, a path or a name. Default: this process's. */
  namespace?: string | Namespace
}

const inFiles = {
  direction: about(
    'Which frames to take: those the interface receives, those it sends, or both.',
    oneOf(['in', 'out', 'both'], 'in'),
  ),
  promiscuous: about('Whether to receive frames for other addresses too.', flag(true)),
  filter: filterRule(),
  method: about(
    'How frames are received: through 4 MiB of memory shared with the kernel, or by system calls. Default: a ring where the kernel grants one.',
    oneOf(['ring', 'calls']),
  ),
  checksums: about(
    'Whether frames whose checksum their sender left to the device are sent with it, for programs that read raw frames, or undone.',
    oneOf(['complete', 'undone'], 'complete'),
  ),
}
const existing = required(about('Existing interface to open a packet socket on.', interfaceRule()))

const readPacketOptions = optionsReader('PacketPort', {
  interface: existing,
  name: about("The port's name. Default: the interface's.", nameRule()),
  namespace: about("The interface's network namespace. Default: this process's.", namespaceRule),
  ...inFiles,
} satisfies RulesOf<PacketPortOptions>)

const packetKeys = { packet: existing, ...inFiles }

/** Why its carrier cannot be taken away. */
const noCarrier = "is a packet socket, which has no say in its interface's carrier"

/**
 * An existing interface as a port: what goes out here is sent on the interface, beside what its host sends.
 *
 * VLAN tags that the kernel took out are put back. Segments that it left joined and checksums that it left undone pass
 * as they are, to ports that take them so; for others they are cut and completed. What the port itself sends never
 * comes back in. Privilege: CAP_NET_RAW in the namespace.
 */
export class PacketPort extends DevicePort {
  readonly #options: OpenPacket

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, ERR_ETHERLOOM_FILTER */
  constructor(options: PacketPortOptions) {
    const { name, namespace, checksums, ...given } = readPacketOptions(options)
    super(name ?? given.interface, namespace)
    this.#options = { ...given, completeChecksums: checksums === 'complete' }
  }

  protected override readonly endsWithInterface = true

  /** How frames are received; undefined while detached. */
  get method(): 'ring' | 'calls' | undefined {
    return this.device?.method
  }

  override get noCarrier(): string {
    return noCarrier
  }

  protected override async openDevice(namespace: unknown): Promise<Device> {
    return native(() => openPacket({ ...this.#options, namespace }))
  }
}

type PacketMapping = Omit<PacketPortOptions, 'interface' | 'name' | 'namespace'> & { packet: string }

/** @internal */
export const packetKind: PortKind<PacketMapping, PacketPort, { packet: string }> = {
  key: 'packet',
  options: packetKeys,
  make: (name, { packet, ...options }) => new PacketPort({ ...options, name, interface: packet }),
  leadsTo: ({ packet }) => packet,
  check: ({ filter }, complain) => {
    if (filter !== undefined) attempt(() => compileFilter(filter), ['filter'], complain)
  },
  noCarrier,
  device: ({ method, superFrames }) =>
    method === undefined || superFrames === undefined ? {} : { method, superFrames },
  numbered: {
    options: {
      packet: required(
        patternRule("Existing interfaces to open packet sockets on; '%d' is the number of each, from 1."),
      ),
    },
    make: (_node, { packet }, number) => {
      const name = fill(packet, number)
      return { name, given: { packet: name } }
    },
  },
}
