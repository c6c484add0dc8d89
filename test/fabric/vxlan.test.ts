/** VxlanPort: one network with many peers, beside others on one socket. The peers here are sockets of Node.js. */
import { expect } from 'chai'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Engine, Hub, Switch, VxlanPort, type MemoryPort, type VxlanPortOptions } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, expectBalance, join, receive, tags, until } from '../helpers/fabric.js'
import { broadcast, frame, numbered, station, tagOf } from '../helpers/frames.js'
import { encapsulate, loopback, TestPeer } from '../helpers/vxlan.js'

const udpPort = 4789
const local = loopback(1)

describe('VxlanPort', function () {
  this.timeout(60_000)
  const closes = closing()
  const makeHub = (engine?: Engine) => closes(new Hub({ engine: engine ?? { memory: '16MiB' } }))
  const open = async (number: number) => closes(await TestPeer.open(loopback(number), udpPort))
  const peersOf = async (count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => open(2 + index)))
  const attach = (hub: Hub | Switch, peers: readonly TestPeer[], options: Partial<VxlanPortOptions> = {}) =>
    hub.attach(new VxlanPort({ local, vni: 42, peers: peers.map(({ ip }) => ip), ...options }))
  /** What the peer has heard, once it is so many frames; then it has heard nothing. */
  const hears = async (peer: TestPeer, count: number) => {
    await until(() => peer.heard.length >= count)
    return peer.heard.splice(0)
  }
  const tagsOf = (heard: { frame: Uint8Array }[]) => heard.map(({ frame }) => tagOf(frame))

  it('sends and receives frames behind the header of RFC 7348, from a source port of 49152 to 65535', async () => {
    const hub = makeHub()
    const [peer] = await peersOf(1)
    const [reader] = await join(hub, 'reader')
    const port = await attach(hub, [peer!], { vni: 0xabcdef })
    const frames = Array.from({ length: 100 }, (_, tag) => frame({ tag, length: 60 + ((tag * 37) % 1455) }))
    reader.send(frames)
    const heard = await hears(peer!, 100)
    expect(heard.map((each) => each.frame)).to.deep.equal(frames)
    for (const { flags, vni, reserved, port: from } of heard) {
      expect([flags, vni, reserved]).to.deep.equal([0x08000000, 0xabcdef, 0])
      expect(from).to.be.within(49_152, 65_535).and.to.equal(heard[0]!.port)
    }
    for (const each of frames) peer!.send(local, each, { vni: 0xabcdef })
    expect((await receive(reader, 100)).map(({ bytes }) => bytes)).to.deep.equal(frames)
    expect(dropped(port.stats().dropped)).to.deep.equal({})
    expect([port.stats().received.frames, port.local]).to.deep.equal([100n, `${local}:4789`])
  })

  it('ignores reserved bits, and counts what is short, has no identifier, or is of another network or sender', async () => {
    const hub = makeHub()
    const [peer, stranger] = await peersOf(2)
    const [reader] = await join(hub, 'reader')
    const port = await attach(hub, [peer!])
    peer!.send(local, frame({ tag: 1 }), { vni: 42, flags: 0xffffffff, reserved: 0xff })
    peer!.sendBytes(local, Buffer.alloc(0))
    peer!.sendBytes(local, Buffer.from('08000000', 'hex'))
    peer!.sendBytes(local, encapsulate(frame(), { vni: 42 }).subarray(0, 7))
    peer!.send(local, frame(), { vni: 42, flags: 0xf7ffffff })
    peer!.send(local, frame(), { vni: 43 })
    peer!.send(local, new Uint8Array(0), { vni: 42 })
    peer!.send(local, new Uint8Array(13), { vni: 42 })
    stranger!.send(local, frame({ tag: 2 }), { vni: 42 })
    peer!.send(local, frame({ tag: 3 }), { vni: 42 })
    expect((await receive(reader, 2)).map(({ tag }) => tag)).to.deep.equal([1, 3])
    expect(dropped(port.stats().dropped)).to.deep.equal({ runt: 2, 'wrong-peer': 1 })
    expect({ ...port.strays() }).to.deep.equal({ tooShort: 3n, withoutVni: 1n, unknownVni: 1n })
  })

  it('gives each peer a copy of what is for nobody in particular, and nothing from one peer to another', async () => {
    const hub = makeHub()
    const peers = await peersOf(3)
    const [one, two] = await join(hub, 'one', 'two')
    const port = await attach(hub, peers)
    one.send(numbered(50))
    for (const peer of peers) expect(tagsOf(await hears(peer, 50))).to.deep.equal(numbered(50).map(tagOf))
    expect(tags(two)).to.have.length(50)
    expect(port.stats().transmitted.frames, 'a frame counts once, however many copies it became').to.equal(
      50n,
    )

    peers[1]!.send(local, frame({ tag: 99 }), { vni: 42 })
    peers[1]!.send(local, frame({ tag: 98, to: station(77) }), { vni: 42 })
    for (const reader of [one, two])
      expect((await receive(reader, 2)).map(({ tag }) => tag)).to.deep.equal([99, 98])
    one.send(frame({ tag: 100 }))
    for (const peer of peers) expect(tagsOf(await hears(peer, 1))).to.deep.equal([100])
    expect(
      port.peerStats().map(({ peer, sent, received }) => [peer, sent.frames, received.frames]),
    ).to.deep.equal(peers.map(({ ip }, index) => [ip, 51n, index === 1 ? 2n : 0n]))
  })

  for (const ageing of ['300s', '0s'] as const)
    it(`learns behind which peer an address is, and where it has moved; 0s learns nothing (${ageing})`, async () => {
      const hub = makeHub()
      const peers = await peersOf(3)
      const [reader] = await join(hub, 'reader')
      const port = await attach(hub, peers, { ageing })
      const said = async (peer: TestPeer, tag: number) => {
        peer.send(local, frame({ tag, from: station(5) }), { vni: 42 })
        expect((await receive(reader, 1))[0]!.tag).to.equal(tag)
      }
      /** To the station, then to all, so that each peer has heard all that it will. */
      const heard = async (tag: number) => {
        reader.send([frame({ tag, to: station(5) }), frame({ tag: tag + 1 })])
        await until(() => peers.every((peer) => tagsOf(peer.heard).includes(tag + 1)))
        return peers.map((peer) => tagsOf(peer.heard.splice(0)).includes(tag))
      }
      expect(await heard(10), 'not yet').to.deep.equal([true, true, true])
      await said(peers[0]!, 20)
      expect(await heard(30)).to.deep.equal(ageing === '0s' ? [true, true, true] : [true, false, false])
      await said(peers[2]!, 40)
      expect(await heard(50)).to.deep.equal(ageing === '0s' ? [true, true, true] : [false, false, true])
      expect(port.peerStats().map(({ addresses }) => addresses.map(({ address }) => address))).to.deep.equal(
        ageing === '0s' ? [[], [], []] : [[], [], [station(5)]],
      )
    })

  it('forgets addresses that are silent, and has a peer that floods it evict its own', async () => {
    const hub = makeHub()
    const peers = await peersOf(2)
    const [reader] = await join(hub, 'reader')
    const port = await attach(hub, peers, { addresses: 8 })
    peers[0]!.send(local, frame({ from: station(1) }), { vni: 42 })
    for (let number = 100; number < 200; number++)
      peers[1]!.send(local, frame({ from: station(number) }), { vni: 42 })
    await receive(reader, 101)
    const [first, second] = port.peerStats()
    expect(first!.addresses.map(({ address }) => address)).to.deep.equal([station(1)])
    expect(second!.addresses).to.have.length(7)
    await hub.detach(port)
    const short = await attach(hub, peers, { ageing: '20ms' })
    peers[0]!.send(local, frame({ from: station(1) }), { vni: 42 })
    await receive(reader, 1)
    await until(() => short.peerStats().every(({ addresses }) => addresses.length === 0))
  })

  it('shares one socket with other networks, which hear nothing of it', async () => {
    const engine = closes(new Engine({ workers: 2, memory: '16MiB' }))
    const peer = await open(2)
    const hubs = [1, 2, 3].map(() => makeHub(engine))
    const readers: MemoryPort[] = []
    const ports: VxlanPort[] = []
    for (const [index, hub] of hubs.entries()) {
      readers.push((await join(hub, 'reader'))[0])
      ports.push(await attach(hub, [peer], { vni: index }))
    }
    for (let tag = 0; tag < 300; tag++) peer.send(local, frame({ tag }), { vni: tag % 3 })
    for (const [index, reader] of readers.entries())
      expect((await receive(reader, 100)).map(({ tag }) => tag % 3)).to.deep.equal(Array(100).fill(index))
    for (const [index, reader] of readers.entries()) reader.send(numbered(10, { length: 60 + index }))
    const heard = await hears(peer, 30)
    for (const { vni, frame } of heard) expect(frame.length).to.equal(60 + vni)
    expect(new Set(heard.map(({ port }) => port)).size, 'source ports').to.equal(3)

    await hubs[1]!.detach(ports[1]!)
    peer.send(local, frame(), { vni: 1 })
    peer.send(local, frame({ tag: 5 }), { vni: 2 })
    expect((await receive(readers[2]!, 1))[0]!.tag).to.equal(5)
    expect(ports[0]!.strays().unknownVni).to.equal(1n)
  })

  it('refuses a network twice at one address, and an address that others have, and gives it up with the last port', async () => {
    const engine = closes(new Engine({ memory: '16MiB' }))
    const [hub, other] = [makeHub(engine), makeHub(engine)]
    const port = await attach(hub, [])
    const twice = await refusal(() => attach(other, []))
    expect(twice.code).to.equal('ERR_ETHERLOOM_STATE')
    expect(twice.message).to.match(
      /^VNI 42 at \S+:4789 is that of port 'vxlan0' of '\S+' already; give each port there a VNI of its own, or that port more peers$/,
    )
    const inUse = await refusal(() => attach(makeHub(), []))
    expect([inUse.code, inUse.syscall]).to.deep.equal(['ERR_ETHERLOOM_DEVICE', 'bind'])
    expect(inUse.message).to.contain(
      `UDP port 4789 of ${local} is in use by another program or engine, or by a vxlan`,
    )
    expect([...other.ports]).to.deep.equal([])
    await hub.detach(port)
    const free = createSocket('udp4')
    free.bind(udpPort, local)
    await once(free, 'listening')
    await new Promise<void>((resolve) => free.close(resolve))
    // Another network, while the last of the socket leaves.
    const leaving = hub.detach(await attach(hub, []))
    const another = await attach(other, [], { vni: 43 })
    await leaving
    expect(another.state).to.equal('up')
    expect((await attach(hub, [])).state).to.equal('up')
  })

  it('has other peers while frames pass, and those that stay lose nothing', async () => {
    const hub = makeHub()
    const [stays, goes, comes] = await peersOf(3)
    const [reader] = await join(hub, 'reader')
    const port = await attach(hub, [stays!, goes!])
    goes!.send(local, frame({ tag: 1, from: station(9) }), { vni: 42 })
    await receive(reader, 1)
    let tag = 100
    for (let round = 0; round < 20; round++) {
      const changes = [port.setPeers([stays!.ip, comes!.ip]), port.setPeers([goes!.ip, stays!.ip])]
      for (let count = 0; count < 20; count++) {
        stays!.send(local, frame({ tag }), { vni: 42 })
        reader.send(frame({ tag: tag++ }))
      }
      await Promise.all(changes)
    }
    expect(tagsOf(await hears(stays!, 400))).to.deep.equal(Array.from({ length: 400 }, (_, at) => 100 + at))
    expect((await receive(reader, 400)).map((each) => each.tag)).to.deep.equal(
      Array.from({ length: 400 }, (_, at) => 100 + at),
    )
    expect(port.peerStats().find(({ peer }) => peer === stays!.ip)!.received.frames).to.equal(400n)

    await port.removePeer(goes!.ip)
    goes!.heard.length = 0
    goes!.send(local, frame(), { vni: 42 })
    await until(() => port.stats().dropped['wrong-peer'] === 1n)
    reader.send(frame({ tag: 5, to: station(9) })) // learned behind who is gone
    await until(() => tagsOf(stays!.heard).includes(5))
    expect(port.peers).to.deep.equal([stays!.ip])
    expect(goes!.heard).to.deep.equal([])
    await port.addPeer(comes!.ip)
    comes!.heard.length = 0
    reader.send(frame({ tag: 6 }))
    expect(tagsOf(await hears(comes!, 1))).to.deep.equal([6])
  })

  it('drops as unreachable without peers; a peer that nobody is at is in nobody’s way', async () => {
    const hub = makeHub()
    const [peer] = await peersOf(1)
    const [reader] = await join(hub, 'reader')
    const port = await attach(hub, [])
    reader.send(frame())
    await until(() => port.stats().dropped.unreachable === 1n)
    // At the first nobody listens; to the second, of a network for documentation, a socket of loopback has no way.
    const nobody = ['203.0.113.1', loopback(9)]
    await port.setPeers([...nobody, peer!.ip])
    const frames = numbered(200)
    for (const each of frames) {
      reader.send(each)
      peer!.send(local, each, { vni: 42 })
    }
    expect(tagsOf(await hears(peer!, 200))).to.deep.equal(frames.map(tagOf))
    expect(await receive(reader, 200)).to.have.length(200)
    expect([port.state, port.stats().transmitted.frames]).to.deep.equal(['up', 200n])
    expect(dropped(port.stats().dropped)).to.deep.equal({ unreachable: 1 })
  })

  it('lets one flood of a turn be no more copies than a turn takes, and keeps its sums', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const port = await attach(hub, [], {
      peers: Array.from({ length: 256 }, (_, index) => `127.1.${index}.1`),
    })
    reader.send(numbered(500))
    const all = () => port.stats().transmitted.frames + port.stats().dropped['port-full']
    await until(() => all() === 500n)
    const { transmitted, dropped: lost } = port.stats()
    expect(dropped(lost)).to.have.all.keys('port-full')
    expect(transmitted.frames > 0n).to.be.true
  })

  it('is a port of a wire and of a switch as well, and refuses a virtual clock', async () => {
    const [peer] = await peersOf(1)
    const lan = closes(new Switch({ engine: { memory: '16MiB' } }))
    const [near, far] = await join(lan, 'near', 'far')
    const port = await attach(lan, [peer!])
    peer!.send(local, frame({ tag: 1, from: station(1) }), { vni: 42 })
    await receive(near, 1)
    await receive(far, 1)
    near.send(frame({ tag: 2, from: station(2), to: station(1) }))
    expect(tagsOf(await hears(peer!, 1))).to.deep.equal([2])
    expect(tags(far)).to.deep.equal([])
    expectBalance(lan.path(near, port).stats(), 'near > vxlan')
    const virtual = closes(new Hub({ engine: { clock: 'virtual' } }))
    expect((await refusal(() => attach(virtual, []))).message).to.contain('keeps no virtual clock')
  })

  it('refuses addresses that no peer can have, and takes each once', async () => {
    const wrong: [object, string][] = [
      [{ local: 'localhost' }, "option 'local' of VxlanPort must be an IPv4 or IPv6 address"],
      [{ local: '239.1.1.1' }, "option 'local' of VxlanPort must be an address of this machine"],
      [{ vni: 1 << 24 }, "option 'vni' of VxlanPort must be a whole number from 0 to 16777215"],
      ...[local, '::1', '224.0.0.1', '255.255.255.255', '0.0.0.0'].map((peer): [object, string] => [
        { peers: ['127.0.0.9', peer] },
        `option 'peers' of VxlanPort must be different IPv4 addresses of other machines, as 'local' is one of IPv4, not '${peer}'`,
      ]),
      [{ peers: ['10.0.0.1', '10.0.0.1'] }, "option 'peers' of VxlanPort must be different"],
      [{ local: 'fd00::1', peers: ['fd00::2', 'fd00:0::2'] }, 'must be different IPv6 addresses'],
      [{ local: 'fd00::1', peers: ['fe80::2'] }, 'must be different IPv6 addresses of other machines'],
      [{ local: '::ffff:10.0.0.1' }, 'must be an address of this machine'],
      [{ udpPort: 0 }, "option 'udpPort' of VxlanPort must be a whole number from 1 to 65535"],
      [{ peer: [] }, "did you mean 'peers'"],
    ]
    for (const [options, message] of wrong)
      expect((await refusal(() => new VxlanPort({ local, vni: 1, ...options }))).message).to.contain(message)
    const port = new VxlanPort({ local, vni: 1 })
    expect((await refusal(() => port.addPeer(broadcast))).message).to.contain(
      "what 'addPeer' is given must be",
    )
    await port.addPeer('10.0.0.1')
    await port.addPeer('10.0.0.1')
    expect(port.peers).to.deep.equal(['10.0.0.1'])
  })
})
