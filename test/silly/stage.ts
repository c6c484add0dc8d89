/**
 * What calls are tried on: an engine with something of each class that can be had here, and a hub of its own for frames that
 * must get through whatever is called.
 */
import { freePort } from '../helpers/sockets.js'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import * as etherloom from '../../lib/index.js'
import { lab } from '../../lib/testing/index.js'
import { Distances } from '../../lib/world/distances.js'
import type { Draw } from '../helpers/draw.js'
import { join, tags } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { lacksNetwork } from '../helpers/kernel.js'

const { Engine, Hub, MemoryPort, Network, PatchPort } = etherloom

/** A network that needs no privilege. */
export const topology: etherloom.Topology = {
  fabrics: {
    lan: { kind: 'hub', ports: { a: { patch: 'far.a' }, b: { patch: 'far.b' } } },
    far: { kind: 'switch', ports: { a: { patch: 'lan.a' }, b: { patch: 'lan.b' } } },
  },
}

/** Two ports for a lab. */
const pair: etherloom.Topology = {
  fabrics: { lan: { kind: 'hub', ports: { a: { memory: {} }, b: { memory: {} } } } },
}

/** A CORE file of two nodes. */
export const core = `<scenario><devices>
<device id="1" name="n1"><position x="1" y="1"/></device><device id="2" name="n2"><position x="5" y="1"/></device>
</devices></scenario>`

/** Thrown by what the calls are given, and by nothing else. */
export class Ours extends Error {}

let sockets = 0

export class Stage {
  readonly engine: etherloom.Engine
  readonly hub: etherloom.Hub
  readonly ports: readonly etherloom.Port[]
  readonly things: unknown[]
  readonly abortedSignal = AbortSignal.abort(new Ours('aborted'))
  readonly #witness: readonly [etherloom.MemoryPort, etherloom.MemoryPort]

  private constructor(
    hub: etherloom.Hub,
    ports: readonly etherloom.Port[],
    things: unknown[],
    witness: readonly [etherloom.MemoryPort, etherloom.MemoryPort],
  ) {
    this.engine = hub.engine
    this.hub = hub
    this.ports = ports
    this.things = things
    this.#witness = witness
  }

  /** `peer`: a running instance that clients connect to. */
  static async make(clock: 'real' | 'virtual', peer?: string): Promise<Stage> {
    const engine = new Engine({ clock, seed: 1n, memory: '4MiB' })
    const apart = new Hub({ engine, name: 'witness' })
    const [from, to] = await join(apart, 'from', 'to')
    const hub = new Hub({ engine, name: 'hub' })
    const [a, b] = await join(hub, 'a', 'b')
    const ports: etherloom.Port[] = [a, b]
    ports.push(await hub.attach(new etherloom.GeneratorPort({ name: 'c', count: 3 })))
    ports.push(await hub.attach(new etherloom.SinkPort({ name: 'd' })))
    const [near, far] = PatchPort.pair({ names: ['e', 'f'] })
    const bridge = new etherloom.Switch({ engine, name: 'lan' })
    ports.push(await hub.attach(near), await bridge.attach(far))
    await hub.path(a, b).allow({ delay: '1ms' })
    a.send(frame())
    b.send(frame())
    await passTime(engine, () => a.stats().transmitted.frames > 0n)
    const air = new Hub({ engine, name: 'air', forwarding: 'deny' })
    const stations = await join(air, 'x', 'y')
    const world = new etherloom.World({ fabric: air })
    const net = await lab(pair, { test: false })
    const distances = new Distances()
    distances.add(0, 1, 5)
    const things: unknown[] = [
      engine,
      hub,
      bridge,
      air,
      ...stations,
      new etherloom.Wire({ engine, name: 'wire' }),
      ...ports,
      a.read(),
      hub.path(a, b),
      hub.between(a, b),
      await a.capture(new PassThrough().resume()),
      hub.timeline([{ at: '1h', between: ['a', 'b'], allowed: false }]),
      world,
      await Network.up(topology),
      ...[net, net.port('a'), net.port('b')],
      new etherloom.EtherloomError('ERR_ETHERLOOM_STATE', 'made up'),
      new etherloom.LogDistanceModel(),
      new etherloom.RangeModel(),
      new etherloom.WifiExponentialModel(),
      new etherloom.WifiLinearModel(),
      new etherloom.RandomWalk({ area: [10, 10] }),
      new etherloom.RandomWaypoint({ area: [10, 10] }),
      new etherloom.DistanceMatrices({
        matrices: [
          [
            [0, 3],
            [3, 0],
          ],
        ],
      }),
      distances,
      new etherloom.CoreTopologies({ topologies: ['core.xml'] }),
      etherloom.portKinds,
      etherloom.fabricKinds,
      ...[new MemoryPort(), new etherloom.PacketPort({ interface: 'lo' }), new etherloom.PasstPort()],
      ...[new etherloom.SocketPort({ socket: './a.sock' }), new etherloom.UdpPort({ local: '127.0.0.1:0' })],
      new etherloom.WebSocketPort({ websocket: 'ws://127.0.0.1:9/' }),
      new etherloom.VdePort({ vde: './switch' }),
      new etherloom.VxlanPort({ local: '127.0.0.1', vni: 1 }),
      new etherloom.TapPort({ name: 'tap%d' }),
    ]
    if (clock === 'real') {
      things.push(await bridge.listen({ socket: `./${sockets++}.sock` }))
      things.push(await bridge.listen({ protocol: 'websocket', socket: `127.0.0.1:${await freePort()}` }))
      const server = await bridge.listen({ protocol: 'vde', directory: `./${sockets++}.vde` })
      const far = new Hub({ engine, name: 'far' })
      const [[peer]] = await Promise.all([
        once(server, 'connect') as Promise<[etherloom.VdePeerPort]>,
        far.attach(new etherloom.VdePort({ vde: server.directory })),
      ])
      things.push(server, peer)
    }
    if (lacksNetwork() === undefined) things.push(await etherloom.Namespace.create())
    if (peer !== undefined) things.push(await etherloom.connect({ name: peer }))
    return new Stage(hub, ports, things, [from, to])
  }

