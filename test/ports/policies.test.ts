/** Policies of paths as kernel stacks meet them in real time. Early is a failure; how late is the benchmark's business. */
import { expect } from 'chai'
import { readdirSync } from 'node:fs'
import { Hub } from '../../lib/index.js'
import { closing, expectBalance, until } from '../helpers/fabric.js'
import { describeOnDevices, testFile } from '../helpers/kernel.js'
import { connect, soon, type Host } from '../helpers/network.js'

describeOnDevices('policies between kernel stacks', function () {
  this.timeout(120_000)
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

  it('delay 10 ms each way: the median round trip is at most 200 us longer, beyond what the machine adds', async () => {
    const [left, right, third] = hosts
    await hub.between('host1', 'host2').allow({ delay: '10ms' })
    await hub.between('host1', 'host3').allow()
    const rounds = 150
    const program = ['python3', testFile('ports/programs/rtt.py'), `${rounds}`, third.address, right.address]
    const lines = (await left.run(...program)).split('\n')
    const results = lines.map((line) => JSON.parse(line) as { late: number; near: number; far: number })
    for (const { far } of results) expect(far, 'microseconds').to.be.at.least(20_000)

    // What the machine adds: a round trip without a delay, and by how much a program that slept as long was later than
    // at its best.
    const best = Math.min(...results.map(({ late }) => late))
    const excess = results.map(({ late, near, far }) => far - 20_000 - near - (late - best))
    // Sign test: were the true median 200 us, half of the rounds would be above. A noisy machine makes it weaker, never
    // false: more than 4.5 standard deviations above half is chance once in 300,000 runs.
    const above = excess.filter((microseconds) => microseconds > 200).length
    const median = excess.sort((a, b) => a - b)[rounds / 2]
    expect(above, `rounds above, median ${median} us`).to.be.below(rounds / 2 + (4.5 * Math.sqrt(rounds)) / 2)
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
    expect(await left.ping(right, 3, 0.01, soon)).to.include({ received: 0 })
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
