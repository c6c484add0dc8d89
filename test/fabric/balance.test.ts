/**
 * The numbers add up, always: random fabrics, policies, frames and changes, with fixed seeds. At every snapshot, for
 * every path, offered + duplicated = delivered + dropped + waiting + in flight; and once it is quiet, nothing waits or
 * is in flight, and the ports have transmitted what the paths have delivered.
 */
import { expect } from 'chai'
import {
  Engine,
  Hub,
  MemoryPort,
  PatchPort,
  Switch,
  type Fabric,
  type FilterSource,
  type Policy,
  type VlanOptions,
} from '../../lib/index.js'
import { closing, expectBalance, join, sum, take, until } from '../helpers/fabric.js'
import { broadcast, frame, station } from '../helpers/frames.js'
import { Draw } from '../helpers/draw.js'

describe('The numbers add up', () => {
  const closes = closing()

  const filters: FilterSource[] = [
    { destinationMac: 'broadcast' },
    { length: { max: 500 } },
    'ether[6] & 1 = 0',
  ]
  const vlans: VlanOptions[] = [{ access: 10 }, { trunk: [10, 20] }, { trunk: 'all', native: 1 }]
  const policyOf = (draw: Draw): Policy | null =>
    draw.once(6)
      ? null
      : {
          allowed: !draw.once(6),
          ...(draw.once(3) ? { filter: draw.of(filters) } : {}),
          ...(draw.once(2) ? { loss: draw.of([0, 0.1, 1]) } : {}),
          ...(draw.once(2) ? { duplicate: draw.of([0.2, 1]) } : {}),
          ...(draw.once(4) ? { corrupt: 0.5 } : {}),
          ...(draw.once(2)
            ? { delay: draw.of(['1us', '300us', '2ms']), jitter: '200us', reorder: draw.of([0, 0.5]) }
            : {}),
          ...(draw.once(2)
            ? { rate: draw.of(['1Mbit', '100Mbit']), queue: draw.of(['0frames', '10frames', '4KiB', '1ms']) }
            : {}),
        }

  /** A random network, and what can be done to it. */
  const network = async (draw: Draw, engine: Engine) => {
    const fabrics: Fabric[] = Array.from({ length: 3 }, (_, index) => {
      const forwarding = draw.of(['allow', 'deny'] as const)
      const name = `f${index}`
      return draw.once(2)
        ? new Hub({ engine, name, forwarding })
        : new Switch({ engine, name, forwarding, addresses: 8 })
    })
    let named = 0
    const arrive = async () => {
      const port = new MemoryPort({
        name: `p${named++}`,
        queueLimit: draw.of([20, 1000]),
        frameLimit: draw.of([200, 1518]),
      })
      const fabric = draw.of(fabrics)
      await fabric.attach(port, {
        ...(draw.once(4) && { group: draw.of(['left', 'right']) }),
        ...(fabric instanceof Switch && draw.once(3) && { vlan: draw.of(vlans) }),
      })
    }
    for (let index = 0; index < 8; index++) await arrive()
    const [left, right] = PatchPort.pair({ frameLimit: 1000 })
    await fabrics[0]!.attach(left)
    await fabrics[1]!.attach(right)

    const memoryPorts = () =>
      fabrics.flatMap((fabric) => [...fabric.ports.values()].filter((port) => port instanceof MemoryPort))
    return {
      fabrics,
      send: () => {
        for (const port of memoryPorts()) {
          const length = draw.of([10, 18, 60, 150, 900, 1600])
          const words = {
            to: draw.once(3) ? undefined : station(draw.below(10)),
            from: station(draw.below(10)),
            ...(length >= 60 && draw.once(3) && { vlan: draw.of([0, 1, 10, 20]) }),
          }
          const bytes =
            length < 18 ? new Uint8Array(length) : frame({ ...words, to: words.to ?? broadcast, length })
          port.send(new Array<Uint8Array>(draw.below(12)).fill(bytes))
        }
      },
      read: () => {
        for (const port of memoryPorts()) if (!draw.once(3)) while (port.read());
      },
      change: async () => {
        const fabric = draw.of(fabrics)
        if (draw.once(8)) return arrive()
        const leaving = memoryPorts()
        if (draw.once(8) && leaving.length > 4) {
          const port = draw.of(leaving)
          return port.fabric!.detach(port)
        }
        const names = [...fabric.ports.keys()]
        const changes = names.flatMap((from) =>
          names
            .filter((to) => to !== from && draw.once(4))
            .map((to) => ({ from, to, policy: policyOf(draw) })),
        )
        await fabric.apply(changes, { flush: draw.once(3) })
      },
    }
  }

  const expectBalances = (fabrics: Fabric[], what: string) => {
    for (const fabric of fabrics) {
      const { ports, paths } = fabric.stats()
      for (const path of paths) expectBalance(path, `${what}: ${fabric.name} ${path.from} > ${path.to}`)
      for (const [name, port] of Object.entries(ports))
        expectBalance(port.defaults, `${what}: ${fabric.name} ${name}`)
    }
  }

  /** Every path of the fabrics, whether or not it has a policy now. */
  const pathsOf = (fabrics: Fabric[]) =>
    fabrics.flatMap((fabric) => {
      const names = [...fabric.ports.keys()]
      return names.flatMap((from) =>
        names.filter((to) => to !== from).map((to) => fabric.path(from, to).stats()),
      )
    })
  const defaultsOf = (fabrics: Fabric[]) =>
    fabrics.flatMap((fabric) => [...fabric.ports.values()].map((port) => port.stats().defaults))

  /** Once nothing moves. `gone` is whether ports have left, which took their counters along. */
  const expectQuiet = (fabrics: Fabric[], gone: boolean) => {
    expectBalances(fabrics, 'quiet')
    const accounts = [...pathsOf(fabrics), ...defaultsOf(fabrics)]
    expect(sum(accounts.map(({ waiting, inFlight }) => waiting + inFlight))).to.equal(0n)
    if (gone) return
    const transmitted = fabrics.flatMap((fabric) =>
      [...fabric.ports.values()].map((port) => port.stats().transmitted.frames),
    )
    expect(sum(transmitted)).to.equal(sum(accounts.map(({ delivered }) => delivered)))
  }

  for (let seed = 1; seed <= 12; seed++) {
    it(`on a virtual clock (network ${seed})`, async () => {
      const draw = new Draw(seed)
      const engine = closes(new Engine({ clock: 'virtual', seed, workers: 1 + (seed % 3), memory: '16MiB' }))
      const { fabrics, send, read, change } = await network(draw, engine)
      for (let step = 0; step < 100; step++) {
        send()
        engine.advance(`${draw.below(500_000)}ns`)
        read()
        expectBalances(fabrics, `step ${step}`)
        await change()
        expectBalances(fabrics, `after the change of step ${step}`)
      }
      engine.advance('1h')
      expectQuiet(fabrics, true)
    })
  }

  it('on a virtual clock, port by port, while all stay', async () => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 5 }))
    const hub = new Hub({ engine })
    const ports = await join(hub, 'a', 'b', 'c', 'd')
    const draw = new Draw(99)
    const names = ports.map(({ name }) => name)
    for (let step = 0; step < 200; step++) {
      for (const port of ports) port.send(new Array<Uint8Array>(draw.below(8)).fill(frame()))
      engine.advance('100us')
      const [from, to] = [draw.of(names), draw.of(names)]
      if (from !== to) await hub.path(from, to).set(policyOf(draw))
      for (const port of ports) take(port)
    }
    engine.advance('1h')
    expectQuiet([hub], false)
    // Where every pair has a policy, a port has transmitted what the paths to it delivered.
    const before = ports.map((port) => port.stats().transmitted.frames)
    const delivered = (to: MemoryPort) =>
      sum(ports.filter((from) => from !== to).map((from) => hub.path(from, to).stats().delivered))
    const deliveredBefore = ports.map(delivered)
    await hub.apply(
      names.flatMap((from) =>
        names
          .filter((to) => to !== from)
          .map((to) => ({ from, to, policy: { allowed: true, duplicate: 0.5 } })),
      ),
    )
    for (const port of ports) port.send(new Array<Uint8Array>(100).fill(frame()))
    engine.advance('1s')
    for (const [index, port] of ports.entries())
      expect(port.stats().transmitted.frames - before[index]!).to.equal(
        delivered(port) - deliveredBefore[index]!,
      )
  })

  for (const workers of [1, 2]) {
    it(`on the real clock with ${workers} worker(s), while threads run`, async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const draw = new Draw(100 * workers + seed)
        const engine = closes(new Engine({ seed, workers, memory: '16MiB' }))
        const { fabrics, send, read, change } = await network(draw, engine)
        for (let step = 0; step < 60; step++) {
          send()
          const changing = change()
          for (let look = 0; look < 3; look++) expectBalances(fabrics, `seed ${seed}, step ${step}`)
          await changing
          read()
        }
        await until(() =>
          [...pathsOf(fabrics), ...defaultsOf(fabrics)].every(
            ({ waiting, inFlight }) => waiting + inFlight === 0n,
          ),
        )
        expectBalances(fabrics, `seed ${seed}, quiet`)
        await engine.close()
      }
    })
  }
})
