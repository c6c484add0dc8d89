/** TapPort: every option as the kernel shows it, every way to get hold of a TAP, every refusal, and its interface's end. */
import { expect } from 'chai'
import { once } from 'node:events'
import { openSync, closeSync } from 'node:fs'
import {
  Hub,
  MemoryPort,
  Namespace,
  Network,
  TapPort,
  type EtherloomError,
  type TapPortOptions,
} from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, until } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices, eventually, lackOf, run, testFile, type Child } from '../helpers/kernel.js'
import { connect, Host, pingCommand, soon, startHub } from '../helpers/network.js'

describeOnDevices('TapPort', function () {
  this.timeout(120_000)
  const close = closing()
  let host: Host
  let hub: Hub

  beforeEach(async () => {
    host = close(await Host.create(1, { ipv6: true }))
    hub = close(new Hub())
  })

  /** Attaches a port with just these options in the host's namespace. */
  const attach = (options: TapPortOptions) =>
    hub.attach(new TapPort({ namespace: host.namespace, ...options }))

  /** A TAP that stays, made by ip(8). */
  const makeTap = (name: string, ...options: string[]) =>
    host.ip('tuntap', 'add', name, 'mode', 'tap', ...options)

  describe('makes an interface', () => {
    it('with MTU, MAC address and addresses, set up', async () => {
      const mac = '02:00:00:00:0a:01'
      const addresses = ['10.1.0.1/16', '10.1.0.2/32', 'fd00:1::1/64']
      const port = await attach({ name: 'eth0', mtu: 4000, mac, addresses })

      const link = (await host.link())!
      expect(link).to.include({ mtu: 4000, address: mac })
      expect(link.flags).to.include.members(['UP', 'LOWER_UP'])
      expect(link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`)).to.include.members(
        addresses,
      )
      expect(port).to.include({ name: 'eth0', interface: 'eth0', mtu: 4000, mac, state: 'up' })
    })

    it('with an MTU of 1500 and a MAC address of its own by default', async () => {
      const ports = [await attach({ name: 'eth0' }), await attach({ name: 'eth1' })]
      for (const port of ports) {
        expect(port.mtu).to.equal(1500)
        expect(await host.link(port.interface)).to.include({ mtu: 1500, address: port.mac })
      }
      expect(ports[0]!.mac).not.to.equal(ports[1]!.mac)
    })

    it('that stays down where asked to', async () => {
      await attach({ name: 'eth0', up: false, addresses: ['10.1.0.1/24'] })
      expect((await host.link())?.flags).not.to.include('UP')
    })

    it('that the kernel numbers', async () => {
      const names = []
      for (const options of [{ interface: 'left%d' }, { interface: 'left%d' }, { interface: 'tap%d' }])
        names.push((await attach({ ...options, name: `port${names.length}` })).interface)
      expect(names).to.deep.equal(['left0', 'left1', 'tap0'])
      for (const name of names) expect(await host.link(name)).to.exist
    })

    it('for an owner and a group', async () => {
      const [owner, group] = [0, 0]
      await attach({ name: 'eth0', owner, group })
      const { info_data: of } = (await host.link())!.linkinfo!
      expect(of).to.deep.include({ type: 'tap', user: 'root', group: 'root', persist: false })
    })

    it('that goes when the port is detached', async () => {
      const port = await attach({ name: 'eth0' })
      await hub.detach(port)
      expect(await host.link()).to.be.undefined
      expect(port).to.include({ state: 'detached', interface: undefined })
    })

    it('that goes when the fabric is closed', async () => {
      await attach({ name: 'eth0' })
      await hub.close()
      expect(await host.link()).to.be.undefined
    })

    it('that persists, and can be joined and removed', async () => {
      const port = await attach({ name: 'eth0', persist: true, mtu: 1400 })
      const { mac } = port
      await hub.detach(port)
      expect((await host.link())?.linkinfo?.info_data).to.include({ persist: true })

      expect(await attach({ name: 'eth0' })).to.include({ mac, mtu: 1400 })
      await hub.detach('eth0')
      await host.ip('link', 'delete', 'eth0')
      expect(await host.link()).to.be.undefined
    })
  })

  it('joins a TAP that exists, leaves it as it is, and leaves it', async () => {
    await makeTap('eth0')
    await host.ip('link', 'set', 'eth0', 'mtu', '1300', 'address', '02:00:00:00:0b:01')
    await host.ip('address', 'add', '10.1.0.1/24', 'dev', 'eth0')
    const port = await attach({ name: 'eth0', addresses: ['10.1.0.1/24', '10.1.0.2/24'] })

    expect(port).to.include({ mtu: 1300, mac: '02:00:00:00:0b:01' })
    const { addr_info: addresses, flags } = (await host.link())!
    expect(addresses.map(({ local }) => local)).to.include.members(['10.1.0.1', '10.1.0.2'])
    expect(flags).to.include('UP')
    await hub.detach(port)
    expect(await host.link()).to.exist
  })

  it('takes a descriptor that somebody else opened', async () => {
    const other = close(await Host.create(2))
    const ports = [
      { tap: { fd: 9, name: 'given' } },
      { tap: { name: 'eth0', namespace: other.namespace.path } },
    ]
    const answer = await startHub(ports, {
      before: ['python3', testFile('ports/programs/tap.py'), 'eth0'],
      host,
    })
    expect(answer).not.to.have.property('message')
    await host.ip('address', 'add', `${host.address}/24`, 'dev', 'eth0')
    await host.ip('link', 'set', 'eth0', 'up')
    await other.ip('address', 'add', `${other.address}/24`, 'dev', 'eth0')
    expect(await host.ping(other, 10, 0.002)).to.include({ received: 10, duplicates: 0 })
  })

  describe('with several queues', () => {
    let lab: Hub

    beforeEach(() => {
      lab = close(new Hub({ engine: { workers: 2 } }))
    })

    const multiQueue = () => new TapPort({ name: 'eth0', namespace: host.namespace, queues: 2 })

    it('is one port, made with its interface, and gone with the port', async () => {
      const port = await lab.attach(multiQueue())
      expect(port).to.include({ queues: 2, state: 'up' })
      const { info_data: of } = (await host.link())!.linkinfo!
      expect(of).to.deep.include({ type: 'tap', multi_queue: true, numqueues: 2 })
      await lab.detach(port)
      expect(await host.link()).to.be.undefined
    })

    it('carries everything once, both ways, and comes back with its interface', async () => {
      const [left, right] = [close(await Host.create(2)), close(await Host.create(3))]
      await lab.attach(left.tap({ queues: 2 }))
      await lab.attach(right.tap({ queues: 2 }))
      expect(await left.ping(right, 100, 0.002)).to.include({ received: 100, duplicates: 0 })
      const downs: unknown[] = []
      lab.on('port:down', (event) => downs.push(event))
      const down = once(lab, 'port:down')
      await right.ip('link', 'delete', 'eth0')
      await down
      const up = once(lab, 'port:up')
      await right.ip('tuntap', 'add', 'eth0', 'mode', 'tap', 'multi_queue')
      await up
      expect(await left.ping(right, 100, 0.002)).to.include({ received: 100, duplicates: 0 })
      expect(downs).to.have.length(1)
    })

    it('joins a persistent TAP that was made for several', async () => {
      await makeTap('eth0', 'multi_queue')
      const port = await lab.attach(multiQueue())
      await lab.detach(port)
      expect(await host.link()).to.exist
      expect(await lab.attach(multiQueue())).to.include({ state: 'up' })
    })

    it('refuses a TAP that was made for one, and the reverse', async () => {
      await makeTap('eth0')
      expect((await refusal(lab.attach(multiQueue()))).message).to.match(/eth0.*single queue.*multi_queue/)
      await host.ip('link', 'delete', 'eth0')
      await makeTap('eth0', 'multi_queue')
      expect((await refusal(attach({ name: 'eth0' }))).message).to.match(/eth0.*multiple queues/)
    })

    it('refuses more queues than the engine has workers, and makes nothing', async () => {
      const error = await refusal(attach({ name: 'eth0', queues: 2 }))
      expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(error.message).to.match(/'eth0'.*2 queues.*has 1;.*more workers/)
      expect(await host.link()).to.be.undefined
    })
  })

  describe('stands in a network namespace', () => {
    it('given by path', async () => {
      await hub.attach(new TapPort({ name: 'eth0', namespace: host.namespace.path }))
      expect(await host.link()).to.exist
    })

    it("given by the name that 'ip netns' knows it by", async () => {
      const name = `etherloom-${process.pid}`
      await run(['ip', 'netns', 'add', name])
      try {
        await hub.attach(new TapPort({ name: 'eth0', namespace: name }))
        expect(await run(['ip', '-netns', name, 'link', 'show', 'eth0'])).to.include('eth0')
      } finally {
        await run(['ip', 'netns', 'delete', name])
      }
    })

    it('which must exist', async () => {
      const error = await refusal(hub.attach(new TapPort({ name: 'eth0', namespace: 'no-such-namespace' })))
      expect(error.code).to.equal('ERR_ETHERLOOM_NAMESPACE')
      expect(error.message).to.include('no-such-namespace')
    })
  })

  describe('refuses', () => {
    it('a TAP that another process uses', async () => {
      await hold(host, 'eth0')
      const error = await refusal(attach({ name: 'eth0' }))
      expect(error).to.include({ code: 'ERR_ETHERLOOM_DEVICE', syscall: 'ioctl TUNSETIFF' })
      expect(error.message).to.match(/eth0.*in use/)
    })

    it('the name of an interface of another kind', async () => {
      await host.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1')
      const error = await refusal(attach({ name: 'eth0' }))
      expect(error.code).to.equal('ERR_ETHERLOOM_DEVICE')
      expect(error.message).to.match(/eth0.*not a TAP.*veth/)
    })

    it('a name of more than 15 characters', async () => {
      const error = await refusal(() => new TapPort({ name: 'a-name-too-long0' }))
      expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(error.message).to.match(/'name'.*15 characters/)
      expect((await attach({ name: 'a-name-of-15-ch' })).interface).to.equal('a-name-of-15-ch')
    })

    it('a descriptor that is not of a TAP', async () => {
      const fd = openSync('/dev/null', 'r+')
      try {
        expect(await refusal(hub.attach(new TapPort({ fd })))).to.include({ code: 'ERR_ETHERLOOM_DEVICE' })
      } finally {
        closeSync(fd)
      }
    })

    it('an address that the kernel refuses, and leaves no interface behind', async () => {
      const belowIPv6 = 1279
      const addresses = ['10.1.0.1/24', 'fd00::1/64']
      const error = await refusal(attach({ name: 'eth0', mtu: belowIPv6, addresses }))
      expect(error.message).to.include('fd00::1/64')
      expect(await host.link()).to.be.undefined
      expect([...hub.ports.keys()]).to.be.empty
    })

    it('without CAP_NET_ADMIN, and names it and the ways out', async () => {
      const answer = await startHub([{ tap: { name: 'eth0' } }], {
        before: ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'],
        host,
      })
      expect(answer.code).to.equal('ERR_ETHERLOOM_PRIVILEGE')
      expect(answer.message).to.match(lackOf('CAP_NET_ADMIN'))
      expect(answer.message).to.match(/persistent TAP.*\(fd\)/)
    })

    it('in a user namespace that gives no capability, says so, and sends nobody into another one', async () => {
      const answer = await startHub([{ tap: { name: 'eth0' } }], {
        before: ['unshare', '--user', '--map-root-user', 'setpriv', '--bounding-set=-all', '--inh-caps=-all'],
        host,
      })
      expect(answer.code).to.equal('ERR_ETHERLOOM_PRIVILEGE')
      expect(answer.message).to.match(/CAP_NET_ADMIN, which this user namespace does not give.*AppArmor/)
      expect(answer.message).not.to.match(/as root|--rootless/)
    })
  })

  it('goes down with its interface under traffic, disturbs nobody, and returns with its policies', async () => {
    const [left, right, third] = (await connect(hub, close, 3)) as [Host, Host, Host]
    await hub.between('host1', 'host3').deny()
    const pings = left.ping(right, 500, 0.002)
    const down = once(hub, 'port:down')
    await third.ip('link', 'delete', 'eth0')

    const [event] = (await down) as [{ port: TapPort; error: EtherloomError }]
    expect(event.port).to.include({ name: 'host3', state: 'down' })
    expect(event.error.code).to.equal('ERR_ETHERLOOM_DEVICE')

    const up = once(hub, 'port:up')
    await third.ip('tuntap', 'add', 'eth0', 'mode', 'tap')
    await up
    expect(event.port.state).to.equal('up')
    expect(await pings).to.include({ received: 500, duplicates: 0 })

    expect(await third.link()).to.include({ address: third.mac }, 'its options hold again')
    expect(await right.ping(third, 5, 0.002)).to.include({ received: 5 })
    expect(await left.ping(third, 2, 0.002, soon)).to.include({ received: 0 }, 'its policies hold again')
    await until(() => hub.stats().paths.every(({ inFlight }) => inFlight === 0n))
  })

  it('goes on under traffic when its interface is renamed', async () => {
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    const pings = left.ping(right, 500, 0.002)
    await right.ip('link', 'set', 'eth0', 'name', 'lan0')
    expect(await pings).to.include({ received: 500, duplicates: 0 })
    expect(hub.port('host2').state).to.equal('up')
    expect(await right.link('lan0')).to.include({ address: right.mac })
  })

  it('returns with its interface when whoever else took that lets go of it', async () => {
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    await right.ip('tuntap', 'add', 'eth1', 'mode', 'tap')
    const holder = await hold(right, 'eth1')
    const down = once(hub, 'port:down')
    await right.ip('link', 'delete', 'eth0')
    const [{ port }] = (await down) as [{ port: TapPort }]

    const up = once(hub, 'port:up')
    await right.ip('link', 'set', 'eth1', 'name', 'eth0')
    expect(await left.ping(right, 1, 1, soon)).to.include({ received: 0 })
    expect(port.state).to.equal('down')
    await holder.close()
    await up
    expect(await left.ping(right, 5, 0.002)).to.include({ received: 5 })
  })

  it('is made again, with what it was given, when it ends in a namespace to which somebody has moved it', async () => {
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    const container = close(await Host.create(3))
    await right.ip('link', 'set', 'eth0', 'netns', container.namespace.path, 'name', 'net0')
    expect(hub.port('host2').state, 'it works where it is').to.equal('up')
    const [down, up] = [once(hub, 'port:down'), once(hub, 'port:up')]
    await container.close()
    await down
    await up
    expect(await right.link()).to.include({ address: right.mac })
    expect(await left.ping(right, 5, 0.002)).to.include({ received: 5 })
  })

  it('leaves its name to another when somebody has moved it to another namespace, and to nobody before', async () => {
    const [one, two] = [close(await Host.create(2)), close(await Host.create(3))]
    const tap = `etl-${process.pid}` // among the interfaces of this machine
    const topologyOf = (...ports: string[]) => ({
      fabrics: {
        lab: { kind: 'hub' as const, ports: Object.fromEntries(ports.map((port) => [port, { tap }])) },
      },
    })
    const network = close(await Network.up(topologyOf('a')))
    expect((await refusal(network.apply(topologyOf('a', 'b')))).message).to.include("already another port's")
    const move = ({ namespace }: Host, name: string): Promise<string> =>
      run(['ip', 'link', 'set', 'dev', tap, 'netns', namespace.path, 'name', name])
    await move(one, 'eth0')
    await network.apply(topologyOf('a', 'b'))
    expect((await refusal(network.apply(topologyOf('a', 'b', 'c')))).message).to.include(
      "already another port's",
    )
    await move(two, 'eth0')
    await network.apply(topologyOf('a', 'b', 'c'))
    expect([...network.fabrics.get('lab')!.ports.values()].map(({ state }) => state)).to.deep.equal([
      'up',
      'up',
      'up',
    ])
    for (const [number, host] of [one, two].entries()) {
      await host.run('ip', 'address', 'add', `10.0.9.${number + 1}/24`, 'dev', 'eth0')
      await host.run('ip', 'link', 'set', 'eth0', 'up')
    }
    expect(await one.run(...pingCommand('10.0.9.2', 3, 0.01))).to.include('"received": 3')
    // One ends where it is: another's interface has its name, and stays another's, until it is free.
    const down = once(network, 'port:down')
    await one.close()
    await down
    await network.apply(topologyOf('a', 'b', 'c'))
    expect(network.port({ port: 'a' }).state).to.equal('down')
    const up = once(network, 'port:up')
    await network.apply(topologyOf('a', 'b'))
    await up
    expect(network.port({ port: 'a' }).state).to.equal('up')
  })

  it('is made again when the topology that it stands in is applied', async () => {
    const tap = `etl-${process.pid}` // among the interfaces of this machine
    const topology = { fabrics: { lab: { kind: 'hub' as const, ports: { a: { tap } } } } }
    const network = close(await Network.up(topology))
    const down = once(network, 'port:down')
    await run(['ip', 'link', 'delete', tap])
    await down
    expect((await network.apply(topology)).steps).to.deep.equal(['make port lab.a again'])
    expect(await run(['ip', '-br', 'link', 'show', tap])).to.include('UP')
  })

  it('passes what a bridge of the kernel passes: the MTU, a header and a tag, one more tag, and the MTU as it is now', async () => {
    const sender = await hub.attach(new MemoryPort({ name: 'sender', frameLimit: 9100 }))
    const port = await attach({ name: 'eth0' })
    const sniffer = await host.sniff()
    const passes = async (...frames: Uint8Array[]): Promise<number[]> => {
      const end = frame({ tag: 99 })
      expect(sender.send([...frames, end])).to.equal(frames.length + 1)
      const all = (await sniffer.upTo(end)).slice(0, -1)
      return all.filter(({ direction }) => direction === 'in').map(({ bytes }) => bytes.length)
    }
    const double = (length: number): Uint8Array => {
      const bytes = frame({ vlan: 30, length })
      bytes.set([0x88, 0xa8, 0, 200, 0x81, 0, 0, 30, 0x88, 0xb5], 12)
      return bytes
    }
    const lengths = [1518, 1519]
    expect(await passes(...lengths.map((length) => frame({ length })))).to.deep.equal([1518])
    const tagged = [1518, 1522, 1523]
    expect(await passes(...tagged.map((length) => frame({ vlan: 5, length })))).to.deep.equal([1518, 1522])
    expect(await passes(double(1522), double(1523))).to.deep.equal([1522])
    expect(dropped(port.stats().dropped)).to.deep.equal({ oversize: 3 })

    await host.ip('link', 'set', 'eth0', 'mtu', '9000')
    await eventually('its MTU is known', () => port.mtu === 9000)
    await hub.configure(port, {}) // when this has returned, so has what was ordered before
    expect(await passes(frame({ length: 9018 }), frame({ length: 9019 }))).to.deep.equal([9018])
    await host.ip('link', 'set', 'eth0', 'mtu', '1400')
    await eventually('its MTU is known', () => port.mtu === 1400)
    await hub.configure(port, {})
    expect(await passes(frame({ length: 1418 }), frame({ length: 1419 }))).to.deep.equal([1418])
  })

  it('knows what its interface was given while it was being opened again', async () => {
    let opening = (): void => undefined
    let goOn = (): void => undefined
    const [isOpen, mayGoOn] = [
      new Promise<void>((resolve) => (opening = resolve)),
      new Promise<void>((resolve) => (goOn = resolve)),
    ]
    class Slow extends TapPort {
      protected override async openDevice(namespace: unknown, again?: string) {
        const device = await super.openDevice(namespace, again)
        if (again === undefined) return device
        opening()
        await mayGoOn
        return device
      }
    }
    const port = await hub.attach(new Slow({ interface: 'eth0', namespace: host.namespace }))
    const [down, up] = [once(hub, 'port:down'), once(hub, 'port:up')]
    await host.ip('link', 'delete', 'eth0')
    await down
    await makeTap('eth0')
    await isOpen
    const heard = new Promise<void>((resolve) => {
      const unwatch = hub.engine.watches.links(host.namespace.held.handle, ({ mtu }) => {
        if (mtu === 1300) resolve()
      })
      close({ close: unwatch })
    })
    await host.ip('link', 'set', 'eth0', 'mtu', '1300')
    await heard
    goOn()
    await up
    expect(port.mtu).to.equal(1300)
  })

  it('stays down, without harm, when the Namespace that it would return in is closed', async () => {
    const namespace = await Namespace.open(host.namespace.path)
    const port = await hub.attach(new TapPort({ name: 'eth0', namespace }))
    namespace.close()
    const down = once(hub, 'port:down')
    await host.ip('link', 'delete', 'eth0')
    await down
    await makeTap('eth0')
    expect(port.state).to.equal('down')
  })
})

/** A process that uses the TAP of this name. */
async function hold(host: Host, name: string): Promise<Child> {
  const holder = host.start(
    'python3',
    testFile('ports/programs/tap.py'),
    name,
    'sh',
    '-c',
    'echo ready; exec cat',
  )
  expect(await holder.line()).to.equal('ready')
  return holder
}
