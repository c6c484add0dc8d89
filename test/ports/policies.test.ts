/** Policies of paths as kernel stacks meet them in real time. Early is a failure; how late is the benchmark's business. */
import { expect } from 'chai'
import { readdirSync } from 'node:fs'
import { Hub } from '../../lib/index.js'
import { closing, expectBalance, until } from '../helpers/fabric.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { connect, soon, type Host } from '../helpers/network.js'

describeOnDevices('policies between kernel stacks', function () {
  this.timeout(30_000)
  const close = closing()
  let hub: Hub
  let hosts: [Host, Host, Host]

  beforeEach(async () => {
    hub = close(new Hub({ forwarding: 'deny' }))
    hosts = (await connect(hub, close, 3)) as [Host, Host, Host]
  })

  it('delay 10 ms each way: no round trip takes less than 20 ms', async () => {
    const [left, right] = hosts
    await hub.between('host1', 'host2').allow({ delay: '10ms' })
    const pings = await left.ping(right, 100, 0.005)
    expect(pings).to.include({ received: 100, duplicates: 0 })
    expect(pings.shortest).to.be.at.least(20)
  })

  it('a denied pair stays silent while others talk', async () => {
    const [left, right, third] = hosts
    await hub.between('host1', 'host2').allow()
    expect(await left.ping(right, 500, 0.001)).to.include({ received: 500, duplicates: 0 })
    expect((await third.link())?.stats64.rx.packets, 'frames that the third host received').to.equal(0)
  })

  it('one direction can be denied alone', async () => {
    const [left, right] = hosts
    await hub.path('host1', 'host2').allow()
    expect(await left.ping(right, 3, 0.01, ...soon)).to.include({ received: 0 })
    expect((await right.link())?.stats64.rx.packets, 'requests for the address').to.be.above(0)
    expect((await left.link())?.stats64.rx.packets, 'answers').to.equal(0)
  })

  it('1000 changes under traffic lose nothing and leave nothing behind', async () => {
    const [left, right] = hosts
    const pair = hub.between('host1', 'host2')
    const held = () => ['fd', 'task'].map((kind) => readdirSync(`/proc/self/${kind}`).length)
    await pair.allow()
    expect(await left.ping(right, 1, 1)).to.include({ received: 1 })
    const before = held()

    let changes = 0
    while (changes < 1000) {
      const talk = { goesOn: true }
      const pings = left.ping(right, 500, 0.001).finally(() => (talk.goesOn = false))
      for (; talk.goesOn; changes++)
        await pair.allow({
          delay: `${changes % 5}ms`,
          rate: `${100 + (changes % 7)}Mbit`,
          queue: '10000 frames',
        })
      expect(await pings).to.include({ received: 500, duplicates: 0 })
    }

    await until(() => hub.stats().paths.every(({ waiting, inFlight }) => waiting + inFlight === 0n))
    for (const path of hub.stats().paths) {
      expectBalance(path, `${path.from} to ${path.to}`)
      expect(path.delivered).to.equal(path.offered)
    }
    expect(held(), 'descriptors and threads').to.deep.equal(before)
  })
})
