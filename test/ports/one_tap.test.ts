/**
 * One TAP on which several unmodified programs have packet sockets, and its own host: how many copies of a frame each
 * hears. What etherloom gives, with writeback and with a host port, beside what there was without it.
 */
import { expect } from 'chai'
import { Hub, Switch, TapPort, type TapPortOptions } from '../../lib/index.js'
import { buildFrame, parseFrame } from '../../lib/testing/frames.js'
import { closing } from '../helpers/fabric.js'
import { broadcast, frame, isTestFrame, tagOf } from '../helpers/frames.js'
import { describeOnDevices, testFile, type Child } from '../helpers/kernel.js'
import { Host, Sniffer, type Sniffed } from '../helpers/network.js'

/** A, B and C listen as network cards do, P to everything; H is the interface's host. */
type Name = 'A' | 'B' | 'C' | 'P' | 'H'
const stationNames = ['A', 'B', 'C', 'P'] as const

/** The copies of one event that each heard; of a ping, the answers. */
interface Copies {
  unicast: { A: number; B: number; C: number; P: number }
  broadcast: { A: number; B: number; H: number }
  pingToHost: number
  fromHost: { A: number; B: number }
  broadcastFromHost: { A: number; B: number }
  ping: number
}

/** What everybody should hear, and unmodified programs do with a host port: each frame once. */
const once: Copies = {
  unicast: { A: 0, B: 1, C: 0, P: 1 },
  broadcast: { A: 0, B: 1, H: 1 },
  pingToHost: 1,
  fromHost: { A: 1, B: 0 },
  broadcastFromHost: { A: 1, B: 1 },
  ping: 1,
}

interface SetUp {
  /** The interface of the host; the stations are on tapA. */
  hostInterface: 'tapA' | 'tapH'
  /** What the stations do beside filtering. */
  readers?: 'out'
  /** In which direction `listener` hears the last copy of a broadcast from `sender`; undefined: it hears none. */
  lastCopy: (sender: Name, listener: Name) => 'in' | 'out' | undefined
  start: (machine: Host) => Promise<void>
}

const mac = { A: '02:00:00:00:00:0a', B: '02:00:00:00:00:0b', C: '02:00:00:00:00:0c', P: '02:00:00:00:00:0d' }
const address = { A: '10.0.77.10', B: '10.0.77.11', C: '10.0.77.12', P: '10.0.77.13', H: '10.0.77.1' }

