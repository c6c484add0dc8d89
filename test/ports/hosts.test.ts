/** Hosts of topologies: routes, names, settings of their kernel; on real kernel stacks. */
import { expect } from 'chai'
import { Namespace, Network, parseTopology, type Topology } from '../../lib/index.js'
import { startInside } from '../../lib/engine/inside.js'
import { insideOf } from '../../lib/topology/hosts.js'
import { refusal } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices, eventually, run } from '../helpers/kernel.js'
import { pingCommand } from '../helpers/network.js'

/** Two subnets, and a host between that forwards. */
const routed = (more = ''): Promise<Topology> =>
  parseTopology(`
hosts:
  red:
    addresses: [10.0.0.1/24, 'fd00::1/64']
    mtu: 1400
    mac: 02:00:00:00:00:11
    ipv6: { dad: false }
    routes: [{ to: default, via: 10.0.0.254 }, { to: default, via: 'fd00::254', dev: eth0 }]
    dns: { servers: [10.1.0.2, 'fd01::2'], search: [lab.example] }
  router: { forwarding: true, ipv6: { dad: false } }
  green:
    addresses: [10.1.0.2/24, 'fd01::2/64']
    ipv6: { dad: false }
    routes: [{ to: 10.0.0.0/24, via: 10.1.0.254, metric: 5 }, { to: 'fd00::/64', via: 'fd01::254' }]
    ${more}
fabrics:
  a: { kind: hub, ports: { red: { host: red }, router: { host: router, addresses: [10.0.0.254/24, 'fd00::254/64'] } } }
  b: { kind: hub, ports: { green: { host: green }, router: { host: router, addresses: [10.1.0.254/24, 'fd01::254/64'] } } }
`)

