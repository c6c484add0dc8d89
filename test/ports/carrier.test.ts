/** Carriers as the kernel behind a TAP sees them. */
import { expect } from 'chai'
import { once } from 'node:events'
import { Hub, PacketPort, Wire } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices, eventually } from '../helpers/kernel.js'
import { connect, Host, soon } from '../helpers/network.js'

describeOnDevices('carrier', function () {
  this.timeout(120_000)
  const close = closing()

  /** What the host's own kernel says: of the cable at once, of the interface's state when it has looked. */
  const cableOf = async (host: Host) => (await host.link())!.flags.includes('LOWER_UP')
  const stateOf = async (host: Host) => (await host.link())!.operstate

  it('of a port is seen by its kernel, and nothing passes without it', async () => {
    const hub = close(new Hub())
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    const port = hub.port('host2')
    expect(await cableOf(right)).to.equal(true)
    expect(await left.ping(right, 3, 0.01)).to.include({ received: 3 })

    await port.carrier(false)
    expect(await cableOf(right)).to.equal(false)
    await eventually('NO-CARRIER', async () => (await right.link())!.flags.includes('NO-CARRIER'))
    await eventually('its state is down', async () => (await stateOf(right)) === 'DOWN')
    expect(await cableOf(left), 'the other port').to.equal(true)
    const before = (await right.link())!.stats64.rx.packets
    expect(await left.ping(right, 5, 0.01, soon)).to.include({ received: 0 })
    expect((await right.link())!.stats64.rx.packets).to.equal(before)
    expect(Number(port.stats().dropped['port-down'])).to.be.above(0)
    expect([port.state, port.carrierOn]).to.deep.equal(['up', false])

    await port.carrier(true)
    expect(await cableOf(right)).to.equal(true)
    await eventually('no NO-CARRIER', async () => !(await right.link())!.flags.includes('NO-CARRIER'))
    expect(await left.ping(right, 5, 0.01)).to.include({ received: 5 })
  })

  it('of a port that begins without one is seen by nobody, until it is given', async () => {
    const hub = close(new Hub())
    const [left] = (await connect(hub, close, 1)) as [Host]
    const right = close(await Host.create(2))
    const monitor = right.start('ip', '-oneline', 'monitor', 'link')
    const lines: string[] = []
    const listening = async (): Promise<void> => {
      for (;;) lines.push(await monitor.line())
    }
    void listening().catch(() => undefined) // until the host ends it
    /** Another interface is changed until that is in the news, which then has all that came before. */
    const heardAll = (mtu: string): Promise<unknown> =>
      eventually('the news', async () => {
        await right.run('ip', 'link', 'set', 'other', 'mtu', '1400')
        await right.run('ip', 'link', 'set', 'other', 'mtu', mtu)
        return lines.some((line) => line.includes(`mtu ${mtu}`))
      })
    await right.run('ip', 'link', 'add', 'other', 'type', 'bridge')
    await heardAll('1401')
    const port = await hub.attach(right.tap({ carrier: false }))
    expect([port.carrierOn, await cableOf(right)]).to.deep.equal([false, false])
    expect(await left.ping(right, 2, 0.01, soon)).to.include({ received: 0 })
    await heardAll('1402')
    expect(lines.some((line) => line.includes('eth0'))).to.equal(true)
    expect(lines.filter((line) => line.includes('eth0') && line.includes('LOWER_UP'))).to.deep.equal([])
    await port.carrier(true)
    expect(await left.ping(right, 3, 0.01)).to.include({ received: 3 })
    // It is as it was last set, also when the interface has to be made again.
    const [down, up] = [once(hub, 'port:down'), once(hub, 'port:up')]
    await right.ip('link', 'delete', 'eth0')
    await down
    await port.restore()
    await up
    expect([port.carrierOn, await cableOf(right)]).to.deep.equal([true, true])
    expect(await left.ping(right, 3, 0.01)).to.include({ received: 3 })
  })

  it('of a port stays off when its interface vanishes and returns', async () => {
    const hub = close(new Hub())
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    await hub.port('host2').carrier(false)
    const [down, up] = [once(hub, 'port:down'), once(hub, 'port:up')]
    await right.ip('link', 'delete', 'eth0')
    await down
    expect(hub.port('host2').carrierOn).to.equal(false)
    await right.ip('tuntap', 'add', 'eth0', 'mode', 'tap')
    await up
    expect(await cableOf(right)).to.equal(false)
    expect(await left.ping(right, 2, 0.01, soon)).to.include({ received: 0 })
    await hub.port('host2').carrier(true)
    expect(await left.ping(right, 5, 0.01)).to.include({ received: 5 })
  })

  it('can be set while the interface is gone', async () => {
    const hub = close(new Hub())
    const [, right] = (await connect(hub, close, 2)) as [Host, Host]
    const [down, up] = [once(hub, 'port:down'), once(hub, 'port:up')]
    await right.ip('link', 'delete', 'eth0')
    await down
    await hub.port('host2').carrier(false)
    await right.ip('tuntap', 'add', 'eth0', 'mode', 'tap')
    await up
    expect(await cableOf(right)).to.equal(false)
  })

  it('of a wire is that of both ends', async () => {
    const wire = close(new Wire({ engine: { workers: 2 } }))
    const [left, right] = (await connect(wire, close, 2)) as [Host, Host]
    await wire.carrier(false)
    expect([await cableOf(left), await cableOf(right)]).to.deep.equal([false, false])
    await wire.carrier(true)
    expect([await cableOf(left), await cableOf(right)]).to.deep.equal([true, true])
    expect(await left.ping(right, 5, 0.01)).to.include({ received: 5 })
  })

  it('off, lets nothing in that the kernel still sends, not even later', async () => {
    const hub = close(new Hub())
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    const [source, witness] = [await left.sniff(), await right.sniff()]
    const last = frame({ tag: 2 })
    await hub.port('host1').carrier(false)
    expect(await left.ping('10.0.0.255', 3, 0.01, soon)).to.include({ received: 0 })
    await hub.port('host1').carrier(true)
    await eventually('the interface sends again', async () => (await stateOf(left)) !== 'DOWN')
    source.send(last)
    const seen = (await witness.upTo(last)).filter(({ direction }) => direction === 'in')
    expect(seen.map(({ bytes }) => bytes)).to.deep.equal([Buffer.from(last)])
  })

  it('is not a packet socket’s to set, and then a wire changes neither end', async () => {
    const wire = close(new Wire())
    const [host] = (await connect(wire, close, 1)) as [Host]
    const socket = await wire.attach(new PacketPort({ interface: 'lo', namespace: host.namespace }))
    for (const attempt of [() => socket.carrier(false), () => wire.carrier(false)]) {
      const error = await refusal(attempt())
      expect(error.code).to.equal('ERR_ETHERLOOM_UNSUPPORTED')
      expect(error.message).to.match(/'lo' is a packet socket.*deny its paths instead/)
    }
    expect([await cableOf(host), wire.port('host1').carrierOn]).to.deep.equal([true, true])
  })

  it('comes back to a persistent TAP with its next port', async () => {
    const hub = close(new Hub())
    const [host] = (await connect(hub, close, 1, { persist: true })) as [Host]
    const port = hub.port('host1')
    await port.carrier(false)
    await hub.detach(port)
    await hub.attach(port)
    expect([await cableOf(host), port.carrierOn]).to.deep.equal([true, true])
  })
})
