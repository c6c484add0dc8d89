/** PacketPort: a packet socket on an existing interface (packet(7)). */
import { addon, native, type Device } from '../binding.js'
import { compileFilter, type FilterSource } from '../filters/index.js'
import type { Namespace } from '../namespace.js'
import { flag, oneOf, optional, readOptions, required } from '../options.js'
import { interfaceRule, nameRule, namespaceRule } from '../port.js'
import { DevicePort } from './device.js'

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
  /** The network namespace of the interface: a Namespace, a path or a name. Default: this process's. */
  namespace?: string | Namespace
}

/**
 * An existing interface as a port: what goes out here is sent on the interface, beside what its host sends.
 *
 * VLAN tags that the kernel took out are put back; checksums that it left undone are completed; segments that it left
 * joined are cut. What the port itself sends never comes back in. Privilege: CAP_NET_RAW in the namespace.
 */
export class PacketPort extends DevicePort {
  readonly #options: Omit<Parameters<typeof addon.openPacket>[0], 'namespace'>

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, ERR_ETHERLOOM_FILTER */
  constructor(options: PacketPortOptions) {
    const given = readOptions('PacketPort', options, {
      interface: required(interfaceRule()),
      name: nameRule(),
      direction: oneOf(['in', 'out', 'both'] as const, 'in'),
      promiscuous: flag(true),
      filter: optional((value) => compileFilter(value as FilterSource)),
      namespace: namespaceRule,
    })
    super(given.name ?? given.interface, given.namespace)
    this.#options = {
      interface: given.interface,
      direction: given.direction,
      promiscuous: given.promiscuous,
      filter: given.filter,
    }
  }

  protected override async openDevice(namespace: unknown): Promise<Device> {
    return native(() => addon.openPacket({ ...this.#options, namespace }))
  }
}
