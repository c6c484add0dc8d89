/** Network namespaces, named by where they are or made for as long as they are needed. */
import { constants } from 'node:os'
import { interfaceAddress, ipAddress, routeDestination } from '../values/addresses.js'
import { addon, native, type NamespaceHandle } from '../binding.js'
import { advise, EtherloomError, locate, type NativeError } from '../values/errors.js'
import { interfaceRule } from '../values/names.js'
import {
  about,
  flag,
  integer,
  list,
  ownerOf,
  readOptions,
  refuse,
  required,
  text,
  type Rule,
  type RulesOf,
} from '../values/options.js'
import { quote } from '../values/quote.js'
import { nearestSysctl, pathOf, sysctlsRule } from './sysctls.js'

/** A route; at least one of `via` and `dev` says where it leads. */
export interface Route {
  /** A network (`10.1.0.0/16`), an address, or `default`: all that no other route leads to, of the family of `via`. */
  to: string
  /** The gateway. */
  via?: string
  /** The interface. Default: that on which the gateway is. */
  dev?: string
  /** Of two routes to the same network, that with the lower metric is taken. Default: the kernel's (0; IPv6 1024). */
  metric?: number
}

/** @internal The rules of a route's keys. */
export const routeRules = {
  to: required(
    about(
      "What it leads to: a network such as '10.1.0.0/16', an address, or default, of the family of `via`.",
      routeDestination(),
    ),
  ),
  via: about('The gateway. A route has this, `dev`, or both.', ipAddress()),
  dev: about('The interface. Default: that on which the gateway is.', interfaceRule()),
  metric: about(
    'Of two routes to the same network, that with the lower metric is taken. Default: 0, of IPv6 1024.',
    integer(0, 0xffffffff),
  ),
} satisfies RulesOf<Route>

/** @internal What is wrong with a route whose parts are right. */
export function routeFault({ to, via, dev }: Route): string | undefined {
  if (via === undefined && dev === undefined)
    return "a route needs 'via', the gateway, or 'dev', the interface"
  if (via !== undefined && to !== 'default' && to.includes(':') !== via.includes(':'))
    return `a route to ${to} needs a gateway of the same family, not ${via}`
  return undefined
}

const readRoute: Rule<Route> = (value, subject) => {
  const route = readOptions(ownerOf(subject), value, routeRules) as Route
  const fault = routeFault(route)
  if (fault !== undefined) throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject}: ${fault}`)
  return route
}

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
   * Sets an interface inside up, with addresses (`10.0.0.1/24`) and routes (`{ to: 'default', via: '10.0.0.254' }`), as
   * `addRoutes` does. Privilege: CAP_NET_ADMIN in the namespace.
   */
  async configure(options: {
    interface: string
    up?: boolean
    addresses?: string[]
    routes?: Route[]
  }): Promise<void> {
    const given = readOptions('Namespace.configure', options, {
      interface: required(text({ max: 15 })),
      up: flag(true),
      addresses: list(interfaceAddress()),
      routes: list(readRoute),
    })
    await native(() =>
      addon.configureInterface({
        interface: given.interface,
        up: given.up,
        addresses: given.addresses,
        namespace: this.held.handle,
      }),
    )
    await this.addRoutes(given.routes)
  }

  /**
   * Adds routes to the main table, one after the other; each takes the place of another to the same network with the same
   * metric. They go with the interface that they lead to. Privilege: CAP_NET_ADMIN in the namespace.
   */
  async addRoutes(routes: Route[]): Promise<void> {
    await this.#changeRoutes('addRoutes', routes, { add: true })
  }

  /**
   * @internal As `addRoutes`, but in the place of no other.
   * @throws EtherloomError with the number EEXIST
   */
  async addFreshRoutes(routes: Route[]): Promise<void> {
    await this.#changeRoutes('addRoutes', routes, { add: true, replace: false })
  }

  /** Takes such routes out again; those that are not there are passed by. Privilege: CAP_NET_ADMIN in the namespace. */
  async removeRoutes(routes: Route[]): Promise<void> {
    await this.#changeRoutes('removeRoutes', routes, { add: false })
  }

  async #changeRoutes(
    method: string,
    routes: Route[],
    { add, replace = true }: { add: boolean; replace?: boolean },
  ): Promise<void> {
    for (const { to, via, dev, metric = 0 } of list(readRoute)(
      routes,
      `the routes for Namespace.${method}`,
    )) {
      const isSix = via?.includes(':')
      const destination = to === 'default' ? (isSix ? '::/0' : '0.0.0.0/0') : to
      await native(() =>
        addon.changeRoute({
          add,
          replace,
          ends: [destination, ...(via === undefined ? [] : [via])],
          ...(dev !== undefined && { interface: dev }),
          metric,
          namespace: this.held.handle,
        }),
      )
    }
  }

  /**
   * Writes settings of the kernel's network stack, one after the other: `{ 'net.ipv4.ip_forward': 1 }`. Names are those of
   * sysctl(8), below `net` only. Returns what they were before. When one fails, those before it are written.
   * Privilege: CAP_NET_ADMIN in the namespace.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME where the kernel has no such setting; ERR_ETHERLOOM_OPTION where it takes no
   *   such value; ERR_ETHERLOOM_PRIVILEGE
   */
  async setSysctls(sysctls: Record<string, string | number>): Promise<Record<string, string>> {
    const given = required(sysctlsRule)(sysctls, 'the settings for Namespace.setSysctls')
    const before: Record<string, string> = {}
    for (const [name, value] of Object.entries(given)) {
      const path = pathOf(name)
      try {
        before[name] = await native(() =>
          addon.changeSysctl({ path, value: `${value}`, namespace: this.held.handle }),
        )
      } catch (error) {
        throw locate(explained(error as EtherloomError, name, `${value}`), `sysctl ${name}`)
      }
    }
    return before
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

/** Why a setting could not be written, by what the kernel said. */
function explained(error: EtherloomError, name: string, value: string): unknown {
  const { ENOENT, EINVAL, ERANGE, EROFS, EACCES, EPERM, EISDIR } = constants.errno
  switch (error.errno) {
    case ENOENT:
    case EISDIR:
      return new EtherloomError(
        'ERR_ETHERLOOM_NAME',
        `this kernel has no such setting in a network namespace${nearestSysctl(name)}`,
        { cause: error },
      )
    case EINVAL:
    case ERANGE:
      return new EtherloomError('ERR_ETHERLOOM_OPTION', `the kernel takes no ${quote(value)} here`, {
        cause: error,
      })
    case EROFS:
      return advise(
        error,
        '/proc/sys can only be read here; give the container the right to write it (--privileged)',
      )
    case EACCES:
    case EPERM:
      return advise(
        error,
        'run as root of the machine or with --rootless; the kernel lets some settings be read only',
      )
    default:
      return error
  }
}

/** @internal A rule for the `namespace` option. */
export const namespaceRule: Rule<string | Namespace | undefined> = (value, subject) => {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length > 0) return value
  if (value instanceof Namespace) return value
  return refuse(subject, "a Namespace, a path such as '/run/netns/red' or a name such as 'red'", value)
}
