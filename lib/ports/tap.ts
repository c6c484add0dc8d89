/** TapPort: a TAP device, made here or joined by name, or a descriptor that somebody else opened. */
import { isIPv4Prefix } from '../values/addresses.js'
import { addon, calls, native, type Device, type LinkNews } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { compileFilter, filterRule, type FilterSource } from '../policy/filters/index.js'
import type { Gateway, GatewayListener } from '../gateway/gateway.js'
import { gatewayFault, gatewayRule, type GatewayOptions, type GatewaySettings } from '../gateway/options.js'
import { namespaceRule, type Namespace } from '../engine/namespace.js'
import {
  about,
  flag,
  integer,
  oneOf,
  optionsReader,
  refuse,
  required,
  type RulesOf,
} from '../values/options.js'
import { entryName, interfaceRule, nameRule } from '../values/names.js'
import { DevicePort } from './device.js'
import type { PortFabric } from './port.js'
import { attempt } from '../values/problem.js'
import { interfaceIdentity } from '../values/interface-options.js'
import type { PortKind } from './kind.js'
import { fill, numberedInterface, patternRule, seriesRules, type InterfaceSeries } from './numbered.js'

/** @internal What the native half needs for a TAP that is opened here: options of a TapPort, read. */
export type OpenTap = Omit<
  ReturnType<typeof readTapOptions>,
  'checksums' | 'fd' | 'gateway' | 'interface' | 'name' | 'namespace'
> & { name: string; completeChecksums: boolean }

export const { openTap, adoptTap } = calls<{
  openTap(options: OpenTap & { namespace: unknown }): Promise<Device>
  /** The descriptor stays the caller's. */
  adoptTap(fd: number, options: OpenTap): Promise<Device>
}>()

/** The TAP device of a port: its name, its addresses, where it is and what it offers to its kernel. */
export interface TapPortOptions {
  /** The interface's name, 1 to 15 characters. One `%d` lets the kernel number it. Default: `name`, else `tap%d`. */
  interface?: string
  /** The port's name in its fabric. Default: the interface's. */
  name?: string
  /** Bytes, 68 to 65521, without the Ethernet header. Default: as it is, 1500 for a new one. */
  mtu?: number
  /** Of the interface, as `02:00:00:00:00:01`. Default: as it is, random for a new one. */
  mac?: string
  /** Of the interface, as `10.0.0.1/24` or `fd00::1/64`, added to those it has. */
  addresses?: string[]
  /** Sets the interface up. Default true. */
  up?: boolean
  /**
   * Whether the interface has a carrier from its first moment on. Without one its kernel sends nothing, no DHCP and no IPv6 either,
   * until `carrier(true)` is called. Default true. Linux 5.0.
   */
  carrier?: boolean
  /** The user id that may join the TAP without privilege. */
  owner?: number
  /** The group id that may join the TAP without privilege. */
  group?: number
  /** The TAP outlives us. Default false: one made here goes with the port. */
  persist?: boolean
  /**
   * What goes out passes the receiving kernel's NAPI and GRO (IFF_NAPI, Linux 4.15). For bulk TCP; it costs small
   * frames a fifth of their rate. Default false.
   */
  napi?: boolean
  /**
   * 1 to 64, and no more than the engine has workers: so many of them read the interface at the same time, each a queue
   * of its own. A flow comes in on one queue, in order; between flows there is no order. Default 1.
   */
  queues?: number
  /**
   * Which frames of those sent on the interface come in, as the kernel decides (TUNATTACHFILTER): a pcap-filter(7)
   * expression or a match object. Default: all.
   */
  filter?: FilterSource
  /**
   * Returns to the interface's own host what others send on the interface, through packet sockets: each frame that is for
   * its address, as the port found it, or for a group, and not from it. Default false.
   */
  writeback?: boolean
  /**
   * Whether frames whose checksum their sender left to the device reach the interface so (`undone`), which its kernel does
   * not mind, or `complete`, for programs that read raw frames, DHCP clients among them. Super-frames stay whole.
   * Default `undone`.
   */
  checksums?: 'complete' | 'undone'
  /** The network namespace of the interface: a Namespace, a path or a name. Default: this process's. */
  namespace?: string | Namespace
  /**
   * Makes the interface's host a gateway for the fabric: what comes from the subnet of its one IPv4 address in
   * `addresses` is forwarded to an interface of your choice, translated (NAT), and may get addresses (`dhcp`) and answers
   * for names (`dns`). All of it is undone when the port closes, and when the process is killed. Default: none.
   * Privilege: CAP_NET_ADMIN in the namespace. Needs nft and ip, dnsmasq for `dhcp` and `dns`.
   */
  gateway?: GatewayOptions
  /**
   * An open descriptor of a TAP instead of all of the above but `name`, `filter`, `writeback` and `checksums`; it is duplicated, and stays
   * the caller's to close.
   */
  fd?: number
}

