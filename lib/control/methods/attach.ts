/** A port for what runs already, beside what the topology file says; and its end. */
import { foreignRules, type ForeignPlace } from '../../containers/foreign.js'
import type { Network, NetworkApplied } from '../../topology/network.js'
import type { OwnInterface } from '../../ports/kind.js'
import type { Topology, TopologyFabric } from '../../topology/schema.js'
import { interfaceIdentity } from '../../values/interface-options.js'
import { EtherloomError } from '../../values/errors.js'
import { entryName, interfaceRule } from '../../values/names.js'
import { about, listed, required, suggestion, text } from '../../values/options.js'
import { quote } from '../../values/quote.js'
import { fields, method } from '../method.js'
import { appliedSteps } from './apply.js'

const { addresses, mtu } = interfaceIdentity

export interface Attachment extends ForeignPlace {
  port: string
  fabric: string
  interface?: string
  addresses?: string[]
  mac?: string
  mtu?: number
  gateway?: string
}

/** What was attached to each network, by name. */
const attached = new WeakMap<Network, Set<string>>()

export const attach = method<Attachment, NetworkApplied>({
  description:
    'Gives what runs already an interface, whose other end is a new port: of a container of Docker, a process or a network namespace. It stays until `detach`, or until a topology is applied that does not have it.',
  parameters: {
    port: about('the name of the port, and of the host that it makes of what runs', required(entryName())),
    fabric: about('the hub or switch', required(entryName())),
    docker: foreignRules.docker,
    pid: foreignRules.pid,
    netns: foreignRules.netns,
    interface: about('the name of the interface inside. Default: loom0', interfaceRule()),
    addresses,
    mac: about("the interface's MAC address, as 02:00:00:00:00:01. Default: a random one", text()),
    mtu,
    gateway: about('the gateway of its default route. Default: no route is added', text()),
  },
  result: fields<NetworkApplied>(appliedSteps),
  example: {
    params: { port: 'web', fabric: 'lab', docker: 'web', addresses: ['10.0.0.7/24'] },
    result: {
      ...{ up: 0, down: 0, changed: 0 },
      steps: ['enter host web', 'attach port lab.web', 'configure host web'],
    },
  },
  call: async (given, instance) => {
    const running = await instance
    const applied = await running.apply((now) => withAttachment(now, given))
    const known = attached.get(running.network) ?? new Set()
    attached.set(running.network, known.add(given.port))
    return applied
  },
})

function withAttachment(now: Topology, { port, fabric, gateway, ...given }: Attachment): Topology {
  const { docker, pid, netns, ...nic } = given
  const places = Object.entries({ docker, pid, netns }).filter(([, value]) => value !== undefined)
  if (places.length !== 1)
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      "say what runs already by one of 'docker', 'pid' and 'netns'",
    )
  const found = fabricOf(now, fabric)
  if (
    now.hosts?.[port] !== undefined ||
    Object.hasOwn(now.hosts ?? {}, port) ||
    Object.hasOwn(found.ports, port)
  )
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `there is a host or port ${quote(port)} already`, {
      hint: 'give this one another name',
    })
  const routes = gateway === undefined ? {} : { routes: [{ to: 'default', via: gateway }] }
  return {
    ...now,
    hosts: { ...now.hosts, [port]: { ...Object.fromEntries(places), ...routes } },
    fabrics: {
      ...now.fabrics,
      [fabric]: { ...found, ports: { ...found.ports, [port]: { host: port, ...nic } } },
    },
  }
}

function fabricOf({ fabrics }: Topology, name: string): TopologyFabric {
  const found = fabrics[name]
  if (found) return found
  const names = Object.keys(fabrics)
  const near = suggestion(name, names)
  throw new EtherloomError('ERR_ETHERLOOM_NAME', `no fabric ${quote(name)}${near}`, {
    hint: near === '' && names.length > 0 ? `the fabrics are ${names.join(', ')}` : undefined,
  })
}

export const detach = method<{ port: string }, NetworkApplied>({
  description: 'Takes away what `attach` has made: the port, and the interface inside.',
  parameters: { port: about('the name that it was given', required(entryName())) },
  result: fields<NetworkApplied>(appliedSteps),
  example: {
    params: { port: 'web' },
    result: { up: 0, down: 0, changed: 0, steps: ['detach port lab.web', 'remove host web'] },
  },
  call: async ({ port }, instance) => {
    const running = await instance
    const known = attached.get(running.network) ?? new Set()
    if (!known.has(port))
      throw new EtherloomError(
        'ERR_ETHERLOOM_NAME',
        `nothing was attached as ${quote(port)}${suggestion(port, [...known])}`,
        { hint: known.size > 0 ? listed('attached', [...known]) : 'what a file says is changed in the file' },
      )
    const { ownInterfaceOf } = await import('../../topology/plan-ports.js')
    const applied = await running.apply((now) => withoutAttachment(now, port, ownInterfaceOf))
    known.delete(port)
    return applied
  },
})

function withoutAttachment(
  now: Topology,
  name: string,
  ownInterfaceOf: (port: object) => OwnInterface | undefined,
): Topology {
  const { [name]: _host, ...hosts } = now.hosts ?? {}
  const fabrics = Object.fromEntries(
    Object.entries(now.fabrics).map(([key, fabric]) => {
      const gone = Object.keys(fabric.ports).filter(
        (port) => ownInterfaceOf(fabric.ports[port] ?? {})?.host === name,
      )
      return [key, gone.length === 0 ? fabric : without(fabric, gone)]
    }),
  )
  return { ...now, hosts, fabrics }
}

/** A fabric without these ports, and without what is said of their paths. */
function without(fabric: TopologyFabric, gone: readonly string[]): TopologyFabric {
  const ports = Object.fromEntries(Object.entries(fabric.ports).filter(([port]) => !gone.includes(port)))
  const paths = fabric.paths?.filter((path) => {
    const { from, to, between } = path as { from?: string; to?: string; between?: string[] }
    return ![from, to, ...(between ?? [])].some((end) => end !== undefined && gone.includes(end))
  })
  return { ...fabric, ports, ...(paths && { paths }) }
}