describeOnDevices('One TAP, many readers', function () {
  this.timeout(120_000)
  const close = closing()
  const hostAddress = `${address.H}/24`

  const makePort = (machine: Host, name: string, options: TapPortOptions = {}) =>
    new TapPort({ name, namespace: machine.namespace, ...options })

  const loop = (what: 'read' | 'return') => async (machine: Host) => {
    const program = machine.start(
      'python3',
      testFile('ports/programs/tap_loop.py'),
      'tapA',
      hostAddress,
      what,
    )
    expect(await program.line()).to.equal('ready')
  }
  const writeback = async (machine: Host) => {
    const options = { addresses: [hostAddress], writeback: true }
    await close(new Hub()).attach(makePort(machine, 'tapA', options))
  }
  const hostPort = (Kind: typeof Hub | typeof Switch) => async (machine: Host) => {
    const fabric = close(new Kind())
    await fabric.attach(makePort(machine, 'tapA'))
    await fabric.attach(makePort(machine, 'tapH', { addresses: [hostAddress] }))
  }
  /** Everybody else hears what is sent as it leaves the interface, and nobody hears more. */
  const onlyOthers = (sender: Name, listener: Name) => (sender === listener ? undefined : 'out')
  const withHostPort = (sender: Name, listener: Name) =>
    sender === listener ? undefined : sender === 'H' || listener === 'H' ? 'in' : 'out'

  const setUps: [string, SetUp, Copies][] = [
    [
      'without a way back to the host, it hears nothing',
      { hostInterface: 'tapA', lastCopy: onlyOthers, start: loop('read') },
      { ...once, broadcast: { A: 0, B: 1, H: 0 }, pingToHost: 0 },
    ],
    [
      'where every frame is returned, everything comes twice, and pings come back four times',
      { hostInterface: 'tapA', lastCopy: () => 'in', start: loop('return') },
      {
        unicast: { A: 0, B: 2, C: 0, P: 2 },
        broadcast: { A: 1, B: 2, H: 1 },
        pingToHost: 2,
        fromHost: { A: 2, B: 0 },
        broadcastFromHost: { A: 2, B: 2 },
        ping: 4,
      },
    ],
    [
      'with writeback only broadcasts come twice, to readers of both directions',
      {
        hostInterface: 'tapA',
        lastCopy: (sender, listener) => (sender === 'H' ? onlyOthers(sender, listener) : 'in'),
        start: writeback,
      },
      { ...once, broadcast: { A: 1, B: 2, H: 1 } },
    ],
    [
      'with writeback every frame comes once to readers of what goes out',
      {
        hostInterface: 'tapA',
        readers: 'out',
        lastCopy: (sender, listener) =>
          listener === 'H' && sender !== 'H' ? 'in' : onlyOthers(sender, listener),
        start: writeback,
      },
      once,
    ],
    [
      'with a host port on a hub every frame comes once',
      { hostInterface: 'tapH', lastCopy: withHostPort, start: hostPort(Hub) },
      once,
    ],
    [
      'with a host port on a switch every frame comes once',
      { hostInterface: 'tapH', lastCopy: withHostPort, start: hostPort(Switch) },
      once,
    ],
  ]

  for (const [title, setUp, expected] of setUps) {
    it(title, async () => {
      const scene = await Scene.build(close(await Host.create(1)), setUp)
      const hostMac = scene.hostMac
      const sendTagged = (from: Name, to: string) => async () => {
        const tag = scene.nextTag()
        scene.send(from, frame({ from: from === 'H' ? hostMac : mac[from], to, tag }))
        const heard = await scene.settle()
        return (listener: Name) => heard[listener].filter(hasTag(tag)).length
      }
      const answers = async (to: string, ip: string) => {
        scene.programs.A.tell(`ping ${to} ${ip}`)
        return (await scene.settle()).A.filter(isEchoReply).length
      }

      const unicast = await sendTagged('A', mac.B)()
      const everybody = await sendTagged('A', broadcast)()
      const pingToHost = await answers(hostMac, address.H)
      const fromHost = await sendTagged('H', mac.A)()
      const broadcastFromHost = await sendTagged('H', broadcast)()
      const ping = await answers(mac.B, address.B)
      const copies: Copies = {
        unicast: { A: unicast('A'), B: unicast('B'), C: unicast('C'), P: unicast('P') },
        broadcast: { A: everybody('A'), B: everybody('B'), H: everybody('H') },
        pingToHost,
        fromHost: { A: fromHost('A'), B: fromHost('B') },
        broadcastFromHost: { A: broadcastFromHost('A'), B: broadcastFromHost('B') },
        ping,
      }
      expect(copies).to.deep.equal(expected)
    })
  }

  it('with a host port returns no neighbour solicitation to who sent it, and passes it on', async () => {
    const setUp = setUps.at(-2)![1]
    const scene = await Scene.build(close(await Host.create(1)), setUp)
    const group = '33:33:ff:00:00:0a'
    const tag = scene.nextTag()
    scene.send('P', frame({ from: mac.P, to: group, tag }))
    const heard = await scene.settle()
    expect(heard.P.filter(hasTag(tag)), 'came back').to.be.empty
    expect(heard.H.filter(hasTag(tag)).map(({ direction }) => direction)).to.deep.equal(['in'])
  })

  it('with a host port lets only the host answer for its address, where others are on the hub', async () => {
    const [machine, other] = [close(await Host.create(1)), close(await Host.create(2))]
    const hub = close(new Hub())
    await hub.attach(makePort(machine, 'tapA'))
    const host = await hub.attach(makePort(machine, 'tapH', { addresses: [hostAddress] }))
    await hub.attach(other.tap())
    const [far, shared] = [await other.sniff(), await machine.sniff('tapA')]
    const request = arpRequest(other.mac, other.address, address.H)
    far.send(request)
    await shared.everythingUpTo(request) // its kernel has it now, and has answered if it does
    const last = frame({ from: mac.A, tag: 1 })
    shared.send(last)
    const answers = (await far.everythingUpTo(last)).filter(isArpReply)
    expect(answers.map(({ bytes }) => bytes.toString('hex', 6, 12))).to.deep.equal([
      host.mac!.replaceAll(':', ''),
    ])
  })

  it('with writeback reaches other ports, which hear it once and whose frames are not returned', async () => {
    const [machine, other] = [close(await Host.create(1)), close(await Host.create(2))]
    const hub = close(new Hub())
    const tap = await hub.attach(makePort(machine, 'tapA', { addresses: [hostAddress], writeback: true }))
    await hub.attach(other.tap())
    const [guest, host, far] = [
      new Sniffer(startStation(machine, 'P', 'promiscuous')),
      await machine.sniff('tapA'),
      await other.sniff(),
    ]
    await guest.ready()
    const [toOther, toHost, all, back] = [
      frame({ from: mac.P, to: other.mac, tag: 1 }),
      frame({ from: mac.P, to: tap.mac!, tag: 2 }),
      frame({ from: mac.P, tag: 3 }),
      frame({ from: other.mac, tag: 4 }),
    ]
    for (const each of [toOther, toHost, all]) guest.send(each)
    expect((await far.upTo(all)).map(tagAndDirection)).to.deep.equal(['1 in', '2 in', '3 in'])
    far.send(back)
    expect(
      (await host.upTo(back)).filter(({ direction }) => direction === 'in').map(tagAndDirection),
    ).to.deep.equal(['2 in', '3 in', '4 in'])
    expect(tap.stats().defaults).to.include({ offered: 5n, delivered: 5n })
    expect(tap.stats().dropped['not-for-us']).to.equal(0n)
  })

  it('reads, where it is alone with writeback, only what it returns: the kernel keeps back the rest', async () => {
    const machine = close(await Host.create(1))
    const hub = close(new Hub())
    const tap = await hub.attach(makePort(machine, 'tapA', { addresses: [hostAddress], writeback: true }))
    const guest = new Sniffer(startStation(machine, 'P', 'promiscuous'))
    await guest.ready()
    const host = await machine.sniff('tapA')
    const last = frame({ from: mac.P, tag: 9 })
    const send = async () => {
      for (const to of [mac.B, tap.mac!, mac.C]) guest.send(frame({ from: mac.P, to, tag: 1 }))
      guest.send(last)
      let heard: Sniffed
      do heard = await host.next()
      while (heard.direction !== 'in' || tagOf(heard.bytes) !== 9)
    }
    await send()
    expect(tap.stats().received.frames).to.equal(2n)

    const other = close(await Host.create(2))
    await hub.attach(other.tap())
    await send()
    expect(tap.stats().received.frames, 'with company it reads all').to.equal(6n)
    await hub.detach(other.name)
    await send()
    expect(tap.stats().received.frames).to.equal(8n)
  })

  it('lets in only what its filter passes, also beside writeback', async () => {
    const machine = close(await Host.create(1))
    const hub = close(new Hub())
    const options: TapPortOptions = { filter: { vlan: false, length: { max: 100 } }, writeback: true }
    const tap = await hub.attach(makePort(machine, 'tapA', options))
    const guest = new Sniffer(startStation(machine, 'P', 'promiscuous'))
    await guest.ready()
    const host = await machine.sniff('tapA')
    guest.send(frame({ from: mac.P, tag: 1, length: 200 }))
    guest.send(frame({ from: mac.P, to: mac.B, tag: 2 }))
    guest.send(frame({ from: mac.P, tag: 3 }))
    let heard: Sniffed
    do heard = await host.next()
    while (heard.direction !== 'in')
    expect(tagOf(heard.bytes)).to.equal(3)
    expect(tap.stats().received.frames).to.equal(2n)
    expect(tap.stats().dropped['not-for-us'], 'refused by writeback').to.equal(1n)
  })
})