/** Options of the interface that topology files have, too. */
/** @internal */
export const interfaceOptions = {
  ...interfaceIdentity,
  napi: about(
    "Whether the interface's kernel joins what the port sends (NAPI and GRO): for bulk TCP, at the cost of small frames.",
    flag(false),
  ),
  checksums: about(
    'Whether frames whose checksum their sender left to the device arrive complete, for programs that read raw frames (DHCP clients do), or undone.',
    oneOf(['complete', 'undone'], 'undone'),
  ),
  queues: about(
    'How many workers read the interface at the same time; no more than there are.',
    integer(1, 64, { default: 1 }),
  ),
}
const tapOptions = {
  ...interfaceOptions,
  owner: about('User id that may join the TAP without privilege.', integer(0, 0xfffffffe)),
  persist: about('Whether the TAP outlives its port.', flag(false)),
  carrier: about('Whether the interface has a carrier at the beginning.', flag(true)),
  filter: filterRule(),
  writeback: about(
    "Whether to return to the TAP's host what other programs send to it, or to a group, through packet sockets.",
    flag(false),
  ),
  gateway: gatewayRule,
}

const readTapOptions = optionsReader('TapPort', {
  interface: about("The interface's name. Default: the port's, else tap%d.", interfaceRule()),
  name: about("The port's name. Default: the interface's.", nameRule()),
  up: about('Whether to set the interface up.', flag(true)),
  group: about('Group id that may join the TAP without privilege.', integer(0, 0xfffffffe)),
  namespace: about("The interface's network namespace. Default: this process's.", namespaceRule),
  fd: about('An open descriptor of a TAP.', integer(0, 0x7fffffff)),
  ...tapOptions,
} satisfies RulesOf<TapPortOptions>)

/** The mapping of a TAP in a topology file. */
const tapKeys = {
  tap: required(about('TAP interface on this machine, created if it does not exist.', interfaceRule())),
  ...tapOptions,
} satisfies RulesOf<TapMapping>

/** The mapping of an interface of a host in a topology file. */
const hostKeys = {
  host: required(
    about('Host to give an interface to; the port is the other end of that interface.', entryName()),
  ),
  interface: about(
    'Name of the interface inside the host. Default: eth0, eth1, ... in order.',
    interfaceRule(),
  ),
  ...interfaceOptions,
} satisfies RulesOf<HostMapping>

/** Options that go with an open descriptor. */
const besideDescriptor = ['fd', 'name', 'filter', 'writeback', 'checksums']

/**
 * A TAP device as a port: what its kernel sends on the interface comes in here, what goes out here that kernel receives.
 *
 * Privilege: CAP_NET_ADMIN in the namespace, or none with a persistent TAP whose owner we are, or with `fd`.
 * A write gives no back-pressure: what the receiving kernel drops is not ours to see or count.
 *
 * @example
 * const left = await hub.attach(new TapPort({ interface: 'left0', addresses: ['10.0.0.1/24'] }))
 */
