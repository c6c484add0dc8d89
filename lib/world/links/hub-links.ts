/** Links as paths of one fabric, on which each node has a port: a hub that denies by default is a radio. */
import { EtherloomError } from '../../values/errors.js'
import type { Fabric } from '../../fabrics/fabric.js'
import { bothWays, type PathChange } from '../../fabrics/path.js'
import { refuse } from '../../values/options.js'
import type { Port } from '../../ports/port.js'
import type { LinkChange, LinkPlace, Links, Outcome } from './links.js'

export class HubLinks implements Links {
  readonly fabric: Fabric
  readonly nodes: readonly string[]
  /** The node's ports as of the last change, each with how often it was attached by then; undefined: none now. */
  #ports: ({ port: Port; joins: number } | undefined)[]

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
  }

  get engine() {
    return this.fabric.engine
  }

  renewed(): number[] {
    const before = this.#ports
    this.#ports = this.#look()
    return this.#ports.flatMap((now, node) =>
      now?.port === before[node]?.port && now?.joins === before[node]?.joins ? [] : [node],
    )
  }

  /** One transaction. A node without a port has no links until it has one again. */
  change(changes: readonly Pick<LinkChange, 'first' | 'second' | 'policy'>[]): Outcome {
    if (this.fabric.closed)
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `'${this.fabric.name}' is closed; make a new world`)
    const paths: PathChange[] = []
    for (const { first, second, policy } of changes) {
      const [from, to] = [this.#ports[first], this.#ports[second]]
      if (from && to) paths.push(...bothWays(from.port, to.port, policy))
    }
    return { ticket: this.fabric.change(paths, false).ticket, failures: [] }
  }

  place(first: number, second: number): LinkPlace {
    return { fabric: this.fabric.name, ports: [this.nodes[first] ?? '', this.nodes[second] ?? ''] }
  }

  async close(up: readonly Pick<LinkChange, 'first' | 'second'>[]): Promise<void> {
    if (this.fabric.closed) return
    this.renewed()
    const { ticket } = this.change(up.map(({ first, second }) => ({ first, second, policy: null })))
    await this.engine.settled(ticket)
  }

  #look() {
    return this.nodes.map((name) => {
      const port = this.fabric.ports.get(name)
      return port && port.id >= 0 ? { port, joins: port.joins } : undefined
    })
  }
}
