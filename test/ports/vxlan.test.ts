/** VxlanPort beside the kernel's own vxlan devices, in hosts that a hub of ours joins by an Ethernet with an MTU of 1500. */
import { expect } from 'chai'
import { Hub, VxlanPort, type MemoryPort, type VxlanPortOptions } from '../../lib/index.js'
import { closing, dropped, join, receive } from '../helpers/fabric.js'
import { frame, isTestFrame, station, tagOf } from '../helpers/frames.js'
import { describeOnDevices, eventually, testFile } from '../helpers/kernel.js'
import { cable, connect, Host, type Sniffer } from '../helpers/network.js'

const udpPort = 4789
const ethernet = 14

describeOnDevices('VxlanPort and the vxlan devices of the kernel', function () {
  this.timeout(120_000)
  const close = closing()
  /** The machines. The first is ours: it has the socket of our ports, and no device. */
  let machines: Host[]
  let hub: Hub

  beforeEach(async () => {
    const below = close(new Hub())
    machines = await connect(below, close, 4, { ipv6: true })
    for (const { number, ip } of machines.map((host) => ({ number: host.number, ip: host.ip.bind(host) })))
      await ip('address', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad')
    hub = close(new Hub())
  })

  const address = (number: number, version: 4 | 6) => (version === 6 ? `fd00::${number}` : `10.0.0.${number}`)
  /** Makes the device `vxVNI` of a machine, with our machine as its only peer. */
  const device = async (host: Host, version: 4 | 6 = 4, vni = 42, ...words: string[]) => {
    const name = `vx${vni}`
    const [own, other] = [address(host.number, version), address(1, version)]
    await host.ip(
      ...['link', 'add', name, 'type', 'vxlan', 'id', `${vni}`, 'dstport', `${udpPort}`],
      ...['local', own, 'remote', other, 'dev', 'eth0', ...words],
    )
    await host.ip('address', 'add', `192.168.9.${host.number}/24`, 'dev', name)
    await host.ip('link', 'set', name, 'up')
    return name
  }
  const attach = (
    peers: readonly Host[],
    version: 4 | 6 = 4,
    options: Partial<VxlanPortOptions> = {},
    to = hub,
  ) =>
    to.attach(
      new VxlanPort({
        ...{ local: address(1, version), vni: 42, namespace: machines[0]!.namespace },
        peers: peers.map(({ number }) => address(number, version)),
        ...options,
      }),
    )
  /** A station behind our hub. */
  const guest = async () => {
    const host = close(await Host.create(9))
    await hub.attach(host.tap({ addresses: ['192.168.9.9/24'], mtu: 1450 }))
    return host
  }
  /** The test frames among what the sniffer has seen, up to `last`, by their tags. */
  const seen = async (sniffer: Sniffer, last: Uint8Array) =>
    (await sniffer.upTo(last)).map(({ bytes }) => tagOf(new Uint8Array(bytes)))

  for (const version of [4, 6] as const) {
    it(`S1: pings and TCP pass both ways, over IPv${version}`, async () => {
      const machine = machines[1]!
      const inside = await guest()
      const port = await attach([machine], version)
      await device(machine, version)
      for (const [from, to] of [
        [inside, '192.168.9.2'],
        [machine, '192.168.9.9'],
      ] as const) {
        const { sent, received, duplicates } = await from.ping(to, 50, 0)
        expect([received, duplicates]).to.deep.equal([sent, 0])
      }
      await transfer(inside, machine, '192.168.9.2')
      await transfer(machine, inside, '192.168.9.9')
      expect(dropped(port.stats().dropped)).to.deep.equal({})
      expect({ ...port.strays() }).to.deep.equal({ tooShort: 0n, withoutVni: 0n, unknownVni: 0n })
    })

    const fits = version === 4 ? 1450 : 1430
    it(`the longest packet that fits has ${fits} bytes over IPv${version}; one byte more is counted, and what fits is said`, async () => {
      const machine = machines[1]!
      const name = await device(machine, version)
      const far = await machine.sniff(name)
      const port = await attach([machine], version)
      const [reader] = await join(hub, 'reader')
      expect(port.innerMtu).to.equal(fits)
      expect((await machine.link(name))!.mtu, 'that of the kernel').to.equal(fits)
      const [longest, tooLong, last] = [
        frame({ tag: 1, length: fits + ethernet }),
        frame({ tag: 2, length: fits + ethernet + 1 }),
        frame({ tag: 3 }),
      ]
      reader.send([tooLong, longest, tooLong, last])
      expect(await seen(far, last)).to.deep.equal([1, 3])
      expect(dropped(port.stats().dropped)).to.deep.equal({ oversize: 2 })
      const [{ tooLong: counted, innerMtu, sent } = {} as never] = port.peerStats()
      expect([counted, innerMtu, sent.frames]).to.deep.equal([2n, fits, 2n])
      expect(port.advice('oversize')).to.equal(
        `IP packets of ${fits} bytes fit on the way to ${address(2, version)}: set the MTU of interfaces in the network to that, or that of the way to ${1500 + 1500 - fits} for packets of 1500 bytes`,
      )
      far.send(frame({ tag: 4, length: fits + ethernet, from: station(2) }))
      await receiveTag(reader, 4)
      // The way becomes wider, or narrower, while the port is there.
      await machines[0]!.ip('link', 'set', 'eth0', 'mtu', '1400')
      expect(port.innerMtu).to.equal(fits - 100)
    })

    it(`datagrams have ${version === 4 ? 'no' : 'a'} checksum over IPv${version} unless it is asked for otherwise, and come in either way`, async () => {
      const machine = machines[1]!
      const words = version === 4 ? ['noudpcsum'] : ['udp6zerocsumrx', 'udp6zerocsumtx']
      const name = await device(machine, version, 42, ...words)
      const [inner, outer] = [await machine.sniff(name), await machine.sniff('eth0')]
      const [reader] = await join(hub, 'reader')
      for (const checksum of [undefined, true, false]) {
        const port = await attach([machine], version, checksum === undefined ? {} : { checksum })
        const tagged = frame({ tag: 10 })
        reader.send(tagged)
        await inner.upTo(tagged)
        const header = version === 4 ? 20 : 40
        for (;;) {
          const { bytes } = await outer.next()
          const udp = ethernet + header
          if (bytes.length < udp + 8 + 8 + 60 || bytes.readUInt16BE(udp + 2) !== udpPort) continue
          if (!bytes.subarray(udp + 16).equals(tagged)) continue
          if (version === 4)
            expect(bytes.readUInt16BE(ethernet + 6) & 0x4000, "don't fragment").to.equal(0x4000)
          expect(bytes.readUInt16BE(udp + 6) !== 0).to.equal(checksum ?? version === 6)
          break
        }
        inner.send(frame({ tag: 11, from: station(2) }))
        await receiveTag(reader, 11)
        await hub.detach(port)
      }
    })
  }

  it('TCP passes over a veth pair, whose kernel leaves checksums undone, and frames uncut unless it is told', async () => {
    const [own, machine] = [close(await Host.create(5)), close(await Host.create(6))]
    await cable(own, machine, 'right')
    await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'right')
    const words = ['type', 'vxlan', 'id', '42', 'dstport', `${udpPort}`, 'local', machine.address]
    await machine.ip('link', 'add', 'vx42', ...words, 'remote', own.address, 'dev', 'right')
    await machine.ip('address', 'add', '192.168.9.6/24', 'dev', 'vx42')
    await machine.ip('link', 'set', 'vx42', 'up', 'gso_max_segs', '1')
    const inside = await guest()
    await attach([machine], 4, { local: own.address, namespace: own.namespace })
    await transfer(inside, machine, '192.168.9.6')
    await transfer(machine, inside, '192.168.9.9')
    expect(dropped(hub.ports.get('host9')!.stats().dropped)).to.deep.equal({})
  })

  it('nothing goes from peer to peer, floods go to all three, and what is learned to one', async () => {
    const others = machines.slice(1)
    const sniffers: Sniffer[] = []
    for (const machine of others) sniffers.push(await machine.sniff(await device(machine)))
    const port = await attach(others)
    const [reader] = await join(hub, 'reader')
    for (const [index, sniffer] of sniffers.entries()) {
      sniffer.send(frame({ tag: 10 + index, from: station(10 + index) }))
      sniffer.send(frame({ tag: 20 + index, from: station(10 + index), to: station(99) }))
      await receiveTag(reader, 20 + index)
    }
    const toOne = others.map((_, index) => frame({ tag: 30 + index, to: station(10 + index) }))
    const toAll = frame({ tag: 40 })
    reader.send([...toOne, toAll])
    for (const [index, sniffer] of sniffers.entries())
      expect(await seen(sniffer, toAll)).to.deep.equal([30 + index, 40])
    expect(port.peerStats().map(({ sent, received }) => [sent.frames, received.frames >= 2n])).to.deep.equal(
      others.map(() => [2n, true]),
    )
  })

  it('two networks on one socket do not hear each other', async () => {
    const machine = machines[1]!
    const sniffers = [
      await machine.sniff(await device(machine)),
      await machine.sniff(await device(machine, 4, 43)),
    ]
    const second = close(new Hub({ engine: hub.engine }))
    await attach([machine])
    await attach([machine], 4, { vni: 43 }, second)
    const readers = [(await join(hub, 'reader'))[0], (await join(second, 'reader'))[0]]
    for (const [index, sniffer] of sniffers.entries()) sniffer.send(frame({ tag: index, from: station(2) }))
    for (const [index, reader] of readers.entries()) {
      expect(await receiveTag(reader, index)).to.deep.equal([index])
      const own = frame({ tag: 10 + index })
      reader.send(own)
      expect(await seen(sniffers[index]!, own)).to.deep.equal([10 + index])
    }
  })

  it('peers come and go under traffic, one of them where nobody listens, and the ping of another loses nothing', async () => {
    const [, machine, silent, third] = machines as [Host, Host, Host, Host]
    await device(machine)
    const port = await attach([machine, silent])
    const inside = await guest()
    const state = { done: false }
    const pinging = inside.ping('192.168.9.2', 400, 0.002).finally(() => (state.done = true))
    const [reader] = await join(hub, 'reader')
    while (!state.done) {
      reader.send(frame()) // to all peers, so that the machine without a device says that nobody is there
      await port.setPeers([address(3, 4), address(2, 4), address(4, 4)])
      await port.setPeers([address(2, 4), address(3, 4)])
    }
    const { sent, received, duplicates } = await pinging
    expect([received, duplicates]).to.deep.equal([sent, 0])
    expect(port.state).to.equal('up')
    // What was none becomes one.
    const sniffer = await third.sniff(await device(third))
    await port.addPeer(address(4, 4))
    const last = frame({ tag: 77 })
    reader.send(last)
    expect((await seen(sniffer, last)).at(-1)).to.equal(77)
  })

  it("says so where a device of the kernel has the machine's UDP port, and takes it when that is gone", async () => {
    const [own, other] = machines as [Host, Host]
    const name = await device(own)
    const refused = await attach([other]).then(
      () => expect.fail('was not refused'),
      (error: unknown) => (error as Error).message,
    )
    expect(refused).to.equal(
      "UDP port 4789 of 10.0.0.1 is in use by another program or engine, or by a vxlan device of the kernel; end that ('ip -d link show type vxlan' lists the kernel's), or choose another 'udpPort' on all machines",
    )
    await own.ip('link', 'delete', name)
    const port = await eventually('the UDP port is free', () => attach([other]).catch(() => undefined))
    expect(port.state).to.equal('up')
  })
})

/** The tags of test frames that come to the reader, up to and with this one. Kernels send others by themselves. */
async function receiveTag(reader: MemoryPort, tag: number): Promise<number[]> {
  const found: number[] = []
  while (!found.includes(tag))
    found.push(...(await receive(reader, 1)).flatMap(({ bytes }) => (isTestFrame(bytes) ? tagOf(bytes) : [])))
  return found
}

/** Sends bytes over TCP to a host at this address; both ends agree about count and checksum. */
async function transfer(from: Host, to: Host, at: string): Promise<void> {
  const program = testFile('ports/programs/tcp.mjs')
  const receiver = to.start(process.execPath, program, 'receive', at)
  expect(await receiver.line()).to.equal('ready')
  const sender = from.start(process.execPath, program, 'send', at, '3000000')
  const [sent, received] = await Promise.all([sender.rest(), receiver.rest()])
  expect(JSON.parse(received)).to.deep.equal(JSON.parse(sent)).and.to.include({ bytes: 3_000_000 })
}
