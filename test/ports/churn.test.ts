/** Sixteen TAPs that come, go, vanish and return under traffic: everything is counted, and everything given back. */
import { Engine, GeneratorPort, Hub, TapPort, type PolicyOptions } from '../../lib/index.js'
import { Draw } from '../helpers/draw.js'
import { closing, expectBalance, until } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices, eventually } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

const hostCount = 4
const tapsPerHost = 4
const changes = 25
const policies: PolicyOptions[] = [{ delay: '3ms' }, { loss: 0.5, duplicate: 0.1 }, { rate: '10Mbit' }]

/** A seat for one TAP: where it stands, and the port that is there now. */
interface Place {
  host: Host
  interface: string
  port: TapPort
}

describeOnDevices('churn', function () {
  this.timeout(300_000)
  const close = closing()

  for (const io of ['io_uring', 'epoll'] as const) {
    it(`on ${io}: under traffic TAPs are attached, detached and revived, and all numbers add up`, async function () {
      let engine: Engine
      try {
        engine = close(new Engine({ io, workers: 2, memory: '16MiB', seed: 7 }))
      } catch (error) {
        if (io === 'epoll') throw error
        return this.skip() // refused here, which native tests look at
      }
      const hub = close(new Hub({ engine }))
      const draw = new Draw(20261121)

      const places: Place[] = []
      for (let number = 1; number <= hostCount; number++) {
        const host = close(await Host.create(number))
        for (let index = 0; index < tapsPerHost; index++) {
          const name = `eth${index}`
          const port = new TapPort({
            interface: name,
            name: `${host.name}-${name}`,
            namespace: host.namespace,
            addresses: [`10.0.${index}.${number}/24`],
          })
          places.push({ host, interface: name, port: await hub.attach(port) })
        }
        host.start('ping', '-q', '-b', '-i', '0.002', '-w', '8', '10.0.0.255')
      }
      const generators: GeneratorPort[] = []
      for (const length of [60, 1514])
        generators.push(await hub.attach(new GeneratorPort({ length, count: 5_000_000 })))
      for (const generator of generators) await generator.start()

      const gone: Place[] = [] // whose interface was deleted
      const returns = async ({ host, interface: name }: Place) => {
        try {
          await host.ip('tuntap', 'add', name, 'mode', 'tap')
        } catch {
          // A port that was opening the interface when it was deleted has made it anew.
          await host.ip('link', 'show', name)
        }
      }
      for (let change = 0; change < changes; change++) {
        const place = draw.of(places)
        if (gone.includes(place)) {
          await returns(place)
          if (draw.once(2)) {
            // Gone again while the port is opening it, or shortly after.
            await place.host.ip('link', 'delete', place.interface)
            await returns(place)
          }
          gone.splice(gone.indexOf(place), 1)
          continue
        }
        switch (draw.below(4)) {
          case 0:
            if (place.port.state !== 'up') break
            await hub.detach(place.port)
            await hub.attach(place.port)
            break
          case 1: {
            await eventually('it is up', () => place.port.state === 'up')
            await place.host.ip('link', 'delete', place.interface)
            gone.push(place)
            break
          }
          case 2: {
            const other = draw.of(places)
            if (other === place) break
            const policy = draw.of(policies)
            await hub.between(place.port, other.port).allow(policy)
            await hub.path(draw.of(generators), place.port).allow(policy)
            break
          }
          default:
            await place.host.ip('link', 'set', place.interface, draw.once(2) ? 'down' : 'up')
        }
        for (const path of hub.stats().paths) expectBalance(path, `${path.from} to ${path.to}`)
      }

      for (const place of gone) await returns(place)
      for (const { port } of places) await eventually(`${port.name} is up`, () => port.state === 'up')
      for (const generator of generators) await generator.stop()
      const everything = () => {
        const { ports, paths } = hub.stats()
        return [...paths, ...Object.values(ports).map(({ defaults }) => defaults)]
      }
      await until(() => everything().every(({ waiting, inFlight }) => waiting + inFlight === 0n))
      for (const path of everything()) expectBalance(path, 'at the end')

      // Every TAP works, both ways: one frame to all of them, and one from each.
      for (const { host, interface: name } of places) await host.ip('link', 'set', name, 'up')
      const last = await hub.attach(new GeneratorPort({ count: 1 }))
      await last.start()
      await until(() => last.stats().defaults.delivered === BigInt(hub.ports.size - 1))
      for (const { host, interface: name, port } of places) {
        const before = port.stats().received.frames
        const sniffer = await host.sniff(name)
        sniffer.send(frame({ tag: 1 }))
        await until(() => port.stats().received.frames > before)
      }
      await engine.close() // fails when a frame is missing
    })
  }
})