/** Whether it is an ARP packet that answers. */
const isArpReply = ({ bytes }: Sniffed) => parseFrame(bytes).arp?.operation === 'reply'

/** Who has `target`? asked by `sender` (RFC 826). */
const arpRequest = (from: string, sender: string, target: string): Uint8Array =>
  buildFrame({ ethernet: { from }, arp: { senderIp: sender, targetIp: target } })

const hasTag =
  (tag: number) =>
  ({ bytes }: Sniffed) =>
    isTestFrame(bytes) && tagOf(bytes) === tag
const isEchoReply = ({ bytes }: Sniffed) => parseFrame(bytes).icmp?.type === 0
const tagAndDirection = ({ bytes, direction }: Sniffed) => `${tagOf(bytes)} ${direction}`

function startStation(machine: Host, name: Exclude<Name, 'H'>, mode: string): Child {
  const program = testFile('ports/programs/station.py')
  return machine.start('python3', program, 'tapA', mac[name], address[name], mode)
}

/** A set-up with its stations, and what they hear. */
class Scene {
  #tags = 0

  private constructor(
    readonly setUp: SetUp,
    readonly programs: Record<Exclude<Name, 'H'>, Child>,
    readonly sniffers: Record<Name, Sniffer>,
    readonly hostMac: string,
  ) {}

