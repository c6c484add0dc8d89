/** Links as paths of one fabric, on which each node has a port: a hub that denies by default is a radio. */
import { EtherloomError } from '../../values/errors.js'
import type { Fabric } from '../../fabrics/fabric.js'
import { refuse } from '../../values/options.js'
import type { Policy } from '../../policy/policy.js'
import type { Port } from '../../ports/port.js'
import type { LinkChange, LinkPlace, Links, Outcome } from './links.js'

export class HubLinks implements Links {
  readonly fabric: Fabric
  readonly nodes: readonly string[]
  /** The ports as of the last change, and how often each was attached by then. */
  #ports: (Port | undefined)[]
  #joins: (number | undefined)[]

  /** `nodes` are names of ports; by default all that the fabric has. */
  constructor(fabric: Fabric, nodes: readonly (Port | string)[] | undefined) {
    if (fabric.forwarding !== 'deny')
      refuse(
        "option 'fabric' of World",
        "made with forwarding: 'deny', since only a world's links carry",
        fabric.name,
      )
    this.fabric = fabric
    this.nodes = (nodes ?? [...fabric.ports.values()]).map((port) => fabric.port(port).name)
    this.#ports = this.#look()
    this.#joins = this.#ports.map((port) => port?.joins)
  }

  get engine() {
    return this.fabric.engine
  }

  renewed(): number[] {
    const [ports, joins] = [this.#ports, this.#joins]
    this.#ports = this.#look()
    this.#joins = this.#ports.map((port) => port?.joins)
    return this.#ports.flatMap((port, node) =>
      port === ports[node] && port?.joins === joins[node] ? [] : [node],
    )
  }

  /** One transaction. A node without a port has no links until it has one again. */
  change(changes: readonly LinkChange[]): Outcome {
    if (this.fabric.closed)
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `'${this.fabric.name}' is closed; make a new world`)
    const paths: { from: Port; to: Port; policy: Policy | null }[] = []
    for (const { first, second, policy } of changes) {
      const [from, to] = [this.#ports[first], this.#ports[second]]
      if (from && to) paths.push({ from, to, policy }, { from: to, to: from, policy })
    }
    return { ticket: this.fabric.change(paths, false).ticket, failures: [] }
  }

  place(first: number, second: number): LinkPlace {
    return { fabric: this.fabric.name, ports: [this.nodes[first] ?? '', this.nodes[second] ?? ''] }
  }

  async close(up: readonly (readonly [number, number])[]): Promise<void> {
    if (this.fabric.closed) return
    this.renewed()
    const paths = up.flatMap(([first, second]) => {
      const [from, to] = [this.#ports[first], this.#ports[second]]
      return from && to ? [{ from, to, policy: null }, { from: to, to: from, policy: null }] : [] // prettier-ignore
    })
    await this.engine.settled(this.fabric.change(paths, false).ticket)
  }

  #look(): (Port | undefined)[] {
    const { ports } = this.fabric
    return this.nodes.map((name) => {
      const port = ports.get(name)
      return port && port.id >= 0 ? port : undefined
    })
  }
}
