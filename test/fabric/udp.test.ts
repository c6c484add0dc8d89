/** UdpPort: one frame per datagram, from the one peer it has. */
import { expect } from 'chai'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Engine, Hub, UdpPort, type UdpPortOptions } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, receive, until } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'

/** What OpenVPN sends to keep a connection alive. */
const ping = Buffer.from('2a187bf3641eb4cb07ed2d0a981fc748', 'hex')

describe('UdpPort', function () {
  this.timeout(60_000)
  const closes = closing()
  const makeHub = () => closes(new Hub({ engine: { memory: '16MiB' } }))
  /** Another program's socket. */
  const open = async (host: string): Promise<Socket> => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    closes({
      close: () => {
        socket.close()
      },
    })
    socket.bind(0, host)
    await once(socket, 'listening')
    return socket
  }
  const text = (socket: Socket) => {
    const { address, port } = socket.address()
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  }
  const portOf = (udp: UdpPort) => Number(/\d+$/.exec(udp.local ?? '')?.[0])

  for (const host of ['127.0.0.1', '::1']) {
    const local = host === '::1' ? '[::1]:0' : '127.0.0.1:0'

    it(`S3: two ports carry frames of 60 to 1514 bytes unchanged between two peers (${host})`, async () => {
      const hub = makeHub()
      const [one, two, stranger] = [await open(host), await open(host), await open(host)]
      const left = await hub.attach(new UdpPort({ local, remote: text(one), name: 'left' }))
      const right = await hub.attach(new UdpPort({ local, remote: text(two), name: 'right' }))
      const frames = Array.from({ length: 100 }, (_, tag) => frame({ tag, length: 60 + ((tag * 37) % 1455) }))
      for (const bytes of [frames[0]!, frame({ tag: 1514, length: 1514 }), ...frames]) {
        const heard = once(two, 'message')
        one.send(bytes, portOf(left), host)
        const [message, from] = (await heard) as [Buffer, { port: number }]
        expect(new Uint8Array(message)).to.deep.equal(bytes)
        expect(from.port).to.equal(portOf(right))
      }
      one.send(ping, portOf(left), host)
      one.send(new Uint8Array(4), portOf(left), host)
      stranger.send(frame(), portOf(left), host)
      await until(() => left.stats().dropped['wrong-peer'] === 1n)
      expect(dropped(left.stats().dropped)).to.deep.equal({ 'wrong-peer': 1, 'no-frame': 1, runt: 1 })
      expect(left.stats().received.frames).to.equal(102n)
    })
  }

  it('learns its peer from the first frame, and is deaf to others from then on', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const [first, other] = [await open('127.0.0.1'), await open('127.0.0.1')]
    const udp = await hub.attach(new UdpPort({ local: '127.0.0.1:0' }))
    reader.send(frame())
    await until(() => udp.stats().dropped['port-down'] === 1n)
    other.send(new Uint8Array(4), portOf(udp)) // no frame, so it makes nobody the peer
    await until(() => udp.stats().dropped['wrong-peer'] === 1n)
    first.send(frame({ tag: 1 }), portOf(udp))
    expect((await receive(reader, 1))[0]!.tag).to.equal(1)
    other.send(frame({ tag: 2 }), portOf(udp))
    await until(() => udp.stats().dropped['wrong-peer'] === 2n)
    const heard = once(first, 'message')
    reader.send(frame({ tag: 3 }))
    expect(new Uint8Array((await heard)[0] as Buffer)).to.deep.equal(frame({ tag: 3 }))
  })

  it('discards the greeting of vfkit, and takes its sender for the peer', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const peer = await open('127.0.0.1')
    const udp = await hub.attach(new UdpPort({ local: '127.0.0.1:0' }))
    peer.send('VFKT', portOf(udp))
    peer.send(frame({ tag: 1 }), portOf(udp))
    expect((await receive(reader, 1)).map(({ tag }) => tag)).to.deep.equal([1])
    expect(dropped(udp.stats().dropped)).to.deep.equal({})
  })

  it('fills what it sends up to 60 bytes where that is asked for', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const peer = await open('127.0.0.1')
    for (const pad of [true, false]) {
      const udp = await hub.attach(new UdpPort({ local: '127.0.0.1:0', remote: text(peer), pad }))
      for (const length of [42, 59, 60, 61]) {
        const heard = once(peer, 'message')
        const sent = frame({ length, tag: length })
        reader.send(sent)
        const message = new Uint8Array((await heard)[0] as Buffer)
        expect(message).to.deep.equal(
          Uint8Array.from([...sent, ...Array<number>(pad ? Math.max(0, 60 - length) : 0).fill(0)]),
        )
      }
      await hub.detach(udp)
    }
  })

  it('is one of any number of members of a multicast group, and does not hear itself', async () => {
    const group = '239.255.77.77'
    const other = createSocket({ type: 'udp4', reuseAddr: true })
    closes({
      close: () => {
        other.close()
      },
    })
    other.bind(0, group)
    await once(other, 'listening')
    const { port } = other.address()
    other.addMembership(group, '127.0.0.1')
    other.setMulticastInterface('127.0.0.1')

    const hubs = [makeHub(), makeHub()] as const
    const readers = [(await join(hubs[0], 'reader'))[0], (await join(hubs[1], 'reader'))[0]] as const
    const members: UdpPort[] = []
    for (const hub of hubs)
      members.push(await hub.attach(new UdpPort({ local: `${group}:${port}`, interface: 'lo' })))
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const heard = once(other, 'message')
      readers[from].send(frame({ tag: from }))
      expect((await receive(readers[to], 1)).map(({ tag }) => tag)).to.deep.equal([from])
      expect(new Uint8Array((await heard)[0] as Buffer)).to.deep.equal(frame({ tag: from }))
    }
    other.send(frame({ tag: 7 }), port, group)
    for (const reader of readers) expect((await receive(reader, 1))[0]!.tag).to.equal(7)
    for (const member of members) {
      expect(member.stats().received.frames).to.equal(2n)
      expect(dropped(member.stats().dropped)).to.deep.equal({})
    }
  })

  it('stays up when nobody is at the address of its peer', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const peer = createSocket('udp4')
    peer.bind(0, '127.0.0.1')
    await once(peer, 'listening')
    const remote = text(peer)
    const { port } = peer.address()
    peer.close()
    const udp = await hub.attach(new UdpPort({ local: '127.0.0.1:0', remote }))
    reader.send(numbered(100))
    await until(() => udp.stats().transmitted.frames === 100n)
    expect(udp.state).to.equal('up')
    const back = createSocket('udp4')
    closes({
      close: () => {
        back.close()
      },
    })
    back.bind(port, '127.0.0.1')
    const heard = once(back, 'message')
    await once(back, 'listening')
    reader.send(frame({ tag: 3 }))
    await heard
  })

  it('drops what is longer than it takes, both ways', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const peer = await open('127.0.0.1')
    const udp = await hub.attach(new UdpPort({ local: '127.0.0.1:0', remote: text(peer), frameLimit: 100 }))
    peer.send(frame({ length: 101 }), portOf(udp))
    peer.send(frame({ length: 5000 }), portOf(udp))
    reader.send(frame({ length: 101 }))
    await until(() => udp.stats().dropped.oversize === 3n)
  })

  it('keeps the connection alive while there is nothing to send', async () => {
    const hub = makeHub()
    const peer = await open('127.0.0.1')
    await hub.attach(new UdpPort({ local: '127.0.0.1:0', remote: text(peer), keepAlive: '1s' }))
    const [message] = (await once(peer, 'message')) as [Buffer]
    expect(message).to.deep.equal(ping)
  })

  it('refuses what cannot be', async () => {
    const messages: [object, string][] = [
      [{}, "option 'local' of UdpPort is required"],
      [{ local: '/run/x' }, "must be an address with a port such as '127.0.0.1:5000' or '[::1]:5000'"],
      [{ local: '127.0.0.1:1', remote: '[::1]:2' }, "must be an IPv4 address, as 'local' is"],
      [{ local: '127.0.0.1:1', remote: '127.0.0.1:0' }, 'an address with a port above 0'],
      [{ local: '127.0.0.1:1', remote: '239.1.1.1:2' }, "the address of a group is given as 'local'"],
      [{ local: '239.1.1.1:0' }, 'a group with a port above 0'],
      [{ local: '239.1.1.1:1', remote: '127.0.0.1:2' }, "'remote' of UdpPort must be given without"],
      [{ local: '127.0.0.1:1', interface: 'lo' }, "'interface' of UdpPort must be given only with"],
      [{ local: '127.0.0.1:1', keepAlive: '10ms' }, "must be from 1s to 1h, such as '10s'"],
    ]
    for (const [options, message] of messages)
      expect((await refusal(() => new UdpPort(options as UdpPortOptions))).message).to.contain(message)
    const virtual = closes(new Engine({ clock: 'virtual' }))
    const error = await refusal(new Hub({ engine: virtual }).attach(new UdpPort({ local: '127.0.0.1:0' })))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
  })
})