  static async build(machine: Host, setUp: SetUp): Promise<Scene> {
    await setUp.start(machine)
    const { hostInterface, readers } = setUp
    // So that nobody asks for addresses.
    for (const name of stationNames)
      await machine.ip('neighbour', 'add', address[name], 'lladdr', mac[name], 'dev', hostInterface)
    const programs = Object.fromEntries(
      stationNames.map((name) => {
        const filter = name === 'P' ? 'promiscuous' : 'filtered'
        return [name, startStation(machine, name, readers ? `${filter}+${readers}` : filter)]
      }),
    ) as Record<Exclude<Name, 'H'>, Child>
    const sniffers = { H: await machine.sniff(hostInterface) } as Record<Name, Sniffer>
    for (const name of stationNames) {
      sniffers[name] = new Sniffer(programs[name])
      await sniffers[name].ready()
    }
    return new Scene(setUp, programs, sniffers, (await machine.link(hostInterface))!.address)
  }

  nextTag(): number {
    return ++this.#tags
  }

  send(from: Name, bytes: Uint8Array): void {
    this.sniffers[from].send(bytes)
  }

  /**
   * What each has heard since the last time. A broadcast of A, then one of B, which is behind what B answered, then one of
   * H, are each waited for everywhere: whatever was under way has come before them. What H hears is what its host gets.
   */
  async settle(): Promise<Record<Name, Sniffed[]>> {
    const names: Name[] = [...stationNames, 'H']
    const heard: Record<Name, Sniffed[]> = { A: [], B: [], C: [], P: [], H: [] }
    for (const sender of ['A', 'B', 'H'] as const) {
      const tag = this.nextTag()
      this.send(sender, frame({ from: sender === 'H' ? this.hostMac : mac[sender], tag }))
      for (const listener of names) {
        const direction = this.setUp.lastCopy(sender, listener)
        if (direction === undefined) continue
        let last: Sniffed
        do heard[listener].push((last = await this.sniffers[listener].next()))
        while (!hasTag(tag)(last) || last.direction !== direction)
      }
    }
    heard.H = heard.H.filter(({ direction }) => direction === 'in')
    return heard
  }
}