describeOnDevices('hosts of a topology', function () {
  this.timeout(120_000)
  const close = closing()

  const inHost = (network: Network, host: string, ...command: string[]): Promise<string> =>
    run(command, network.hosts.get(host)!.path)
  const routesOf = async (network: Network, host: string): Promise<string[]> =>
    (await inHost(network, host, 'ip', 'route', 'show', 'proto', 'static'))
      .split('\n')
      .map((line) => line.trim())
  const sysctl = (network: Network, host: string, path: string): Promise<string> =>
    inHost(network, host, 'cat', `/proc/sys/net/${path}`)

  /** What a program prints that was started as those of hosts are. */
  async function inside(network: Network, host: string, script: string): Promise<string[]> {
    const place = insideOf(network.plan, host, network.hosts.get(host)!)
    const child = await startInside(place, ['sh', '-c', script], { stdio: 'output' })
    const text = (await child.stdout!.toArray()) as Buffer[]
    return Buffer.concat(text).toString().trimEnd().split('\n')
  }

  it('reach each other through a host that forwards, by IPv4 and IPv6', async () => {
    const network = close(await Network.up(await routed()))
    for (const address of ['10.1.0.2', 'fd01::2']) {
      const pings = JSON.parse(await inHost(network, 'red', ...pingCommand(address, 3, Infinity))) as object
      expect(pings).to.include({ sent: 3, received: 3 })
    }
    expect(await routesOf(network, 'red')).to.deep.equal(['default via 10.0.0.254 dev eth0'])
    expect(await routesOf(network, 'green')).to.deep.equal(['10.0.0.0/24 via 10.1.0.254 dev eth0 metric 5'])
    expect(await inHost(network, 'red', 'ip', '-brief', 'link', 'show', 'eth0')).to.match(/02:00:00:00:00:11/)
    expect(await inHost(network, 'red', 'cat', '/sys/class/net/lo/flags')).to.equal('0x9')
    expect(await inHost(network, 'red', 'ip', 'link', 'show', 'eth0')).to.match(/mtu 1400/)
  })

  it('have names for each other, the nearest address first, and the name servers that were said', async () => {
    const network = close(await Network.up(await routed()))
    expect(
      await inside(network, 'red', 'hostname; cat /etc/resolv.conf; getent ahostsv4 router; cat /etc/hosts'),
    ).to.deep.equal([
      'red',
      ...['nameserver 10.1.0.2', 'nameserver fd01::2', 'search lab.example'],
      ...['10.0.0.254      STREAM router', '10.0.0.254      DGRAM  ', '10.0.0.254      RAW    '],
      ...['10.1.0.254      STREAM ', '10.1.0.254      DGRAM  ', '10.1.0.254      RAW    '],
      ...['127.0.0.1 localhost', '::1 localhost', '10.0.0.1 red', 'fd00::1 red'],
      ...['10.0.0.254 router', 'fd00::254 router', '10.1.0.254 router', 'fd01::254 router'],
      ...['10.1.0.2 green', 'fd01::2 green'],
    ])
    expect(await inside(network, 'green', 'grep -c ^nameserver /etc/resolv.conf')).to.deep.equal(['0'])
  })

  it('change by the difference only, and are as they were where a change fails', async () => {
    const network = close(await Network.up(await routed('sysctls: { net.ipv4.tcp_ecn: 1 }')))
    const before = await sysctl(network, 'router', 'ipv4/tcp_ecn')
    const changed = await routed('sysctls: { net.ipv4.conf.eth0.rp_filter: 2 }')
    changed.hosts!.red!.routes![0]!.via = '10.0.0.253'
    expect((await network.apply(changed)).steps).to.deep.equal(['configure host red', 'configure host green'])
    expect(await routesOf(network, 'red')).to.deep.equal(['default via 10.0.0.253 dev eth0'])
    expect(await sysctl(network, 'green', 'ipv4/conf/eth0/rp_filter')).to.equal('2')
    expect(await sysctl(network, 'green', 'ipv4/tcp_ecn'), 'taken back').to.equal(before)

    const wrong = await routed('sysctls: { net.ipv4.conf.eth0.rp_filtre: 2 }')
    wrong.hosts!.red!.routes = []
    expect((await refusal(network.apply(wrong))).message).to.equal(
      "host 'green': sysctl net.ipv4.conf.eth0.rp_filtre: this kernel has no such setting in a network namespace; did you mean 'net.ipv4.conf.eth0.rp_filter'?",
    )
    expect(await routesOf(network, 'red'), 'as it was').to.deep.equal(['default via 10.0.0.253 dev eth0'])
    expect(await sysctl(network, 'green', 'ipv4/conf/eth0/rp_filter')).to.equal('2')
    expect((await network.apply(network.export())).steps).to.deep.equal([])
  })

  it('get their routes again with an interface that is replaced, or has come back', async () => {
    const network = close(await Network.up(await routed()))
    const changed = await routed()
    changed.hosts!.green!.mtu = 1300
    expect((await network.apply(changed)).steps).to.deep.equal([
      'detach port b.green',
      'attach port b.green',
      'configure host green',
    ])
    expect(await routesOf(network, 'green')).to.deep.equal(['10.0.0.0/24 via 10.1.0.254 dev eth0 metric 5'])

    await inHost(network, 'green', 'ip', 'link', 'delete', 'eth0')
    await eventually('the port is down', () => network.port({ port: 'green' }).state === 'down')
    await network.apply(changed)
    expect(await routesOf(network, 'green')).to.deep.equal(['10.0.0.0/24 via 10.1.0.254 dev eth0 metric 5'])
    const errors: unknown[] = []
    network.on('host:error', (event) => errors.push(event))
    const again = await routed()
    again.hosts!.green!.mtu = 1300
    again.hosts!.green!.routes = [{ to: '10.2.0.0/24', via: '10.1.0.254' }]
    for (let round = 0; round < 5; round++) {
      const [one, other] = round % 2 === 0 ? [changed, again] : [again, changed]
      await inHost(network, 'green', 'ip', 'link', 'delete', 'eth0')
      await eventually('the port is down', () => network.port({ port: 'green' }).state === 'down')
      await Promise.all([network.apply(one), network.apply(other)])
      expect(await routesOf(network, 'green')).to.deep.equal([
        other === again
          ? '10.2.0.0/24 via 10.1.0.254 dev eth0'
          : '10.0.0.0/24 via 10.1.0.254 dev eth0 metric 5',
      ])
    }
    await network.close()
    expect(errors).to.deep.equal([])
  })

  it('have no IPv6 where they are to have none', async () => {
    const network = close(
      await Network.up(
        await parseTopology(`
hosts: { red: { addresses: [10.0.0.1/24], ipv6: false, forwarding: { ipv4: true, ipv6: false } } }
fabrics: { a: { kind: hub, ports: { red: { host: red } } } }
`),
      ),
    )
    expect(await inHost(network, 'red', 'ip', '-6', 'address')).to.equal('')
    expect(await sysctl(network, 'red', 'ipv4/ip_forward')).to.equal('1')
    expect(await sysctl(network, 'red', 'ipv6/conf/all/forwarding')).to.equal('0')
  })

  it('get IPv6 and lose it while they run', async () => {
    const topology = (addresses: string, more = ''): Promise<Topology> =>
      parseTopology(`
hosts: { red: { addresses: [${addresses}]${more} } }
fabrics: { a: { kind: hub, ports: { red: { host: red } } } }
`)
    const [four, both] = [
      await topology('10.0.0.1/24', ', ipv6: false'),
      await topology("10.0.0.1/24, 'fd00::1/64'"),
    ]
    const network = close(await Network.up(four))
    expect((await network.apply(both)).steps).to.deep.equal([
      'detach port a.red',
      'prepare host red',
      'attach port a.red',
      'configure host red',
    ])
    expect(await inHost(network, 'red', 'ip', '-6', 'address', 'show', 'eth0')).to.match(/fd00::1/)
    await network.apply(four)
    expect(await inHost(network, 'red', 'ip', '-6', 'address')).to.equal('')
    const wrong = await topology("10.0.0.1/24, 'fd00::1/64'", ', sysctls: { net.ipv4.ip_forwarding: 1 }')
    await refusal(network.apply(wrong))
    expect(await inHost(network, 'red', 'ip', '-6', 'address'), 'as it was').to.equal('')
    expect(await inHost(network, 'red', 'ip', 'address', 'show', 'eth0')).to.match(/10\.0\.0\.1/)
  })

  it('leave nothing where what they are to be cannot be', async () => {
    const topology = await routed('sysctls: { net.ipv4.ip_forward: perhaps }')
    const { code, message } = await refusal(Network.up(topology))
    expect([code, message]).to.deep.equal([
      'ERR_ETHERLOOM_OPTION',
      "host 'green': sysctl net.ipv4.ip_forward: the kernel takes no 'perhaps' here",
    ])
  })
})

describeOnDevices('a namespace', () => {
  it('takes settings and routes, and says what settings were before', async () => {
    using namespace = await Namespace.create()
    const before = await namespace.setSysctls({ 'net.ipv4.ip_forward': 0 })
    expect(before).to.have.all.keys('net.ipv4.ip_forward')
    expect(await namespace.setSysctls({ 'net/ipv4/ip_forward': 1 })).to.deep.equal({
      'net/ipv4/ip_forward': '0',
    })
    await namespace.addRoutes([{ to: '192.0.2.7', dev: 'lo' }])
    const routes = (): Promise<string> => run(['ip', 'route'], namespace.path)
    expect((await routes()).trim()).to.equal('192.0.2.7 dev lo proto static scope link')
    await namespace.removeRoutes([
      { to: '192.0.2.7', dev: 'lo' },
      { to: '192.0.2.8', dev: 'gone' },
    ])
    expect(await routes()).to.equal('')
    expect(await run(['cat', '/proc/sys/net/ipv4/ip_forward'], namespace.path)).to.equal('1')
  })
})