export class TapPort extends DevicePort {
  readonly #options: OpenTap
  readonly #fd: number | undefined
  readonly #gatewaySettings: GatewaySettings | undefined
  #gateway: Gateway | undefined
  /** Whether the interface was opened without a carrier, the last time. */
  #openedWithout = false

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: TapPortOptions = {}) {
    const given = readTapOptions(options)
    const { name, interface: tap = name ?? 'tap%d', checksums, fd, gateway, namespace, ...rest } = given
    const beside = Object.keys(options).find((key) => !besideDescriptor.includes(key))
    if (fd !== undefined && beside !== undefined)
      refuse("option 'fd' of TapPort", `given without '${beside}': an open TAP is taken as it is`, fd)
    if (fd === undefined) interfaceRule()(tap, "option 'name' of TapPort without 'interface'")
    super(name ?? tap, namespace)
    const fault = gateway && gatewayFault(gateway, { tap, addresses: rest.addresses })
    if (fault)
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `option 'gateway' of TapPort: ${fault.message}`)
    this.#fd = fd
    this.#gatewaySettings = gateway
    this.#options = { ...rest, name: tap, completeChecksums: checksums === 'complete' }
  }

  /** Its descriptor works in every namespace, and tells when the interface ends. */
  protected override readonly endsWithInterface = false

  /** How many workers read the interface. */
  get queues(): number {
    return this.#options.queues
  }

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    const { name, workers } = fabric.engine
    if (this.queues > workers)
      throw new EtherloomError(
        'ERR_ETHERLOOM_OPTION',
        `port '${this.name}' cannot have ${this.queues} queues: each is read by a worker of its own, and '${name}' has ${workers}`,
        { hint: 'give the engine more workers, or the port fewer queues' },
      )
    return super.open(fabric, signal)
  }

  override async undone(): Promise<void> {
    await this.#gateway?.close()
  }

  override attached(): void {
    super.attached()
    if (!this.#options.carrier) this.setCarrier(false)
  }

  /** The carrier may have changed while the interface was being opened again. */
  protected override async revive(fabric: PortFabric, device: unknown): Promise<void> {
    const revived = super.revive(fabric, device)
    if (this.#openedWithout && this.carrierOn) fabric.engine.native.setCarrier(this.id, true)
    await revived
  }

  protected override closed(fabric: PortFabric): void {
    void this.#gateway?.close()
    this.#gateway = undefined
    super.closed(fabric)
  }

  protected override async openDevice(
    namespace: unknown,
    again?: string,
    signal?: AbortSignal,
  ): Promise<Device> {
    const fd = this.#fd
    if (this.#gatewaySettings) return this.#openWithGateway(this.#gatewaySettings, namespace, again, signal)
    if (fd === undefined) return this.#openTap(namespace, again)
    if (again === undefined) return native(() => adoptTap(fd, this.#options))
    throw new EtherloomError(
      'ERR_ETHERLOOM_DEVICE',
      'a descriptor cannot be opened again; attach a new TapPort',
    )
  }

  #openTap(namespace: unknown, again: string | undefined): Promise<Device> {
    const { name, carrier } = this.#options
    const how = again === undefined ? { name, carrier } : { name: again, carrier: this.carrierOn }
    this.#openedWithout = !how.carrier
    return native(() => openTap({ ...this.#options, ...how, namespace }))
  }

  /** Opens the TAP, and its gateway once it is there; on failure neither stays. */
  async #openWithGateway(
    settings: GatewaySettings,
    namespace: unknown,
    again: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Device> {
    const place = {
      tap: again ?? this.#options.name,
      address: this.#options.addresses.find(isIPv4Prefix) as string,
      namespace: this.place?.path,
      watch: (listener: (news: LinkNews) => void) =>
        (this.fabric as PortFabric).engine.watches.links(namespace, listener),
    }
    const { Gateway } = await import('../gateway/gateway.js')
    await this.undone() // that of the interface that vanished
    await Gateway.check(settings, place)
    const opened = await this.#openTap(namespace, again)
    try {
      this.#gateway = await Gateway.open(settings, { ...place, tap: opened.name }, this.#news, signal)
    } catch (error) {
      addon.discardDevice(opened.device)
      throw error
    }
    return opened
  }

  /** Tells what becomes of the gateway. */
  readonly #news: GatewayListener = {
    down: (error) => {
      this.emit('gateway:down', error)
      this.fabric?.tell('gateway:down', { port: this, error })
    },
    up: () => {
      this.emit('gateway:up')
      this.fabric?.tell('gateway:up', { port: this })
    },
    failed: (error) => this.fabric?.engine.failed(undefined, error),
  }
}

type InterfaceOptions = Pick<TapPortOptions, 'mtu' | 'mac' | 'addresses' | 'napi' | 'checksums' | 'queues'>
type TapOnly = Pick<TapPortOptions, 'owner' | 'persist' | 'carrier' | 'filter' | 'writeback' | 'gateway'>
type TapMapping = { tap: string } & InterfaceOptions & TapOnly
type HostMapping = { host: string; interface?: string } & InterfaceOptions

type TapNic = { tap: string } & InterfaceSeries
type HostNic = { host: string; interface?: string; name?: string } & Omit<
  InterfaceSeries,
  'owner' | 'persist'
>

const common = {
  name: 'tap',
  programs: {
    nft: "'gateway' of a TAP needs it",
    dnsmasq: "'dhcp' and 'dns' of a gateway need it",
  },
  check: ({ queues = 1, filter }, complain, { workers }) => {
    if (queues > workers)
      complain(
        ['queues'],
        `'queues' must be at most the number of workers, which is ${workers}, not ${queues}`,
      )
    if (filter !== undefined) attempt(() => compileFilter(filter), ['filter'], complain)
  },
  device: (port, engine) =>
    port.superFrames === undefined
      ? {}
      : { method: engine.io, queues: port.queues, superFrames: port.superFrames },
} satisfies Partial<PortKind<InterfaceOptions & TapOnly, TapPort>>

/** @internal A TAP on this machine. */
export const tapKind: PortKind<TapMapping, TapPort, TapNic> = {
  ...common,
  key: 'tap',
  options: tapKeys,
  make: (name, { tap, ...options }) => new TapPort({ ...options, name, interface: tap }),
  leadsTo: ({ tap }) => tap,
  check: (given, complain, engine) => {
    common.check(given, complain, engine)
    const { tap, addresses = [], gateway } = given
    const fault =
      gateway && gatewayFault(gatewayRule(gateway, 'gateway') as GatewaySettings, { tap, addresses })
    if (fault) complain(['gateway', ...(fault.key ? [fault.key] : [])], fault.message)
  },
  ownInterface: ({ tap, addresses = [], mac }) => ({
    key: 'tap',
    name: tap,
    host: undefined,
    addresses,
    mac,
  }),
  numbered: {
    options: {
      tap: required(
        patternRule(
          "TAP interfaces on this machine; '%d' is the number of each, from 1, '%x' the same in hexadecimal, '%i' one less.",
        ),
      ),
      ...seriesRules,
      mtu: interfaceOptions.mtu,
      owner: tapOptions.owner,
      persist: tapOptions.persist,
    } satisfies RulesOf<TapNic>,
    make: (_node, { tap, ...rest }, number) => {
      const name = fill(tap, number)
      return { name, given: { tap: name, ...numberedInterface(rest, number) } }
    },
  },
}

/** @internal An interface of a host, a network namespace that a topology makes. */
export const hostKind: PortKind<HostMapping, TapPort, HostNic> = {
  ...common,
  key: 'host',
  options: hostKeys,
  make: (name, { host, interface: interfaceName = 'eth%d', ...options }, { namespaceOf }) => {
    const namespace = namespaceOf(host)
    return new TapPort({ ...options, name, interface: interfaceName, ...(namespace && { namespace }) })
  },
  leadsTo: ({ host, interface: name }) => `${host}:${name}`,
  ownInterface: ({ host, interface: name, addresses = [], mac }) => ({
    key: 'interface',
    name,
    host,
    addresses,
    mac,
  }),
  numbered: {
    options: {
      host: required(about('Host that gets the interfaces.', entryName())),
      interface: patternRule("Name of the interfaces inside the host. Default 'link%d'."),
      name: patternRule("Name of the ports. Default: the node's name, a dot and the interface's."),
      ...seriesRules,
      mtu: interfaceOptions.mtu,
    } satisfies RulesOf<HostNic>,
    make: (
      node,
      { host, interface: pattern = 'link%d', name: ports = `${node}.${pattern}`, ...rest },
      number,
    ) => {
      // Interfaces of hosts can have one name in several of them; ports of a wire cannot.
      const name = fill(ports, number)
      return { name, given: { host, interface: fill(pattern, number), ...numberedInterface(rest, number) } }
    },
  },
}
