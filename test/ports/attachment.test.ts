/** What a port has in its fabric, where kernel stacks are behind the ports: receive filters and the delay. */
import { expect } from 'chai'
import { Hub, Switch } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import { broadcast, frame, numbered, tagOf } from '../helpers/frames.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { connect, transfer, type Host, type Sniffed, type Sniffer } from '../helpers/network.js'

const tagsOf = (heard: Sniffed[], direction: 'in' | 'out') =>
  heard.filter((each) => each.direction === direction).map(({ bytes }) => tagOf(bytes))

describeOnDevices('What ports of TAPs have in their fabric', function () {
  this.timeout(120_000)
  const close = closing()

  for (const Kind of [Hub, Switch]) {
    const kind = Kind.name.toLowerCase()

    it(`gives everybody each frame once over a ${kind}, and the third what its receive filter takes`, async () => {
      const fabric = close(new Kind())
      const hosts = (await connect(fabric, close, 4)) as [Host, Host, Host, Host]
      const [a, b, c, h] = hosts
      const sniffers = (await Promise.all(hosts.map((host) => host.sniff()))) as [
        Sniffer,
        Sniffer,
        Sniffer,
        Sniffer,
      ]
      const [atA, atB, atC, atH] = sniffers
      let tag = 0
      /** What A, B, C and H receive of a frame from `from`; frames from all the others come behind it. */
      const received = async (from: Sniffer, words: { from: string; to: string }) => {
        const sent = ++tag
        from.send(frame({ ...words, tag: sent }))
        const heard = sniffers.map(() => 0)
        for (const [sender, host] of hosts.entries()) {
          const last = frame({ from: host.mac, tag: ++tag })
          sniffers[sender]!.send(last)
          for (const [listener, sniffer] of sniffers.entries()) {
            if (listener === sender) continue
            const copies = tagsOf(await sniffer.upTo(last), 'in').filter((each) => each === sent)
            heard[listener]! += copies.length
          }
        }
        return heard
      }
      const overheard = kind === 'hub' ? 1 : 0
      const unicast = { from: a.mac, to: b.mac }
      // The flushes above have taught the switch where everybody is, but the first frame may come before them.
      await received(atA, { from: a.mac, to: broadcast })
      expect(await received(atA, unicast), 'unicast, C promiscuous').to.deep.equal([
        0,
        1,
        overheard,
        overheard,
      ])
      await fabric.configure(c.name, { receive: { addresses: [c.mac] } })
      expect(await received(atA, unicast), 'unicast, C filtered').to.deep.equal([0, 1, 0, overheard])
      expect(await received(atA, { from: a.mac, to: broadcast })).to.deep.equal([0, 1, 1, 1])
      expect(await received(atH, { from: h.mac, to: broadcast })).to.deep.equal([1, 1, 1, 0])
      expect(await received(atB, { from: b.mac, to: c.mac })).to.deep.equal([overheard, 0, 1, overheard])
      expect(await received(atC, { from: c.mac, to: '33:33:00:00:00:01' })).to.deep.equal([1, 1, 0, 1])

      expect(await a.ping(b, 100, 0.002)).to.include({ sent: 100, received: 100, duplicates: 0 })
      expect(await a.ping(h, 100, 0.002)).to.include({ sent: 100, received: 100, duplicates: 0 })
    })
  }

  it('delays what goes to one port by 10 ms or more, in order, and nothing else', async () => {
    const hub = close(new Hub())
    const [near, far] = (await connect(hub, close, 2)) as [Host, Host]
    await hub.configure(far.name, { delay: '10000us' })
    const pings = await near.ping(far, 20, 0.002)
    expect(pings).to.include({ sent: 20, received: 20, duplicates: 0 })
    expect(pings.shortest).to.be.at.least(10)

    const [sender, receiver] = [await near.sniff(), await far.sniff()]
    const frames = numbered(500, { from: near.mac })
    for (const each of frames) sender.send(each)
    expect(tagsOf(await receiver.upTo(frames.at(-1)!), 'in')).to.deep.equal(frames.map(tagOf))

    // Both ways: a round trip takes both delays.
    await hub.configure(near.name, { delay: '5ms' })
    expect((await near.ping(far, 5, 0.002)).shortest).to.be.at.least(15)
  })

  it('carries super-frames of TCP through the delay of a port, unchanged', async () => {
    const hub = close(new Hub())
    const [near, far] = (await connect(hub, close, 2)) as [Host, Host]
    await hub.configure(far.name, { delay: '1ms', receive: { addresses: [far.mac] } })
    await transfer(near, far, 20_000_000)
    expect(hub.port(far.name).stats().transmitted.frames > 10_000n).to.equal(true)
  })
})
