/**
 * The line of a path between two kernel stacks in real time. What is claimed of a rate holds on a busy machine, too: while
 * frames wait for the line, a departure that is late makes none after it late.
 */
import { expect } from 'chai'
import { Wire } from '../../lib/index.js'
import { closing, dropped } from '../helpers/fabric.js'
import { describeOnDevices, eventually } from '../helpers/kernel.js'
import { connect, transfer, type Host } from '../helpers/network.js'

describeOnDevices('lines between kernel stacks', function () {
  this.timeout(120_000)
  const close = closing()

  const connected = async () => {
    const wire = close(new Wire())
    const hosts = (await connect(wire, close, 2)) as [Host, Host]
    const [left, right] = hosts
    for (const host of hosts) {
      const route = ['10.0.0.0/24', 'dev', 'eth0', 'proto', 'kernel', 'scope', 'link', 'src', host.address]
      await host.ip('route', 'replace', ...route, 'congctl', 'cubic') // whatever this machine's default is
    }
    return { wire, left, right }
  }

  it('CUBIC fills at least 95 % of 20 Mbit/s with 10 ms each way', async () => {
    const { wire, left, right } = await connected()
    // 0.3 s of queue: once it is filled, the line does not run dry in a pause of its sender.
    await wire.path('host1', 'host2').allow({ rate: '20Mbit', delay: '10ms', queue: '300ms' })
    await wire.path('host2', 'host1').allow({ delay: '10ms' })
    const reached = async (bytes: bigint) => {
      const delivered = () => wire.path('host1', 'host2').stats().deliveredBytes
      await eventually(`${bytes} bytes have come`, () => delivered() >= bytes)
      return { bytes: Number(delivered()), at: Number(process.hrtime.bigint()) }
    }
    const transferred = transfer(left, right, 12_500_000)
    const begun = await reached(2_500_000n)
    const ended = await reached(11_500_000n)
    await transferred
    const rate = ((ended.bytes - begun.bytes) * 8e9) / (ended.at - begun.at)
    expect(rate / 20e6).to.be.at.least(0.95)
  })

  it('ECN: CoDel marks the frames of a capable sender, and drops none', async () => {
    const { wire, left, right } = await connected()
    for (const host of [left, right]) await host.run('sysctl', '-qw', 'net.ipv4.tcp_ecn=1')
    await wire
      .path('host1', 'host2')
      .allow({ rate: '20Mbit', delay: '5ms', queue: '10000frames', discipline: { codel: { ecn: true } } })
    await wire.path('host2', 'host1').allow({ delay: '5ms' })
    await transfer(left, right, 5_000_000)
    const stats = wire.path('host1', 'host2').stats()
    expect(Number(stats.marked)).to.be.above(0)
    expect(dropped(stats.dropped)).to.deep.equal({})
  })

  it('without ECN, CoDel drops and TCP still delivers everything', async () => {
    const { wire, left, right } = await connected()
    for (const host of [left, right]) await host.run('sysctl', '-qw', 'net.ipv4.tcp_ecn=0')
    await wire
      .path('host1', 'host2')
      .allow({ rate: '20Mbit', delay: '5ms', queue: '10000frames', discipline: 'codel' })
    await wire.path('host2', 'host1').allow({ delay: '5ms' })
    await transfer(left, right, 5_000_000)
    const stats = wire.path('host1', 'host2').stats()
    expect(Number(stats.dropped.aqm)).to.be.above(0)
    expect(stats.marked).to.equal(0n)
  })
})
