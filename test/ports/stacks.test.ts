/** Real kernel stacks talk through fabrics of TAPs: nothing lost, doubled, changed or returned. */
import { expect } from 'chai'
import { Hub, Switch, Wire } from '../../lib/index.js'
import { parseFrame } from '../../lib/testing/frames.js'
import { closing } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices, eventually } from '../helpers/kernel.js'
import { connect, transfer, type Host } from '../helpers/network.js'

describeOnDevices('kernel stacks on TAPs', function () {
  this.timeout(120_000)
  const close = closing()

  for (const Kind of [Hub, Switch, Wire]) {
    const kind = Kind.name.toLowerCase()

    it(`answer 1000 pings, 1 ms apart, over a ${kind}`, async () => {
      const [left, right] = (await connect(close(new Kind()), close, 2)) as [Host, Host]
      expect(await left.ping(right, 1000, 0.001)).to.include({ sent: 1000, received: 1000, duplicates: 0 })
    })
  }

  it('send 1 GB of TCP through a hub, unchanged', async () => {
    const [left, right] = (await connect(close(new Hub()), close, 2)) as [Host, Host]
    await transfer(left, right, 1_000_000_000)
  })

  it('carry jumbo frames unfragmented, up to the MTU and not beyond', async () => {
    const [left, right] = (await connect(close(new Switch()), close, 2, { mtu: 9000 })) as [Host, Host]
    const largest = 9000 - 28 // headers of IP and ICMP
    const ping = (payload: number, patience?: number) =>
      left.ping(right, 20, 0.002, { payload, whole: true, ...(patience !== undefined && { patience }) })
    expect(await ping(largest)).to.include({ received: 20 })
    expect(await ping(largest + 1, 0.5)).to.include({ received: 0 })
  })

  it('pass VLAN-tagged frames unchanged', async () => {
    const [left, right] = (await connect(close(new Hub()), close, 2)) as [Host, Host]
    const [sender, receiver] = [await left.sniff(), await right.sniff()]
    const frames = [1, 100, 4094].map((vlan) => Buffer.from(frame({ vlan, tag: vlan, length: 200 })))
    for (const each of frames) sender.send(each)
    expect(await receiver.upTo(frames.at(-1)!)).to.deep.equal(
      frames.map((bytes) => ({ direction: 'in', bytes })),
    )
  })

  describe('with IPv6', () => {
    it('find neighbours', async () => {
      const [left, right] = (await connect(close(new Hub()), close, 2, { ipv6: true })) as [Host, Host]
      await left.ip('address', 'add', 'fd00::1/64', 'dev', 'eth0')
      await right.ip('address', 'add', 'fd00::2/64', 'dev', 'eth0')
      for (const host of [left, right])
        await eventually('every address is unique', () => settledAddress(host))
      expect(await left.ping('fd00::2', 10, 0.002)).to.include({ received: 10, duplicates: 0 })
    })

    it('detect a duplicate address, and hear no neighbour solicitation of their own', async () => {
      const [left, right] = (await connect(close(new Hub()), close, 2, { ipv6: true })) as [Host, Host]
      const [leftSniffer, rightSniffer] = [await left.sniff(), await right.sniff()]
      await left.ip('address', 'add', 'fd00::1/64', 'dev', 'eth0')
      await eventually('the first one has the address', () => settledAddress(left))
      await right.ip('address', 'add', 'fd00::1/64', 'dev', 'eth0')
      await eventually('the second one was refused it', async () => (await addressOf(right))?.dadfailed)
      expect(await addressOf(left)).not.to.have.property('dadfailed')

      for (const [host, sniffer, other, otherSniffer] of [
        [left, leftSniffer, right, rightSniffer],
        [right, rightSniffer, left, leftSniffer],
      ] as const) {
        const last = Buffer.from(frame({ from: other.mac }))
        otherSniffer.send(last) // behind all that could have come back
        const own = (await sniffer.everythingUpTo(last)).filter(({ bytes }) => sourceOf(bytes) === host.mac)
        expect(own.filter(isNeighbourSolicitation), 'were sent').not.to.be.empty
        expect(
          own.filter(({ direction }) => direction === 'in'),
          'came back',
        ).to.be.empty
      }
    })
  })
})

/** The host's fd00::/64 address. */
const addressOf = async (host: Host) =>
  (await host.link())?.addr_info.find(({ local }) => local.startsWith('fd00:'))

/** Whether duplicate address detection has ended well. */
async function settledAddress(host: Host): Promise<boolean> {
  const address = await addressOf(host)
  return address !== undefined && address.tentative !== true && address.dadfailed !== true
}

const sourceOf = (bytes: Buffer): string => bytes.toString('hex', 6, 12).replace(/\B(?=(..)+$)/g, ':')

/** RFC 4861: ICMPv6 of type 135. */
const isNeighbourSolicitation = ({ bytes }: { bytes: Buffer }): boolean =>
  parseFrame(bytes).icmpv6?.type === 135
