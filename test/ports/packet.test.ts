/** PacketPort on veth interfaces: what it takes, what it leaves, what it repairs, every refusal, and its interface's end. */
import { expect } from 'chai'
import { once } from 'node:events'
import {
  Hub,
  MemoryPort,
  PacketPort,
  type EtherloomError,
  type FilterSource,
  type PacketPortOptions,
} from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, receive } from '../helpers/fabric.js'
import { frame, station } from '../helpers/frames.js'
import { describeOnDevices, eventually, lackOf } from '../helpers/kernel.js'
import { cable, Host, soon, startHub, transfer, type Link } from '../helpers/network.js'

describeOnDevices('PacketPort', function () {
  this.timeout(120_000)
  const close = closing()
  /** At the far end of the cable that ends as `left` in the namespace of `middle`. */
  let far: Host
  let middle: Host
  let hub: Hub

  beforeEach(async () => {
    far = close(await Host.create(1))
    middle = close(await Host.create(9))
    await cable(far, middle, 'left')
    hub = close(new Hub())
  })

  const attach = (options: Omit<PacketPortOptions, 'interface'> & { interface?: string } = {}) =>
    hub.attach(new PacketPort({ interface: 'left', namespace: middle.namespace, ...options }))

  /** Joins the interface and a reader; what the interface brings is read there. */
  async function listen(options: Omit<PacketPortOptions, 'interface'> = {}): Promise<MemoryPort> {
    await attach(options)
    return hub.attach(new MemoryPort({ name: 'reader' }))
  }

  describe('takes', () => {
    const [fromFar, fromHere] = [frame({ from: station(1), tag: 1 }), frame({ from: station(2), tag: 2 })]

    for (const { direction, first, second, taken } of [
      { direction: 'in', first: fromHere, second: fromFar, taken: [1] },
      { direction: 'out', first: fromFar, second: fromHere, taken: [2] },
      { direction: 'both', first: fromHere, second: fromFar, taken: [2, 1] },
    ] as const) {
      it(`${direction === 'both' ? 'both' : `what goes ${direction}`} with the direction '${direction}'`, async () => {
        const reader = await listen({ direction })
        const ends = {
          [frameKey(fromFar)]: await far.sniff(),
          [frameKey(fromHere)]: await middle.sniff('left'),
        }
        const [one, other] = [ends[frameKey(first)]!, ends[frameKey(second)]!]
        one.send(first)
        await other.upTo(first) // so the port has met it too
        other.send(second)
        expect((await receive(reader, taken.length)).map(({ tag }) => tag)).to.deep.equal(taken)
      })
    }

    for (const [form, filter] of [
      ['expression', `ether src ${station(2)}`],
      ['match object', { sourceMac: station(2) }],
    ] satisfies [string, FilterSource][]) {
      it(`what its receive filter lets pass, given as ${form}`, async () => {
        const reader = await listen({ filter })
        const sender = await far.sniff()
        for (const tag of [1, 2, 1, 2]) sender.send(frame({ from: station(tag), tag }))
        expect((await receive(reader, 2)).map(({ tag }) => tag)).to.deep.equal([2, 2])
        const { received } = hub.port('left').stats()
        expect(received.frames, 'the kernel kept the others').to.equal(2n)
      })
    }

    it('what is addressed to others, unless told not to ask for it', async () => {
      for (const promiscuous of [true, false]) {
        const port = await attach({ promiscuous })
        expect((await middle.link('left'))?.promiscuity).to.equal(promiscuous ? 1 : 0)
        await hub.detach(port)
        expect((await middle.link('left'))?.promiscuity).to.equal(0)
      }
    })
  })

  it('keeps VLAN tags, either way', async () => {
    const reader = await listen()
    const sniffer = await far.sniff()
    const coming = [
      frame({ vlan: 5, tag: 1 }),
      frame({ vlan: 4094, tag: 2, length: 1518 }),
      frame({ tag: 3 }),
    ]
    for (const each of coming) sniffer.send(each)
    expect((await receive(reader, 3)).map(({ bytes }) => Buffer.from(bytes))).to.deep.equal(
      coming.map((bytes) => Buffer.from(bytes)),
    )

    const going = coming.map((bytes) => Buffer.from(bytes)).map((bytes) => bytes.fill(6, 40))
    expect(reader.send(going)).to.equal(3)
    expect(await sniffer.upTo(going.at(-1)!)).to.deep.equal(
      going.map((bytes) => ({ direction: 'in', bytes })),
    )
  })

  it('never takes what it sent itself', async () => {
    const reader = await listen({ direction: 'both' })
    const sniffer = await far.sniff()
    const own = Buffer.from(frame({ from: station(7), tag: 7 }))
    reader.send(own)
    expect(await sniffer.upTo(own)).to.have.length(1)
    sniffer.send(frame({ from: station(1), tag: 1 }))
    expect((await receive(reader, 1)).map(({ tag }) => tag)).to.deep.equal([1])
  })

  it('says how it receives, and receives as told', async () => {
    expect(new PacketPort({ interface: 'left' }).method).to.equal(undefined)
    for (const method of ['calls', 'ring', undefined] as const) {
      const port = await attach({ ...(method && { method }) })
      expect(port.method).to.equal(method ?? 'ring')
      await hub.detach(port)
      expect(port.method).to.equal(undefined)
    }
  })

  describe('joins kernel stacks', () => {
    let right: Host

    beforeEach(async () => {
      right = close(await Host.create(2))
    })

    for (const method of ['ring', 'calls'] as const) {
      it(`whose interfaces leave checksums and segments undone: 100 MB of TCP, unchanged (${method})`, async () => {
        await cable(right, middle, 'right')
        await attach({ method })
        await attach({ method, interface: 'right' })
        await transfer(far, right, 100_000_000)
        const [taken, given] = [hub.port('left').stats(), hub.port('right').stats()]
        expect(taken.dropped).to.include({ 'bad-offload': 0n, oversize: 0n, 'no-buffer': 0n })
        expect(given.dropped).to.include({ 'bad-offload': 0n, oversize: 0n })
        const [seen] = await right.ip<Link[]>('link', 'show', 'eth0')
        const segments = BigInt(Math.ceil(100_000_000 / 1448))
        expect(given.transmitted.frames >= segments, 'segments are counted').to.equal(true)
        expect(seen!.stats64.rx.packets, 'they arrived joined').to.be.lessThan(Number(segments) / 2)
      })
    }

    it('without holding a frame back until another comes: each ping waits for the answer to the one before', async () => {
      await cable(right, middle, 'right')
      await attach()
      await attach({ interface: 'right' })
      expect(await far.ping(right, 200, Infinity)).to.include({ received: 200, duplicates: 0 })
    })

    it('with those on TAPs, both ways', async () => {
      await attach()
      await hub.attach(right.tap())
      await transfer(far, right, 20_000_000)
      await transfer(right, far, 20_000_000)
      expect(await far.ping(right, 100, 0.002)).to.include({ received: 100, duplicates: 0 })
    })

    it('also while its interface is renamed', async () => {
      const port = await attach()
      await hub.attach(right.tap())
      const pings = far.ping(right, 500, 0.002)
      await middle.ip('link', 'set', 'left', 'name', 'moved')
      expect(await pings).to.include({ received: 500, duplicates: 0 })
      expect(port.state).to.equal('up')
    })

    it('also after its interface was down for a while', async () => {
      const port = await attach()
      await hub.attach(right.tap())
      await middle.ip('link', 'set', 'left', 'down')
      expect(await far.ping(right, 1, 1, soon)).to.include({ received: 0 })
      await middle.ip('link', 'set', 'left', 'up')
      expect(await far.ping(right, 20, 0.002)).to.include({ received: 20 })
      expect(port.state).to.equal('up')
    })

    it('and goes down with its interface, disturbs nobody, and returns with its policies', async () => {
      const third = close(await Host.create(3))
      const port = await attach()
      await hub.attach(right.tap())
      await hub.attach(third.tap())
      await hub.between('left', 'host3').deny()
      const pings = right.ping(third, 500, 0.002)

      const down = once(hub, 'port:down')
      await middle.ip('link', 'delete', 'left')
      const [event] = (await down) as [{ port: PacketPort; error: EtherloomError }]
      expect(event.port).to.equal(port)
      expect(event.error.code).to.equal('ERR_ETHERLOOM_DEVICE')
      expect(port.state).to.equal('down')

      const up = once(hub, 'port:up')
      await cable(far, middle, 'left')
      await up
      expect(await pings).to.include({ received: 500, duplicates: 0 })
      expect(await far.ping(right, 5, 0.002)).to.include({ received: 5 })
      expect(await far.ping(third, 2, 0.002, soon)).to.include({ received: 0 })
    })
  })

  for (const [end, command] of [
    ['goes', () => ['delete', 'left']],
    ['is moved to another namespace', () => ['set', 'left', 'netns', far.namespace.path]],
  ] satisfies [string, () => string[]][]) {
    it(`goes down when its interface ${end}, though nothing is sent to it, and hears what comes when it is back`, async () => {
      const reader = await listen()
      const down = once(hub, 'port:down')
      await middle.ip('link', ...command())
      await down
      const up = once(hub, 'port:up')
      if (end === 'goes') await cable(far, middle, 'left')
      else await far.ip('link', 'set', 'left', 'netns', middle.namespace.path)
      await up
      await middle.ip('link', 'set', 'left', 'up')
      const sniffer = await far.sniff()
      sniffer.send(frame({ tag: 4 }))
      expect((await receive(reader, 1)).map(({ tag }) => tag)).to.deep.equal([4])
    })
  }

  it('follows the MTU of its interface', async () => {
    const port = await attach()
    const reader = await hub.attach(new MemoryPort({ name: 'reader', frameLimit: 9100 }))
    const sniffer = await far.sniff()
    await middle.ip('link', 'set', 'left', 'mtu', '9000')
    await far.ip('link', 'set', 'eth0', 'mtu', '9000')
    await eventually('its MTU is known', () => port.mtu === 9000)
    await hub.configure(port, {})
    sniffer.send(frame({ tag: 1, length: 9014 }))
    expect((await receive(reader, 1)).map(({ bytes }) => bytes.length)).to.deep.equal([9014])
    const back = frame({ tag: 2, length: 9014 })
    reader.send(back)
    expect(await sniffer.upTo(back)).to.have.length(1)
  })

  describe('refuses', () => {
    it('an interface that does not exist, and names the nearest', async () => {
      const error = await refusal(attach({ interface: 'lefd' }))
      expect(error.code).to.equal('ERR_ETHERLOOM_DEVICE')
      expect(error.message).to.match(/no interface lefd.*nearest.* left/)
    })

    it('without CAP_NET_RAW, and names it', async () => {
      const answer = await startHub([{ packet: { interface: 'left' } }], {
        before: ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'],
        host: middle,
      })
      expect(answer.code).to.equal('ERR_ETHERLOOM_PRIVILEGE')
      expect(answer.message).to.match(lackOf('CAP_NET_RAW'))
    })
  })
})

const frameKey = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
