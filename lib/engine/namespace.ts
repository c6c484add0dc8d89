/** Network namespaces, named by where they are or made for as long as they are needed. */
import { interfaceAddress } from '../values/addresses.js'
import { addon, native, type NamespaceHandle } from '../binding.js'
import { EtherloomError, type NativeError } from '../values/errors.js'
import { flag, list, readOptions, refuse, required, text, type Rule } from '../values/options.js'

const routeRule: Rule<{ to: string; via: string }> = (value, subject) =>
  readOptions(subject, value, { to: required(interfaceAddress()), via: required(text()) })

/**
 * A network namespace, held by a descriptor of this process.
 *
 * @example
 * const host = await Namespace.create()
 * const port = new TapPort({ name: 'eth0', namespace: host, addresses: ['10.0.0.1/24'] })
 */
export class Namespace {
  #held: NamespaceHandle | undefined

  private constructor(held: NamespaceHandle) {
    this.#held = held
  }

  /**
   * A fresh one without a name. It ends with its last descriptor, process and interface, so nothing is left of it
   * after `kill -9` either. Its loopback interface is up. Privilege: CAP_SYS_ADMIN.
   *
   * @throws EtherloomError ERR_ETHERLOOM_PRIVILEGE
   */
  static async create(): Promise<Namespace> {
    const namespace = new Namespace(await native(() => addon.createNamespace()))
    await namespace.configure({ interface: 'lo', up: true })
    return namespace
  }

  /**
   * An existing one, by path (`/proc/1234/ns/net`) or by the name that `ip netns` gave it (`red`).
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAMESPACE
   */
  static async open(pathOrName: string): Promise<Namespace> {
    const given = required(text({ max: 4095 }))(pathOrName, 'the path or name of a namespace')
    const opening = addon.openNamespace(given).catch((error: unknown) => {
      throw Object.assign(error as Error & NativeError, { code: 'ERR_ETHERLOOM_NAMESPACE' })
    })
    return new Namespace(await native(() => opening))
  }

  /** Where other programs find it while it is open: `nsenter --net=PATH`. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.held.fd}`
  }

  /**
   * Sets an interface inside up, with addresses (`10.0.0.1/24`) and routes (`{ to: '0.0.0.0/0', via: '10.0.0.254' }`).
   * Privilege: CAP_NET_ADMIN in the namespace.
   */
  async configure(options: {
    interface: string
    up?: boolean
    addresses?: string[]
    routes?: { to: string; via: string }[]
  }): Promise<void> {
    const given = readOptions('Namespace.configure', options, {
      interface: required(text({ max: 15 })),
      up: flag(true),
      addresses: list(interfaceAddress()),
      routes: list(routeRule),
    })
    await native(() =>
      addon.configureInterface({
        interface: given.interface,
        up: given.up,
        addresses: given.addresses,
        destinations: given.routes.map(({ to }) => to),
        gateways: given.routes.map(({ via }) => via),
        namespace: this.held.handle,
      }),
    )
  }

  /** Gives up the descriptor. Idempotent. Interfaces and processes inside keep the namespace alive. */
  close(): void {
    if (this.#held) addon.closeNamespace(this.#held.handle)
    this.#held = undefined
  }

  /** `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  get held(): NamespaceHandle {
    if (this.#held) return this.#held
    throw new EtherloomError('ERR_ETHERLOOM_STATE', 'the namespace is closed; create or open it anew')
  }
}

/** @internal A rule for the `namespace` option. */
export const namespaceRule: Rule<string | Namespace | undefined> = (value, subject) => {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length > 0) return value
  if (value instanceof Namespace) return value
  return refuse(subject, "a Namespace, a path such as '/run/netns/red' or a name such as 'red'", value)
}
