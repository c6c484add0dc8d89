/** The gateway of a TAP, with everything in namespaces of the test's own: the machine, its outside, its guests. */
import { expect } from 'chai'
import { EtherloomError, Hub, Network, TapPort, type GatewayOptions, type Topology } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import { describeUnless, eventually, lacksNetwork, lacksProgram } from '../helpers/kernel.js'
import { cable, Host, processesIn, soon, startHub } from '../helpers/network.js'

const forwarding = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/forwarding`

/** The machine with the gateway, behind whose interface `uplink` the outside is: another host, 10.0.0.5. */
async function machineAndOutside(close: (host: Host) => Host): Promise<{ machine: Host; outside: Host }> {
  const machine = close(await Host.create(9))
  const outside = close(await Host.create(5))
  await cable(outside, machine, 'uplink')
  await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
  return { machine, outside }
}

/** The machine's end of the fabric. */
const gatewayTap = (machine: Host, gateway: GatewayOptions, options = {}): TapPort =>
  new TapPort({
    name: 'tap0',
    addresses: ['10.0.77.1/24'],
    namespace: machine.namespace.path,
    gateway,
    ...options,
  })

/** The names of the programs that run in the host's namespace. */
const programsIn = async (host: Host): Promise<string[]> =>
  (await processesIn(host)).map(({ name }) => name).sort()

/** What a gateway could leave behind in its host. */
async function traces(host: Host): Promise<object> {
  return {
    programs: await programsIn(host),
    tables: await host.run('nft', 'list', 'tables'),
    uplink: (await host.run('cat', forwarding('uplink'))).trim(),
    machine: (await host.run('cat', '/proc/sys/net/ipv4/ip_forward')).trim(),
    tap: (await host.link('tap0')) !== undefined,
  }
}

const nothing = { programs: [], tables: '', uplink: '0', machine: '0', tap: false }

describeUnless(
  lacksNetwork() ?? lacksProgram('nft', 'dnsmasq', 'busybox'),
  'the gateway of a TAP',
  function () {
    this.timeout(120_000)
    const close = closing()

    /** A guest with an address of the subnet and a route through the gateway. */
    async function guest(hub: Hub, number: number): Promise<Host> {
      const host = close(await Host.create(number))
      await hub.attach(host.tap({ addresses: [`10.0.77.${number}/24`] }))
      await host.ip('route', 'add', 'default', 'via', '10.0.77.1')
      return host
    }

    it('leads every host of a hub outside, each answer coming once, and closes without a trace', async () => {
      const { machine, outside } = await machineAndOutside(close)
      const hub = close(new Hub())
      await hub.attach(gatewayTap(machine, { interface: 'uplink' }))
      for (const number of [2, 3]) {
        const host = await guest(hub, number)
        expect(await host.ping(outside, 10, 0.01)).to.include({ sent: 10, received: 10, duplicates: 0 })
      }
      expect(await machine.run('nft', 'list', 'tables')).to.match(
        /^table ip (etherloom-guard\/tap0\/uplink\/\d+\/\d+\/0\/\d+\/0\ntable ip )?etherloom\/tap0\/uplink\/\d+$/,
      )
      await hub.close()
      expect(await traces(machine)).to.deep.equal(nothing)
    })

    it('is undone when its port is detached, before that has returned', async () => {
      const { machine } = await machineAndOutside(close)
      const hub = close(new Hub())
      await hub.attach(gatewayTap(machine, { interface: 'uplink', dhcp: true, dns: true }))
      expect(await programsIn(machine)).to.include('dnsmasq')
      await hub.detach('tap0')
      expect(await traces(machine)).to.deep.equal(nothing)
    })

    it('lets nobody outside begin, and nobody inside leave by another interface', async () => {
      const { machine, outside } = await machineAndOutside(close)
      const other = close(await Host.create(6))
      await other.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other')
      await other.ip('link', 'set', 'other', 'netns', machine.namespace.path)
      await other.ip('address', 'add', '10.0.6.6/24', 'dev', 'eth0')
      await other.ip('link', 'set', 'eth0', 'up')
      await machine.ip('link', 'set', 'other', 'up')
      await machine.ip('address', 'add', '10.0.6.1/24', 'dev', 'other')
      for (const host of [outside, other])
        await host.ip('route', 'add', 'default', 'via', host === other ? '10.0.6.1' : machine.address)
      const hub = close(new Hub())
      await hub.attach(gatewayTap(machine, { interface: 'uplink' }))
      const inside = await guest(hub, 2)

      expect(await outside.ping('10.0.77.2', 3, 0.01, soon)).to.include({ received: 0 })
      expect(await outside.ping('10.0.6.6', 3, 0.01, soon)).to.include({ received: 0 })
      expect(await inside.ping('10.0.6.6', 3, 0.01, soon)).to.include({ received: 0 })
      expect(await inside.ping(outside, 3, 0.01)).to.include({ received: 3 })
    })

    it('gives addresses to a DHCP client and answers for names', async () => {
      const { machine, outside } = await machineAndOutside(close)
      const names = outside.start(
        ...[
          'sh',
          '-c',
          'exec "$@" 2>&1',
          'sh',
          'dnsmasq',
          '--conf-file=/dev/null',
          '--keep-in-foreground',
          '--pid-file=',
          '--no-resolv',
        ],
        ...['--address=/answer.test/192.0.2.7', '--log-facility=-', '--no-hosts'],
      )
      expect(await names.line()).to.match(/started, version/)
      const hub = close(new Hub())
      const dhcp = { from: '10.0.77.100', to: '10.0.77.100' }
      await hub.attach(gatewayTap(machine, { interface: 'uplink', dhcp, dns: [outside.address] }))
      const host = close(await Host.create(2))
      await hub.attach(host.tap({ addresses: [] }))

      const lease = await host.lease()
      expect(lease).to.contain('10.0.77.100/24 via 10.0.77.1, names from 10.0.77.1')
      expect(await host.ping(outside, 3, 0.01)).to.include({ received: 3, duplicates: 0 })
      expect(await host.run('busybox', 'nslookup', '-type=a', 'answer.test', '10.0.77.1')).to.contain(
        '192.0.2.7',
      )
      await hub.close()
      await names.close()
      expect(await traces(machine)).to.deep.equal(nothing)
    })

    it('leaves nothing after kill -9', async () => {
      const { machine } = await machineAndOutside(close)
      const tap = { name: 'tap0', addresses: ['10.0.77.1/24'], gateway: { interface: 'uplink', dhcp: true } }
      const { program, code, message } = await startHub([{ tap }], { host: machine })
      expect(code, message).to.be.undefined
      expect(await programsIn(machine)).to.include.members(['dnsmasq', 'nft'])
      expect(await traces(machine)).to.deep.include({ uplink: '1', tap: true })

      await program.close()
      await eventually('nothing of it is left', async () => {
        const left = await traces(machine)
        return JSON.stringify(left) === JSON.stringify(nothing)
      })
    })

    it('shares its outside with the gateways of other processes; who goes last sets forwarding back', async () => {
      const { machine, outside } = await machineAndOutside(close)
      const tap = { name: 'tap1', addresses: ['10.0.78.1/24'], gateway: { interface: 'uplink' } }
      const { program, code, message } = await startHub([{ tap }], { host: machine })
      expect(code, message).to.be.undefined
      const hub = close(new Hub())
      await hub.attach(gatewayTap(machine, { interface: 'uplink' }))
      const host = await guest(hub, 2)

      await program.close()
      await eventually("the other's table is gone", async () => {
        const tables = await machine.run('nft', 'list', 'tables')
        return (
          !tables.includes('tap1') &&
          (await programsIn(machine)).filter((name) => name === 'nft').length === 1
        )
      })
      expect(await host.ping(outside, 5, 0.01)).to.include({ received: 5, duplicates: 0 })
      await hub.close()
      expect(await traces(machine)).to.deep.equal(nothing)
    })

    it('begins and ends while another user of the machine locks what they can open', async () => {
      const { machine } = await machineAndOutside(close)
      const locks = 'exec 8< /proc/self/ns/net && flock 8 && echo locked && read -r _'
      const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
      const stranger = machine.start(...nobody, 'sh', '-c', locks)
      expect(await stranger.line()).to.equal('locked')
      const hub = close(new Hub())
      await hub.attach(gatewayTap(machine, { interface: 'uplink' }))
      await hub.close()
      await stranger.close()
      expect(await traces(machine)).to.deep.equal(nothing)
    })

    it('leaves forwarding on where it was on', async () => {
      const { machine } = await machineAndOutside(close)
      await machine.run('sh', '-c', `echo 1 > ${forwarding('uplink')}`)
      const hub = close(new Hub())
      await hub.attach(gatewayTap(machine, { interface: 'uplink' }))
      await hub.close()
      expect(await traces(machine)).to.deep.equal({ ...nothing, uplink: '1' })
    })

    it('comes back with its interface', async () => {
      const { machine, outside } = await machineAndOutside(close)
      const hub = close(new Hub())
      const port = await hub.attach(gatewayTap(machine, { interface: 'uplink', dhcp: true }))
      const host = await guest(hub, 2)
      const up = new Promise<void>((resolve) => port.once('up', resolve))
      const down = new Promise((resolve) => port.once('down', resolve))
      await machine.ip('link', 'delete', 'tap0')
      await down
      await machine.run('ip', 'tuntap', 'add', 'tap0', 'mode', 'tap')
      await up
      expect(await host.ping(outside, 5, 0.01)).to.include({ received: 5, duplicates: 0 })
      expect((await programsIn(machine)).filter((name) => name === 'dnsmasq')).to.have.length(1)
    })

    it('stands in a user namespace too, where nobody else is to become', async () => {
      const { machine } = await machineAndOutside(close)
      const tap = { name: 'tap0', addresses: ['10.0.77.1/24'], gateway: { interface: 'uplink', dhcp: true } }
      const uplink = `sysctl -qw net.ipv4.ip_forward=0 && ip link add uplink type veth peer name far && ip link set far up && ip link set uplink up &&
      ip address add 10.0.0.9/24 dev uplink && exec "$@"`
      const before = ['unshare', '--user', '--map-root-user', '--net', 'sh', '-c', uplink, 'sh']
      const { code, message } = await startHub([{ tap }], { before, host: machine })
      expect(code, message).to.be.undefined
    })

    it('stands in a topology, which names the port where it cannot be', async () => {
      const tap = `etl-${process.pid}` // among the interfaces of this machine
      const out = { tap, addresses: ['10.0.77.1/24'], gateway: { interface: 'no-such-one' } }
      const topology: Topology = { fabrics: { lan: { kind: 'hub', ports: { out } } } }
      const error = await Network.up(topology).catch((error: unknown) => error)
      expect(error).to.be.instanceOf(EtherloomError)
      expect((error as EtherloomError).message).to.contain(
        `port lan.out: the gateway of '${tap}' leads to 'no-such-one', an interface that does not exist`,
      )
    })

    describe('refuses, and leaves nothing half done', () => {
      const refused = async (machine: Host, gateway: GatewayOptions, options = {}): Promise<string> => {
        const hub = close(new Hub())
        const error = await hub.attach(gatewayTap(machine, gateway, options)).then(
          () => undefined,
          (error: unknown) => error as EtherloomError,
        )
        expect(await traces(machine)).to.deep.equal(nothing)
        return `${error?.code}: ${error?.message}`
      }

      it('an interface that does not exist', async () => {
        const { machine } = await machineAndOutside(close)
        expect(await refused(machine, { interface: 'uplnk' })).to.equal(
          "ERR_ETHERLOOM_NAME: the gateway of 'tap0' leads to 'uplnk', an interface that does not exist; did you mean 'uplink'?; there is uplink",
        )
      })

      it('one without an address, and one that is down', async () => {
        const { machine } = await machineAndOutside(close)
        await machine.run('ip', 'address', 'flush', 'dev', 'uplink')
        expect(await refused(machine, { interface: 'uplink' })).to.match(
          /^ERR_ETHERLOOM_DEVICE: .*'uplink', which has no IPv4 address; set it up with an address/,
        )
        await machine.ip('link', 'set', 'uplink', 'down')
        expect(await refused(machine, { interface: 'uplink' })).to.match(/'uplink', which is down;/)
      })

      it('a subnet that another interface has', async () => {
        const { machine } = await machineAndOutside(close)
        expect(await refused(machine, { interface: 'uplink' }, { addresses: ['10.0.0.77/16'] })).to.equal(
          "ERR_ETHERLOOM_OPTION: the subnet of 'tap0', 10.0.0.0/16, overlaps with 'uplink', which has 10.0.0.9/24; give the TAP an address of a subnet that nothing else uses",
        )
      })

      it('a port that another DHCP server has, in the words of dnsmasq', async () => {
        const { machine } = await machineAndOutside(close)
        const taken = machine.start(
          'python3',
          '-c',
          'import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(("",67))\nprint("ready",flush=True)\nsys.stdin.read()',
        )
        expect(await taken.line()).to.equal('ready')
        const hub = close(new Hub())
        const error = await hub
          .attach(gatewayTap(machine, { interface: 'uplink', dhcp: true }))
          .catch((error: unknown) => error as EtherloomError)
        expect(error).to.include({ code: 'ERR_ETHERLOOM_DEVICE' })
        expect((error as EtherloomError).message).to.match(
          /Address already in use; another DHCP or DNS server/,
        )
        await taken.close()
        expect(await traces(machine)).to.deep.equal(nothing)
      })

      it('without dnsmasq, and without the privilege', async () => {
        const { machine } = await machineAndOutside(close)
        const tap = { name: 'tap0', addresses: ['10.0.77.1/24'], gateway: { interface: 'uplink', dns: true } }
        const hide = 'mount --bind /dev/null "$(command -v dnsmasq)" && exec "$@"'
        const hidden = await startHub([{ tap }], {
          before: ['unshare', '--mount', 'sh', '-c', hide, 'sh'],
          host: machine,
        })
        expect(hidden).to.deep.include({
          code: 'ERR_ETHERLOOM_UNSUPPORTED',
          message:
            "the gateway of 'tap0' (dns) needs dnsmasq, which is not installed; install the package dnsmasq-base",
        })
        await hidden.program.rest()
        expect(await traces(machine)).to.deep.equal(nothing)

        const powerless = await startHub([{ tap }], {
          before: ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'],
          host: machine,
        })
        expect(powerless).to.include({ code: 'ERR_ETHERLOOM_PRIVILEGE' })
        expect(powerless.message).to.contain('CAP_NET_ADMIN')
        await powerless.program.rest()
        expect(await traces(machine)).to.deep.equal(nothing)
      })
    })
  },
)