  /** Something of this class, or of one that is made of it. */
  instance(name: string, draw: Draw): unknown {
    const fitting = this.things.filter((thing) => isA(thing, name))
    return fitting.length > 0 ? draw.of(fitting) : undefined
  }

  /** Whether what calls are tried on is still what it was. */
  get whole(): boolean {
    return (
      !this.engine.closed &&
      !this.hub.closed &&
      this.ports.every(({ state }) => state === 'up') &&
      this.things.length < 60
    )
  }

  /** Does something that one would do at another time, as a getter may. */
  disturb(draw: Draw): void {
    const [a, b] = this.ports as unknown as [etherloom.MemoryPort, etherloom.MemoryPort]
    const ways: (() => unknown)[] = [
      () => this.engine.close(),
      () => this.hub.close(),
      () => this.hub.detach(a),
      () => this.hub.detach(b),
      () => this.hub.apply([{ from: a, to: b, policy: null }]),
      () => a.send(frame()),
      () => b.read(),
      () => this.engine.advance('1ms'),
      () => this.hub.attach(new MemoryPort()),
      () => this.hub.configure(a, { delay: '1ms' }),
    ]
    try {
      Promise.resolve(draw.of(ways)()).catch(() => undefined)
    } catch {
      // Such as a hub that an earlier one has closed: refusals are judged where they are the call itself.
    }
  }

  /** Begins to close something, and does not wait. */
  beginToClose(thing: unknown): void {
    try {
      const closing = isA(thing, 'Port')
        ? (thing as etherloom.Port).fabric?.detach(thing as etherloom.Port)
        : (thing as { close?: () => unknown }).close?.()
      Promise.resolve(closing).catch(() => undefined)
    } catch {
      // Not open.
    }
  }

  /** Whether frames still get through. */
  async carries(): Promise<boolean> {
    const over = (): boolean => this.engine.closed
    if (over()) return true // as it was asked to
    const [from, to] = this.#witness
    if (from.state !== 'up' || to.state !== 'up') return false
    from.send(frame({ tag: 77 }))
    let seen = false as boolean
    await passTime(this.engine, () => over() || (seen ||= tags(to).includes(77)))
    return seen || over()
  }

  /** Closes everything. */
  async close(): Promise<void> {
    for (const thing of [...this.things].reverse()) {
      const { close } = thing as { close?: () => unknown }
      if (typeof close === 'function' && thing !== this.engine && !(thing instanceof etherloom.Port))
        await Promise.resolve(close.call(thing)).catch(() => undefined)
    }
    await this.engine.close()
  }
}

/** Lets the engine run until something is so: a virtual clock is moved, and of a real one the event loop turns. The end of the patience only guards against hangs. */
async function passTime(engine: etherloom.Engine, done: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !done() && Date.now() < end;) {
    if (engine.clock === 'virtual') engine.advance('5ms')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export function isA(thing: unknown, name: string): boolean {
  if (typeof thing !== 'object' || thing === null) return false
  for (let at: unknown = Object.getPrototypeOf(thing); at !== null; at = Object.getPrototypeOf(at))
    if ((at as { constructor: { name: string } }).constructor.name === name) return true
  return false
}
