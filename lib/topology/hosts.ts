/**
 * Hosts of a topology: what is wrong with what a file says of them, and what it comes to: settings of the kernel, and the files
 * that their programs find in /etc. Called by resolve.ts, site.ts and report.ts.
 */
import { foreignKeys, isForeign } from '../containers/foreign.js'
import type { Inside } from '../engine/inside.js'
import { routeFault, type Namespace, type Route } from '../engine/namespace.js'
import { isOfInterface, sameSysctl, sameValue } from '../engine/sysctls.js'
import { isNear, isNetworkOf } from '../values/addresses.js'
import { suggestion } from '../values/options.js'
import type { Complain, Place } from '../values/problem.js'
import { quote } from '../values/quote.js'
import type { RunEntry, TopologyHost } from './host-rules.js'
import type { FabricPlan, HostPlan, Plan, RunPlan } from './plan.js'
import { ownInterfaceOf } from './plan-ports.js'

/** What a file says of the host itself, the same however it is written; a setting of the kernel twice is a mistake. */
export function settingsOf(name: string, host: TopologyHost | null, complain: Complain): HostPlan {
  const { addresses: _addresses, mtu: _mtu, mac: _mac, run: _run, ...settings } = host ?? {}
  const { routes, sysctls } = settings
  const [first, second] = foreignKeys.filter((key) => settings[key] !== undefined)
  if (second !== undefined)
    complain(['hosts', name, second], `a host is one place, and '${first}' says already which`, 'key')
  return {
    ...settings,
    ...(routes && { routes: routes.map((route: Route | undefined) => (route && sameRoute(route)) as Route) }),
    ...(sysctls && {
      sysctls: sameSysctls(sysctls, (written, other) => {
        const message = `host ${quote(name)} has this setting already, as ${quote(other)}`
        complain(['hosts', name, 'sysctls', written], message, 'key')
      }),
    }),
  }
}

/** The network of all addresses is `default`, where that is of the same family. */
function sameRoute(route: Route): Route {
  const { to, via } = route
  const isAll = to === '0.0.0.0/0' ? !via?.includes(':') : to === '::/0' && via?.includes(':')
  return isAll ? { ...route, to: 'default' } : route
}

function sameSysctls(
  sysctls: NonNullable<HostPlan['sysctls']>,
  twice: (written: string, other: string) => void,
): NonNullable<HostPlan['sysctls']> {
  const known = new Map<string, string>()
  return Object.fromEntries(
    Object.entries(sysctls).map(([written, value]) => {
      const name = sameSysctl(written)
      const other = known.get(name)
      if (other !== undefined) twice(written, other)
      known.set(name, written)
      return [name, sameValue(value)]
    }),
  )
}

/** The programs of a host, by what makes each what it is. Those without a valid shape are undefined, and are said already. */
export function runsOf(host: string, given: TopologyHost | null, complain: Complain): [string, RunPlan][] {
  const run = given?.run
  const all: (string | RunEntry | undefined)[] = typeof run === 'string' ? [run] : (run ?? [])
  const known = new Set<string>()
  const named = all.flatMap((entry) =>
    typeof entry === 'object' && entry.name !== undefined ? [entry.name] : [],
  )
  const labels = new Set(named.map((name) => `${host}.${name}`))
  return all.flatMap((entry, index): [string, RunPlan][] => {
    if (entry === undefined) return []
    const { command, name, restart = 'no' } = typeof entry === 'string' ? { command: entry } : entry
    if (
      name !== undefined &&
      all.slice(0, index).some((other) => typeof other === 'object' && other.name === name)
    )
      complain(['hosts', host, 'run', index, 'name'], `host ${quote(host)} has a run ${quote(name)} already`)
    const label =
      name !== undefined
        ? `${host}.${name}`
        : all.length === 1
          ? host
          : unused((number) => `${host}.${programOf(command)}${number}`, labels)
    labels.add(label)
    const key = unused((number) => JSON.stringify([host, command, name, restart, number]), known)
    known.add(key)
    return [[key, { host, run: label, command, restart, entry }]]
  })
}

