// etherloom with its defaults, in a process of its own on the forwarder's core: a default-deny hub that allows the paths
// from the first port to the others, or a switch.

import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName, type Network } from '../network.js'
import type { EtherloomConfig } from '../programs/etherloom.js'
import { tapProbe } from './c-loops.js'
import { libraryIsMissing, startProgram } from './programs.js'

/** A hub on TAPs; `rules` is how many paths have an explicit policy, those that are allowed included. */
export const etherloomHub = ({ rules = 0 } = {}): Peer =>
  etherloom('etherloom hub', tapProbe, (network) => ({
    fabric: 'hub',
    rules,
    ports: tapsOf(network),
  }))

/** A switch on TAPs. */
export const etherloomSwitch: Peer = etherloom('etherloom switch', tapProbe, (network) => ({
  fabric: 'switch',
  rules: 0,
  ports: tapsOf(network),
}))

/** A hub on packet sockets: the ports of the hosts are veths, whose other ends it joins. */
export const etherloomPacketHub: Peer = etherloom(
  'etherloom hub, PacketPort',
  () => probe('ip', 'link', 'add', 'name', portName, 'type', 'veth'),
  async (network) => {
    const { between, names } = await network.legs()
    const ports = names.map((name) => ({
      kind: 'packet' as const,
      interface: name,
      namespace: between.path,
    }))
    return { fabric: 'hub', rules: 0, ports }
  },
)

function tapsOf({ ports }: Network): EtherloomConfig['ports'] {
  return ports.map(({ host, name }) => ({ kind: 'tap', interface: name, namespace: host.path }))
}

function etherloom(
  name: string,
  probeDevices: Peer['unavailable'],
  configure: (network: Network) => EtherloomConfig | Promise<EtherloomConfig>,
): Peer {
  return {
    name,

    unavailable: async () => (await libraryIsMissing()) ?? probeDevices(),

    start: async (network, { machine }) =>
      startProgram(network, 'etherloom', await configure(network), { core: machine.forwarderCore }),
  }
}
