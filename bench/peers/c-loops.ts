// The least that user space can do, in one thread of a C program: the limits. They are spared what etherloom does on top:
// the other direction, decisions, counters, a clock.

import { stat } from 'node:fs/promises'
import { built } from '../build.js'
import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName, type Network } from '../network.js'

/** `flood`: from the first port to all others. `switch`: from every port to that of the destination address. */
export type Pattern = 'flood' | 'switch'

/** Why there can be no TAPs. */
export const tapProbe = () => probe('ip', 'tuntap', 'add', 'dev', portName, 'mode', 'tap')

/** The network's ports as the C programs take them. */
export function placesOf(network: Network): string[] {
  return network.ports.map(({ host, name }) => `${name}@${host.path}`)
}

/** A program that runs on the forwarder's core and has nothing to state. */
export function forwarder(
  name: string,
  unavailable: Peer['unavailable'],
  command: (network: Network) => string[] | Promise<string[]>,
): Peer {
  return {
    name,
    unavailable,
    async start(network, { machine }) {
      const child = await network.start(await command(network), { core: machine.forwarderCore })
      return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
    },
  }
}

/** read() on one TAP, write() on the others; a system call per frame and copy. */
export const readWriteLoop = (pattern: Pattern) =>
  forwarder('C loop, read and write', tapProbe, (network) => [
    built('tap_forward'),
    pattern,
    ...placesOf(network),
  ])

const uring = (name: string, ...options: string[]) =>
  forwarder(
    name,
    async () => (await tapProbe()) ?? probe(built('tap_forward_uring'), 'probe'),
    (network) => [built('tap_forward_uring'), ...options, ...placesOf(network)],
  )

/** The same over io_uring: a system call per burst. */
export const uringLoop = (pattern: Pattern) => uring('C loop, io_uring', pattern)

/** The same on TAPs with virtio-net headers, as a hypervisor has them. */
export const uringHeaderLoop = (pattern: Pattern) => uring('C loop, io_uring, headers', pattern, '--headers')

/** Reads and drops: what a TAP takes in at the most. */
export const uringDiscard = uring('TAP, read and dropped', 'discard')

/** From one ring of AF_PACKET to another, on existing interfaces. */
export const packetRingLoop = forwarder(
  'C loop, AF_PACKET rings',
  () =>
    stat(built('packet_ring_forward')).then(
      () => probe('ip', 'link', 'add', 'name', portName, 'type', 'veth'),
      () => 'bench/native/packet_ring_forward.c is not there',
    ),
  async (network) => {
    const { between, names } = await network.legs()
    return [built('packet_ring_forward'), ...names.flatMap((name) => [name, between.path])]
  },
)