/** The first of what is called '', '-2', '-3', ... that is not taken. */
function unused(called: (number: string) => string, taken: ReadonlySet<string>): string {
  let number = 1
  while (taken.has(called(number === 1 ? '' : `-${number}`))) number++
  return called(number === 1 ? '' : `-${number}`)
}

/** The name of a command's program, of letters that names have. */
function programOf(command: string | readonly string[]): string {
  const [first = ''] = typeof command === 'string' ? command.trim().split(/\s+/) : command
  return (
    first
      .replace(/.*\//s, '')
      .replace(/[^A-Za-z0-9_-]+/g, '')
      .slice(0, 32) || 'run'
  )
}

type Interfaces = readonly { name: string; addresses: readonly string[] }[]
type Ports = ReadonlyMap<string, Pick<FabricPlan, 'ports'>>

/** The interfaces that a plan gives its hosts, with their addresses. */
function interfacesByHost(fabrics: Ports): (host: string) => Interfaces {
  const found = new Map<string, { name: string; addresses: readonly string[] }[]>()
  for (const { ports } of fabrics.values())
    for (const port of ports.values()) {
      const { host, name, addresses } = ownInterfaceOf(port) ?? { addresses: [] }
      if (host === undefined || name === undefined) continue
      const own = found.get(host) ?? []
      own.push({ name, addresses })
      found.set(host, own)
    }
  return (host) => found.get(host) ?? []
}

/** The names of those of one host. */
export const interfacesOf = (fabrics: Ports, host: string): string[] =>
  interfacesByHost(fabrics)(host).map(({ name }) => name)

/** Complains of what a value alone does not show. `hasAllPorts`: whether the plan has every port of the file. */
export function checkHosts(plan: Plan, hasAllPorts: boolean, complain: Complain): void {
  const byWorlds = hostsOfWorlds(plan)
  const interfaces = interfacesByHost(plan.fabrics)
  for (const [host, settings] of plan.hosts) {
    const { routes = [], ipv6 } = settings
    const place = ['hosts', host]
    const own = interfaces(host)
    const isWhole = hasAllPorts && !byWorlds.has(host) && !isForeign(settings)
    const names = ['lo', ...own.map(({ name }) => name)]
    const seen = new Set<string>()
    routes.forEach((route: Route | undefined, index) => {
      if (route === undefined) return // of no valid shape, which is said already
      const here: Place = [...place, 'routes', index]
      const { to, via, dev, metric = 0 } = route
      const fault = routeFault(route)
      if (fault !== undefined) {
        complain(here, fault)
        return
      }
      const near = own.flatMap(({ addresses }) => addresses).find((address) => isNetworkOf(to, address))
      if (near !== undefined && metric === 0)
        complain(
          here,
          `a route to ${to} follows from the address ${near} already, and this one would take its place; leave it out, or give it a 'metric'`,
        )
      if (dev !== undefined && isWhole && !names.includes(dev))
        complain(
          [...here, 'dev'],
          `host ${quote(host)} has no interface ${quote(dev)}${suggestion(dev, names)}`,
        )
      const network = to === 'default' && via?.includes(':') ? '::/0' : to
      // Without a metric one of IPv6 has the kernel's.
      const identity = `${network} ${metric === 0 && isSix(network) ? 1024 : metric}`
      if (seen.has(identity))
        complain(here, `host ${quote(host)} has a route to ${to} already; give this one another 'metric'`)
      seen.add(identity)
    })
    const six = own.flatMap(({ addresses }) => addresses).find((address) => address.includes(':'))
    if (ipv6 === false && six !== undefined)
      complain([...place, 'ipv6'], `host ${quote(host)} has the IPv6 address ${six}, so it needs IPv6`)
  }
}

const isSix = (network: string): boolean => network.includes(':')

/** Hosts that get interfaces from worlds, whose names follow from links. */
const hostsOfWorlds = ({ worlds }: Plan): Set<unknown> =>
  new Set(
    [...worlds.values()].flatMap((world) =>
      'wires' in world ? Object.values(world.wires).map((nic) => (nic as { host?: string }).host) : [],
    ),
  )

/** A setting of the kernel. */
export interface Sysctl {
  name: string
  value: string | number
  /** Whether it does not matter where the kernel has none of this name: it has no IPv6, or the interface is not there yet. */
  optional: boolean
  /** Where it comes from in what a file says of the host. */
  place: Place
}

/** The settings that a host has by its plan, in the order in which they are to be written. */
export function sysctlsOf(
  { forwarding = {}, ipv6, sysctls = {} }: HostPlan,
  interfaces: readonly string[],
): Sysctl[] {
  const forwards = typeof forwarding === 'boolean' ? { ipv4: forwarding, ipv6: forwarding } : forwarding
  const { acceptRa, dad } = typeof ipv6 === 'object' ? ipv6 : {}
  const made: Sysctl[] = []
  const set = (key: keyof HostPlan, name: string, value: boolean | number | undefined): void => {
    if (value !== undefined)
      made.push({
        name: sameSysctl(`net/${name}`),
        value: Number(value),
        optional: name.startsWith('ipv6'),
        place: [key],
      })
  }
  // The kernel gives other settings their defaults when this changes, so it comes first.
  set('forwarding', 'ipv4/ip_forward', forwards.ipv4)
  set('forwarding', 'ipv6/conf/all/forwarding', forwards.ipv6)
  for (const each of ['all', 'default'])
    set('ipv6', `ipv6/conf/${each}/disable_ipv6`, ipv6 === undefined ? ipv6 : !ipv6)
  for (const each of ['default', ...interfaces]) {
    // 2: also where the host forwards.
    set('ipv6', `ipv6/conf/${each}/accept_ra`, acceptRa === undefined ? acceptRa : acceptRa && 2)
    set('ipv6', `ipv6/conf/${each}/accept_dad`, dad)
  }
  for (const [name, value] of Object.entries(sysctls))
    made.push({ name, value, optional: false, place: ['sysctls', name] })
  return made
}

/** Those that are there, and matter, before any interface is. */
export const beforeInterfaces = (sysctls: readonly Sysctl[]): Sysctl[] =>
  sysctls.filter(({ name }) => !isOfInterface(name))

/** A host as its programs find it. */
export function insideOf(plan: Plan, host: string, { path }: Namespace): Inside {
  const resolv = resolvConf(plan.hosts.get(host) ?? {})
  return {
    host,
    namespace: path,
    userNamespace: `/proc/${process.pid}/ns/user`,
    etcHosts: etcHosts(plan, host),
    ...(resolv !== undefined && { resolvConf: resolv }),
  }
}

/** What programs in a host find in /etc/hosts: every host of the topology by its addresses, the nearest first. */
export function etcHosts({ hosts, fabrics }: Plan, host: string): string {
  const interfaces = interfacesByHost(fabrics)
  const addressesOf = (name: string): string[] => interfaces(name).flatMap(({ addresses }) => addresses)
  const own = addressesOf(host)
  const isFar = (address: string): number => (own.some((each) => isNear(each, address)) ? 0 : 1)
  const others = [...hosts.keys()].flatMap((name) =>
    addressesOf(name)
      .sort((one, other) => isFar(one) - isFar(other))
      .map((address) => `${address.replace(/\/.*/, '')} ${name}\n`),
  )
  const local = own.length > 0 ? '' : ` ${host}`
  return [`127.0.0.1 localhost${local}\n::1 localhost${local}\n`, ...others].join('')
}

/** The same for /etc/resolv.conf, if the topology says what it has. */
export function resolvConf({ dns }: HostPlan): string | undefined {
  if (dns === undefined) return undefined
  const { servers = [], search = [] } = dns
  return [
    ...servers.map((server) => `nameserver ${server}\n`),
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    ...(servers.length > 0 ? [] : ['# no name server: the topology gives none\n']),
  ].join('')
}
