/**
 * ubridge's console with interfaces: the sessions of containers, clouds and switches of GNS3's servers against the real
 * command, on kernel stacks of namespaces. Those without privilege are in test/unit/ubridge.test.ts.
 */
import { expect } from 'chai'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices, eventually, run, type Child } from '../helpers/kernel.js'
import { cable, Host, soon } from '../helpers/network.js'
import { Client, startUbridge } from '../helpers/ubridge.js'

/** A node of a server: its ubridge, and the console of that. */
interface Node {
  program: Child
  path: string
  /** Asks each line, and expects its answer, byte for byte. */
  says(...lines: [line: string, answer: string][]): Promise<void>
  /** Asks each line, and expects 100. */
  does(...lines: string[]): Promise<void>
  ask(line: string): Promise<string>
}

describeOnDevices("ubridge's console and interfaces", function () {
  this.timeout(120_000)
  const close = closing()
  let folder: string
  let machine: Host

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'etherloom-ubridge-'))
    close({ close: () => rmSync(folder, { recursive: true, force: true }) })
    mkdirSync(join(folder, 'run'), { mode: 0o700 })
    machine = close(await Host.create(9))
    await machine.run('ip', 'link', 'set', 'lo', 'up')
  })

  async function node(name: string): Promise<Node> {
    const path = join(folder, `${name}.sock`)
    const program = close(startUbridge(join(folder, 'run'), ['-U', path], machine.namespace.path))
    const client = close(await Client.to({ path }))
    const ask = (line: string): Promise<string> => client.ask(line)
    const does = async (...lines: string[]): Promise<void> => {
      for (const line of lines) expect(await ask(line), line).to.match(/^100-/)
    }
    const says = async (...lines: [line: string, answer: string][]): Promise<void> => {
      for (const [line, answer] of lines) expect(await ask(line), line).to.equal(`${answer}\r\n`)
    }
    return { program, path, ask, does, says }
  }

  const isInside = (host: Host, program: Child): Promise<unknown> =>
    eventually('it is in its namespace', async () => {
      const [own, its] = await Promise.all([
        run(['readlink', `/proc/${program.pid}/ns/net`]),
        host.run('readlink', '/proc/self/ns/net'),
      ])
      return own === its
    })

  /**
   * A container with a process in it, and its ubridge, as a server starts both. The TAPs have no carrier before there is a link.
   * For the next one the server takes the first name that the machine does not have, which is the same again once the one before
   * has moved.
   */
  async function container(number: number, adapters = 1): Promise<{ host: Host; node: Node }> {
    const host = close(await Host.create(number))
    const inside = host.start('sleep', 'infinity')
    const started = await node(`docker${number}`)
    await isInside(host, inside)
    for (let adapter = 0; adapter < adapters; adapter++)
      await started.does(
        `bridge create bridge${adapter}`,
        `bridge add_nio_tap bridge${adapter} tap-gns3-e0 off`,
        `docker set_mac_addr tap-gns3-e0 ${macOf(host, adapter)}`,
        `docker move_to_ns tap-gns3-e0 ${inside.pid} eth${adapter}`,
      )
    await host.run('ip', 'address', 'add', `${host.address}/24`, 'dev', 'eth0')
    await host.run('ip', 'link', 'set', 'eth0', 'up')
    return { host, node: started }
  }

  const macOf = ({ mac }: Host, adapter: number): string =>
    mac.replace(/^../, `0${(2 + 4 * adapter).toString(16)}`)

  const linkUp = (from: Node, local: number, remote: number, bridge = 'bridge0'): Promise<void> =>
    from.does(
      `bridge add_nio_udp ${bridge} ${local} 127.0.0.1 ${remote}`,
      `bridge start ${bridge}`,
      `bridge reset_packet_filters ${bridge}`,
      `bridge set_nio_tap_carrier ${bridge} on`,
    )

  it('containers: TAPs that are given an address and moved, without a carrier while there is no link', async () => {
    const [one, two] = [await container(1), await container(2)]
    expect((await one.host.link())?.address).to.equal(one.host.mac)
    expect((await one.host.link())?.flags).to.not.include('LOWER_UP')
    await linkUp(one.node, 10001, 10002)
    await linkUp(two.node, 10002, 10001)
    expect((await one.host.link())?.flags).to.include('LOWER_UP')
    expect(await one.host.ping(two.host, 5, 0.05)).to.include({ received: 5, duplicates: 0 })
    // A filter that changes while the link is in use.
    await one.node.does('bridge add_packet_filter bridge0 filter0 delay 20')
    const { shortest } = await one.host.ping(two.host, 3, 0.05)
    expect(shortest).to.be.at.least(40)
    // A suspended link.
    await one.node.does(
      'bridge reset_packet_filters bridge0',
      'bridge add_packet_filter bridge0 filter0 frequency_drop -1',
    )
    expect(await one.host.ping(two.host, 3, 0.01, soon)).to.include({ received: 0 })
    await one.node.does('bridge reset_packet_filters bridge0')
    expect(await one.host.ping(two.host, 3, 0.05)).to.include({ received: 3 })
    // The link goes, and comes back.
    const down = [
      'set_nio_tap_carrier bridge0 off',
      'stop bridge0',
      'remove_nio_udp bridge0 10001 127.0.0.1 10002',
    ]
    await one.node.does(...down.map((line) => `bridge ${line}`))
    expect((await one.host.link())?.flags).to.not.include('LOWER_UP')
    expect((await one.host.link())?.address).to.equal(one.host.mac)
    await linkUp(one.node, 10001, 10002)
    expect(await one.host.ping(two.host, 3, 0.05)).to.include({ received: 3, duplicates: 0 })
    // One ubridge is killed: its interface goes, and the other node goes on.
    await one.node.program.close()
    await eventually('its interface has gone', async () => (await one.host.link()) === undefined)
    expect(await two.node.ask('bridge list')).to.equal('101 bridge0 (NIOs = 2)\r\n100-OK\r\n')
    expect(await two.node.ask('hypervisor stop')).to.equal('100-OK\r\n')
    expect(await two.node.program.rest()).to.equal('')
    await eventually('its interface has gone', async () => (await two.host.link()) === undefined)
    expect(
      (await machine.ip<{ ifname: string }[]>('link', 'show')).map(({ ifname }) => ifname),
    ).to.deep.equal(['lo'])
  })

  it('containers with several adapters: each TAP has the name that the one before had until it moved', async () => {
    const adapters = 3
    const router = await container(1, adapters)
    const pcs = [await container(2), await container(3), await container(4)]
    for (const [adapter, pc] of pcs.entries()) {
      const { host } = pc
      const name = `eth${adapter}`
      expect((await router.host.link(name))?.address).to.equal(macOf(router.host, adapter))
      expect((await router.host.link(name))?.flags).to.not.include('LOWER_UP')
      if (adapter > 0) {
        await router.host.run('ip', 'link', 'set', name, 'up')
        await router.host.run('ip', 'route', 'add', `${host.address}/32`, 'dev', name)
        await host.run('ip', 'route', 'add', `${router.host.address}/32`, 'dev', 'eth0')
      }
      await linkUp(pc.node, 10011 + adapter, 10001 + adapter)
      await linkUp(router.node, 10001 + adapter, 10011 + adapter, `bridge${adapter}`)
      expect(await router.host.ping(host, 4, 0.05), name).to.include({ received: 4, duplicates: 0 })
    }
    // The link of one of them goes; the others go on, and it comes back.
    await router.node.does('bridge set_nio_tap_carrier bridge1 off', 'bridge stop bridge1')
    expect((await router.host.link('eth1'))?.flags).to.not.include('LOWER_UP')
    expect((await router.host.link('eth2'))?.flags).to.include('LOWER_UP')
    expect(await router.host.ping(pcs[2]!.host, 3, 0.05)).to.include({ received: 3 })
    await router.node.does('bridge start bridge1', 'bridge set_nio_tap_carrier bridge1 on')
    expect(await router.host.ping(pcs[1]!.host, 3, 0.05)).to.include({ received: 3 })
    // A name is refused while its interface is here.
    await router.node.does('bridge create one', 'bridge create other', 'bridge add_nio_tap one tap-gns3-e0')
    expect(await router.node.ask('bridge add_nio_tap other tap-gns3-e0')).to.match(
      /^206-.*already another port's/,
    )
    await router.node.does('bridge delete one', 'bridge delete other')
    // The container ends, and its interfaces with it: what there is of that name is one of its own, and commands go on.
    await router.host.close()
    for (const line of [
      'create last',
      'add_nio_udp last 10021 127.0.0.1 10022',
      'delete bridge1',
      'delete last',
    ])
      await router.node.does(`bridge ${line}`)
    expect(await router.node.ask('hypervisor stop')).to.equal('100-OK\r\n')
    expect(await router.node.program.rest()).to.equal('')
    const left = (await machine.ip<{ ifname: string }[]>('link', 'show')).map(({ ifname }) => ifname)
    expect(left).to.deep.equal(['lo'])
  })

  it('clouds: a packet socket on an interface, and a TAP on a bridge of the kernel; filters come before the second NIO', async () => {
    const pc = await container(1)
    const outside = close(await Host.create(5))
    await cable(outside, machine, 'uplink')
    await linkUp(pc.node, 10001, 10002)
    const cloud = await node('cloud')
    await cloud.does(
      'bridge create cloud-1',
      'bridge add_nio_udp cloud-1 10002 127.0.0.1 10001',
      'bridge reset_packet_filters cloud-1',
      'bridge add_packet_filter cloud-1 filter0 delay 10',
      'bridge add_nio_linux_raw cloud-1 uplink',
      `bridge start_capture cloud-1 "${join(folder, 'cloud.pcap')}" EN10MB`,
      'bridge start cloud-1',
    )
    const raw = await pc.host.ping(outside, 4, 0.05)
    expect(raw).to.include({ received: 4, duplicates: 0 })
    expect(raw.shortest).to.be.at.least(20)
    await cloud.does('bridge stop_capture cloud-1', 'bridge delete cloud-1')
    const seen = await run(['tcpdump', '-nr', join(folder, 'cloud.pcap'), 'icmp'])
    expect(seen.match(/ICMP echo (request|reply)/g)).to.have.length(8)
    // The same over a bridge of the host.
    await cloud.does(
      'brctl create br0',
      'link set br0 up',
      'brctl addif br0 uplink',
      'bridge create cloud-1',
      'bridge add_nio_udp cloud-1 10002 127.0.0.1 10001',
      'bridge add_nio_tap cloud-1 gns3tap0-0',
      'brctl addif br0 gns3tap0-0',
      'bridge start cloud-1',
    )
    expect(await cloud.ask('brctl show br0')).to.equal('101 br0: uplink gns3tap0-0\r\n100-OK\r\n')
    expect(await pc.host.ping(outside, 4, 0.05)).to.include({ received: 4, duplicates: 0 })
    expect(await cloud.ask('brctl delete br0')).to.equal("207-bridge 'br0' still has uplink, gns3tap0-0\r\n")
    await cloud.does('bridge delete cloud-1')
    expect(await cloud.ask('brctl show')).to.equal('101 br0: uplink\r\n100-OK\r\n')
    await cloud.does('brctl delif br0 uplink', 'brctl delete br0', 'hypervisor stop')
    expect(await cloud.program.rest()).to.equal('')
  })

  it('switches: ports of a bridge of the kernel, with VLANs where the kernel has them', async () => {
    const pcs = [await container(1), await container(2)] as const
    for (const [index, pc] of pcs.entries()) await linkUp(pc.node, 10001 + index, 11001 + index)
    const lan = await node('switch')
    expect(await lan.ask('brctl delete sw0')).to.match(/^207-/)
    await lan.does('brctl create sw0', 'link set sw0 up')
    const vlans = await lan.ask('brctl vlanfiltering sw0 on')
    const hasVlans = vlans.startsWith('100-')
    if (!hasVlans) expect(vlans).to.match(/^215-ip link set dev sw0 .*: Operation not supported\r\n$/)
    for (const index of pcs.keys()) {
      await lan.does(
        `bridge create port${index}`,
        `bridge add_nio_tap port${index} sw0-${index}`,
        `brctl addif sw0 sw0-${index}`,
      )
      if (hasVlans)
        await lan.does(
          `brctl vlan_del sw0 sw0-${index} 1`,
          `brctl vlan_add sw0 sw0-${index} ${10 + index} pvid untagged`,
        )
      await lan.does(
        `bridge add_nio_udp port${index} ${11001 + index} 127.0.0.1 ${10001 + index}`,
        `bridge start port${index}`,
      )
    }
    if (hasVlans) {
      expect(await pcs[0].host.ping(pcs[1].host, 3, 0.01, soon)).to.include({ received: 0 })
      await lan.does('brctl vlan_del sw0 sw0-1 11', 'brctl vlan_add sw0 sw0-1 10 pvid untagged')
    }
    expect(await pcs[0].host.ping(pcs[1].host, 3, 0.05)).to.include({ received: 3, duplicates: 0 })
    await lan.does('brctl delif sw0 sw0-1', 'bridge delete port1')
    expect(await lan.ask('brctl delif sw0 sw0-1')).to.equal("214-bridge 'sw0' has no 'sw0-1'\r\n")
  })

  it('virtual machines of VMware: the packet socket comes first, and may be told to leave frames out', async () => {
    const pc = await container(1)
    const machineOfVMware = close(await Host.create(5))
    await cable(machineOfVMware, machine, 'vmnet1')
    await linkUp(pc.node, 10001, 10002)
    const vm = await node('vmware')
    const file = join(folder, 'vmware.pcap')
    await vm.says(
      ['bridge create vnet0', "100-bridge 'vnet0' created"],
      ['bridge add_nio_linux_raw vnet0 vmnet1', "100-NIO linux_raw added to bridge 'vnet0'"],
      [`bridge add_nio_udp vnet0 10002 127.0.0.1 10001`, "100-NIO UDP added to bridge 'vnet0'"],
      [`bridge start_capture vnet0 "${file}" EN10MB`, "100-bridge 'vnet0' is recorded"],
      ['bridge start vnet0', "100-bridge 'vnet0' started"],
      ['bridge reset_packet_filters vnet0', '100-OK'],
      ['bridge add_packet_filter vnet0 filter0 delay 10', "100-filter 'filter0' added to bridge 'vnet0'"],
    )
    const delayed = await pc.host.ping(machineOfVMware, 3, 0.05)
    expect(delayed).to.include({ received: 3, duplicates: 0 })
    expect(delayed.shortest).to.be.at.least(20)
    // A link that is suspended, and resumed.
    await vm.says(
      ['bridge reset_packet_filters vnet0', '100-OK'],
      [
        'bridge add_packet_filter vnet0 filter0 frequency_drop -1',
        "100-filter 'filter0' added to bridge 'vnet0'",
      ],
    )
    expect(await pc.host.ping(machineOfVMware, 2, 0.01, soon)).to.include({ received: 0 })
    await vm.says(['bridge reset_packet_filters vnet0', '100-OK'])
    expect(await pc.host.ping(machineOfVMware, 3, 0.05)).to.include({ received: 3 })
    // What comes from one address stays out.
    const blocked = `not ether src ${machineOfVMware.mac}`
    await vm.says(
      [`bridge set_pcap_filter vnet0 "${blocked}"`, "100-filter of bridge 'vnet0' set"],
      [
        'bridge set_pcap_filter vnet0 "arp or"',
        "206-failed to set the filter: Cannot compile filter 'arp or': syntax error; the filter 'arp or' cannot be compiled: can't parse filter expression: syntax error",
      ],
    )
    expect(await pc.host.ping(machineOfVMware, 2, 0.01, soon)).to.include({ received: 0 })
    await vm.says(['bridge set_pcap_filter vnet0 ""', "100-filter of bridge 'vnet0' removed"])
    expect(await pc.host.ping(machineOfVMware, 3, 0.05)).to.include({ received: 3 })
    await vm.says(
      ['bridge stop_capture vnet0', "100-bridge 'vnet0' is recorded no more"],
      ['bridge delete vnet0', "100-bridge 'vnet0' deleted"],
      ['hypervisor stop', '100-OK'],
    )
    const seen = await run(['tcpdump', '-nr', file, 'icmp'])
    expect(seen.match(/ICMP echo reply/g)).to.have.length(9)
    expect(await vm.program.rest()).to.equal('')
  })

  it('containers on bridges of the kernel, as of servers that use its data path, and the relay to another link', async () => {
    const host = close(await Host.create(1))
    const inside = host.start('sleep', 'infinity')
    const docker = await node('docker')
    await isInside(host, inside)
    await docker.does(
      'docker create_veth gdabe0 gdabi0',
      'link set gdabe0 down',
      `docker set_mac_addr gdabi0 ${host.mac}`,
      `docker move_to_ns gdabi0 ${inside.pid} eth0`,
    )
    await host.run('ip', 'address', 'add', `${host.address}/24`, 'dev', 'eth0')
    await host.run('ip', 'link', 'set', 'eth0', 'up')
    await docker.says(
      [
        'docker delete_veth gdabe1',
        '207-ip -json link show dev gdabe1 type veth: Device "gdabe1" does not exist.',
      ],
      ['brctl create gns3br', "100-bridge 'gns3br' created"],
      ['brctl show gns3br', '101 gns3br:\r\n100-OK'],
      ['link set gns3br up', "100-'gns3br' is up"],
      ['brctl addif gns3br gdabe0', "100-'gdabe0' added to 'gns3br'"],
      ['link set gdabe0 up', "100-'gdabe0' is up"],
    )
    expect(await docker.ask('brctl create gns3br')).to.match(/^206-.*File exists\r\n$/)
    // To a node that has a bridge of ubridge.
    const pc = await container(2)
    await linkUp(pc.node, 10001, 10002)
    await docker.does('docker create_veth relay0 relay1', 'brctl addif gns3br relay0')
    await docker.says(
      ['bridge create relay', "100-bridge 'relay' created"],
      ['link set relay1 up', "100-'relay1' is up"],
      ['bridge add_nio_ethernet relay relay1', "100-NIO ethernet added to bridge 'relay'"],
      ['bridge add_nio_udp relay 10002 127.0.0.1 10001', "100-NIO UDP added to bridge 'relay'"],
      ['bridge start relay', "100-bridge 'relay' started"],
      ['bridge reset_packet_filters relay', '100-OK'],
    )
    expect(await pc.host.ping(host, 3, 0.05)).to.include({ received: 3, duplicates: 0 })
    await docker.says(
      ['bridge delete relay', "100-bridge 'relay' deleted"],
      ['link set gdabe0 down', "100-'gdabe0' is down"],
      ['brctl delif gns3br gdabe0', "100-'gdabe0' removed from 'gns3br'"],
      ['brctl delif gns3br relay0', "100-'relay0' removed from 'gns3br'"],
      ['brctl delete gns3br', "100-bridge 'gns3br' deleted"],
      ['docker delete_veth relay0', "100-veth 'relay0' deleted"],
      ['docker delete_veth gdabe0', "100-veth 'gdabe0' deleted"],
      ['hypervisor stop', '100-OK'],
    )
  })

  it('a command of which the kernel does a part and refuses the other changes nothing', async () => {
    const docker = await node('docker')
    await docker.does('docker create_veth here there', 'link set here down', 'brctl create br0')
    expect(await docker.ask('docker create_veth new there')).to.match(/^206-.*File exists/)
    expect(await machine.link('new')).to.equal(undefined)
    expect(await docker.ask('brctl addif there here')).to.match(/^215-/) // a veth has no ports
    expect((await machine.link('here'))?.flags).to.not.include('UP')
    expect(await docker.ask('brctl show br0')).to.equal('101 br0:\r\n100-OK\r\n')
  })

  it('veth pairs are made and deleted, and what is no veth is not', async () => {
    const docker = await node('docker')
    await docker.does('docker create_veth veth-a veth-b')
    expect((await machine.link('veth-a'))?.flags).to.include('UP')
    await docker.does('link set veth-b up', 'link set veth-a down', 'docker delete_veth veth-a')
    expect(await machine.link('veth-b')).to.equal(undefined)
    expect(await docker.ask('docker delete_veth veth-a')).to.match(/^207-.*veth-a.*\r\n$/)
    expect(await docker.ask('docker move_to_ns lo 999999999 eth0')).to.match(/^204-/)
  })

  it('answers no other user, whatever the rights of its path', async () => {
    const started = await node('node')
    const { path } = started
    chmodSync(folder, 0o755)
    chmodSync(path, 0o666)
    const program = `
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
try:
    client.sendall(b'hypervisor version\\n')
    print(client.recv(100))
except (BrokenPipeError, ConnectionResetError):
    print(b'')`
    const as = (user: number): Promise<string> =>
      run([
        'setpriv',
        '--reuid',
        `${user}`,
        '--regid',
        `${user}`,
        '--clear-groups',
        '/usr/bin/python3',
        '-c',
        program,
        path,
      ])
    expect(await as(65534)).to.equal("b''")
    expect(await as(0)).to.equal("b'100-1.2.3\\r\\n'")
    expect(await started.ask('hypervisor stop')).to.equal('100-OK\r\n')
    await eventually('the path is gone', () => !existsSync(path))
  })
})
