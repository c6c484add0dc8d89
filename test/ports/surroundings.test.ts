/**
 * What is around a port and changes: queues that are full, interfaces that move, change or go. The port says what it drops, is
 * up or down as docs/reference/ports.md says, and nobody else loses anything.
 */
import { expect } from 'chai'
import { once } from 'node:events'
import { Hub, MemoryPort, PacketPort, TapPort } from '../../lib/index.js'
import { framings } from '../../lib/ports/framings.js'
import { closing, dropped, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices, eventually, testFile } from '../helpers/kernel.js'
import { cable, Host, type Link } from '../helpers/network.js'

describeOnDevices('what is around a port', function () {
  this.timeout(120_000)
  const close = closing()

  describe('and full', () => {
    /** By kind, what it says of frames that find no room. UDP and a TAP are not told. */
    const kinds: [kind: string, said: string[]][] = [
      ['packet', ['port-full']],
      ['udp', ['port-full']],
      ['udp over a short queue', []],
      ...[...framings].map(({ key }): [string, string[]] => [key, ['port-full']]),
      ['tcp', ['port-full']],
    ]
    const answer = async (kind: string): Promise<unknown> => {
      const host = close(await Host.create(1))
      return JSON.parse(
        await host.run(process.execPath, '--import=tsx', testFile('ports/programs/full.ts'), kind),
      )
    }
    for (const [kind, said] of kinds)
      it(`${kind}: dropped as ${said[0] ?? 'nothing, for the kernel does not say'}, the port stays up, others lose nothing`, async () => {
        const { arrived, ...rest } = (await answer(kind)) as { arrived?: boolean }
        expect(rest).to.deep.equal({ others: true, down: 0, state: 'up', dropped: said })
        if (!['datagram', 'udp over a short queue'].includes(kind))
          expect(arrived, 'all that counts as transmitted came, and then another').to.be.true
      })

    it('tap: its kernel drops what the port has not read yet, the port stays up, others lose nothing', async () => {
      expect(await answer('tap')).to.deep.equal({
        others: true,
        down: 0,
        state: 'up',
        lost: true,
        dropped: {},
      })
    })
  })

  describe('and moves or changes', () => {
    let host: Host
    let elsewhere: Host
    let hub: Hub
    let sender: MemoryPort

    beforeEach(async () => {
      host = close(await Host.create(1))
      elsewhere = close(await Host.create(2))
      hub = close(new Hub())
      sender = await hub.attach(new MemoryPort({ name: 'sender', frameLimit: 9100 }))
    })

    /** Whether the port lets frames through that this MTU allows, and only those. */
    async function keepsTo(port: TapPort | PacketPort, mtu: number): Promise<void> {
      await eventually(`its MTU is ${mtu}`, () => port.mtu === mtu)
      await hub.configure(port, {}) // when this has returned, so has what was ordered before
      const before = port.stats()
      const longest = mtu + (port instanceof TapPort ? 18 : 14) // Linux itself sends no longer one
      sender.send([frame({ length: longest }), frame({ length: longest + 1 })])
      await eventually('both are counted', () => port.stats().dropped.oversize > before.dropped.oversize)
      const { transmitted, dropped } = port.stats()
      expect(dropped.oversize - before.dropped.oversize).to.equal(1n)
      expect(transmitted.frames - before.transmitted.frames).to.equal(1n)
    }
    const move = (from: Host, to: Host, name: string, ...more: string[]): Promise<unknown> =>
      from.ip('link', 'set', name, 'netns', to.namespace.path, ...more)
    const mtu = (where: Host, name: string, bytes: number): Promise<unknown> =>
      where.ip('link', 'set', name, 'mtu', `${bytes}`)

    it('a TAP in another namespace: no event, it works there, and its MTU is followed there and when it is back', async () => {
      const events: string[] = []
      for (const name of ['port:down', 'port:up'] as const) hub.on(name, () => events.push(name))
      const port = await hub.attach(new TapPort({ name: 'tap0', namespace: host.namespace }))
      await keepsTo(port, 1500)
      await move(host, elsewhere, 'tap0')
      await elsewhere.ip('link', 'set', 'tap0', 'up')
      for (const bytes of [9000, 1400]) {
        await mtu(elsewhere, 'tap0', bytes)
        await keepsTo(port, bytes)
      }
      await move(elsewhere, host, 'tap0')
      await host.ip('link', 'set', 'tap0', 'up')
      await mtu(host, 'tap0', 1300)
      await keepsTo(port, 1300)
      await move(host, elsewhere, 'tap0')
      await elsewhere.ip('link', 'set', 'tap0', 'up')
      await mtu(elsewhere, 'tap0', 1600)
      await keepsTo(port, 1600)
      expect(events).to.be.empty
      expect(dropped(port.stats().dropped)).to.deep.equal({ oversize: 5 })
    })

    it('a TAP whose MTU is changed at the moment when it is moved: known all the same', async () => {
      const port = await hub.attach(new TapPort({ name: 'tap0', namespace: host.namespace }))
      await host.run(
        'sh',
        '-ec',
        `ip link set tap0 netns ${elsewhere.namespace.path}
         exec nsenter --net=${elsewhere.namespace.path} ip link set tap0 mtu 2000 up`,
      )
      await keepsTo(port, 2000)
    })

    it('another interface that gets the number of a TAP that has left is not taken for it', async () => {
      const port = await hub.attach(new TapPort({ name: 'tap0', namespace: host.namespace }))
      const [{ ifindex }] = await host.ip<[Link & { ifindex: number }]>('link', 'show', 'tap0')
      await move(host, elsewhere, 'tap0')
      await elsewhere.ip('link', 'set', 'tap0', 'up')
      await host.ip('link', 'add', 'other', 'index', `${ifindex}`, 'type', 'veth', 'peer', 'name', 'end')
      await mtu(host, 'other', 600)
      await mtu(elsewhere, 'tap0', 1700) // what is heard of the other was heard before this
      await keepsTo(port, 1700)
      await mtu(host, 'other', 700)
      await host.ip('link', 'delete', 'other')
      await mtu(elsewhere, 'tap0', 1800)
      await keepsTo(port, 1800)
      expect(port.state).to.equal('up')
    })

    it('the same with a TAP that was opened elsewhere and is given by its descriptor', async () => {
      const held = host.start(
        'python3',
        testFile('ports/programs/tap.py'),
        'tap0',
        'sh',
        '-ec',
        `ip -oneline link show tap0
         ip link set tap0 netns ${elsewhere.namespace.path}
         exec ${process.execPath} --import=tsx ${testFile('ports/programs/given.ts')}`,
      )
      const index = Number.parseInt(await held.line())
      expect(await held.line()).to.equal('1500')
      await host.ip('link', 'add', 'other', 'index', `${index}`, 'type', 'veth', 'peer', 'name', 'end')
      await mtu(host, 'other', 600)
      expect(await held.line()).to.equal('1500')
    })

    it('a TAP that is deleted in another namespace: down, and made again where it was', async () => {
      const port = await hub.attach(new TapPort({ name: 'tap0', namespace: host.namespace }))
      await move(host, elsewhere, 'tap0', 'name', 'net0')
      await mtu(elsewhere, 'net0', 1400)
      await eventually('its MTU is known', () => port.mtu === 1400)
      const [down, up] = [once(hub, 'port:down'), once(hub, 'port:up')]
      await elsewhere.ip('link', 'delete', 'net0')
      await down
      await up
      expect(await host.link('tap0')).to.include({ mtu: 1500 })
      await mtu(host, 'tap0', 1600)
      await keepsTo(port, 1600)
    })

    /** A packet port on its end of a cable to `elsewhere`; what that sends is read at `sender`. */
    async function onCable(): Promise<PacketPort> {
      await cable(elsewhere, host, 'left')
      return hub.attach(new PacketPort({ interface: 'left', namespace: host.namespace }))
    }

    for (const [what, leave] of [
      ['whose other end is deleted', () => elsewhere.ip('link', 'delete', 'eth0')],
      ['whose other end goes with its namespace', () => elsewhere.close()],
      ['that is moved to another namespace', () => move(host, elsewhere, 'left')],
    ] satisfies [string, () => Promise<unknown>][])
      it(`an interface ${what}: its port is down, counts what it is sent, and is up on the next of that name, as that is`, async () => {
        const port = await onCable()
        const down = once(hub, 'port:down')
        await leave()
        await down
        sender.send(frame())
        await eventually('it is counted', () => port.stats().dropped['port-down'] === 1n)

        const next = close(await Host.create(3))
        const up = once(hub, 'port:up')
        await host.ip('link', 'add', 'later', 'mtu', '1800', 'type', 'veth', 'peer', 'name', 'end')
        await move(host, next, 'end', 'name', 'eth0')
        await next.ip('link', 'set', 'eth0', 'mtu', '1800', 'up')
        await host.ip('link', 'set', 'later', 'name', 'left', 'up')
        await up
        const sniffer = await next.sniff()
        sniffer.send(frame({ tag: 7 }))
        expect((await receive(sender, 1)).map(({ tag }) => tag)).to.deep.equal([7])
        await keepsTo(port, 1800)
        await mtu(host, 'left', 1300)
        await keepsTo(port, 1300)
      })
  })
})
