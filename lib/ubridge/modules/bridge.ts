/** Bridges of two NIOs: their life, their filters, what is recorded of them and counted. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { quote } from '../../values/quote.js'
import { niosOf, type Nio } from '../bridge.js'
import { hostOf, interfaceName, onOff, udpPort, type Command, type Module } from '../command.js'
import { compileIn, readFilter } from '../filters.js'
import { codes, Refusal } from '../replies.js'

/** The address of a host: of version 4 where it has one, as its peers have. */
async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host
  hostOf(host)
  const found = await lookup(host, { all: true }).catch(() => [])
  const best = found.find(({ family }) => family === 4) ?? found[0]
  if (best === undefined) throw new Refusal(codes.create, `the name ${quote(host)} leads to no address`)
  return best.address
}

/** Receives from all networks, but where its peer is on this machine from that alone. Only from the peer, in any case. */
async function udpNio(local: string, host: string, remote: string): Promise<Nio> {
  const [here, there] = [udpPort(local), udpPort(remote)]
  const peer = await addressOf(host)
  const any = isIP(peer) === 6 ? '[::]' : '0.0.0.0'
  const from = peer === '127.0.0.1' ? peer : any
  return {
    kind: 'udp',
    key: `${here}`,
    port: { udp: `${from}:${here}`, remote: `${hostOf(peer)}:${there}` },
  }
}

const removeUdp: Command = {
  words: [2, 4],
  fault: codes.remove,
  async run(console, name = '', local = '') {
    await console.removeNio(name, 'udp', `${udpPort(local)}`)
    return `NIO UDP removed from bridge ${quote(name)}`
  },
}

/** A packet socket on an interface. */
const addPacket = (kind: 'linux_raw' | 'ethernet'): Command => ({
  words: [2, 2],
  fault: codes.create,
  async run(console, name = '', word = '') {
    const key = interfaceName(word)
    await console.addNio(name, { kind, key, port: { packet: key } })
    return `NIO ${kind} added to bridge ${quote(name)}`
  },
})

export const bridge: Module = {
  create: {
    words: [1, 1],
    fault: codes.create,
    async run(console, name = '') {
      await console.create(name)
      return `bridge ${quote(name)} created`
    },
  },
  delete: {
    words: [1, 1],
    fault: codes.remove,
    async run(console, name = '') {
      await console.delete(name)
      return `bridge ${quote(name)} deleted`
    },
  },
  start: {
    words: [1, 1],
    fault: codes.start,
    async run(console, name = '') {
      await console.start(name)
      return `bridge ${quote(name)} started`
    },
  },
  stop: {
    words: [1, 1],
    fault: codes.stop,
    async run(console, name = '') {
      await console.stop(name)
      return `bridge ${quote(name)} stopped`
    },
  },
  rename: {
    words: [2, 2],
    fault: codes.rename,
    run(console, name = '', other = '') {
      console.rename(name, other)
      return `bridge ${quote(name)} renamed to ${quote(other)}`
    },
  },
  list: {
    words: [0, 0],
    fault: codes.other,
    run: (console) => ({
      text: 'OK',
      details: [...console.bridges].map(([name, each]) => `${name} (NIOs = ${niosOf(each).length})`),
    }),
  },
  show: {
    words: [1, 1],
    fault: codes.other,
    run(console, name = '') {
      const found = console.bridge(name)
      const nios = niosOf(found).map(([side, { kind, key }]) => `${side} NIO: ${kind} ${key}`)
      const filters = found.filters.map(
        (each) => `filter ${each.name}: ${each.type}${each.on ? '' : ' (off)'}`,
      )
      const state = `bridge ${quote(name)} is ${found.started ? 'running' : 'stopped'}; its fabric is ${found.fabric}`
      return { text: 'OK', details: [state, ...nios, ...filters] }
    },
  },
  get_stats: {
    words: [1, 1],
    fault: codes.other,
    run(console, name = '') {
      const heads = { source: 'Source NIO:     ', destination: 'Destination NIO:' }
      const details = console.counts(name).map(([side, { received, transmitted }]) => {
        const [into, out] = [received, transmitted].map(
          ({ frames, bytes }) => `${frames} packets (${bytes} bytes)`,
        )
        return `${heads[side]} IN: ${into} OUT: ${out}`
      })
      return { text: 'OK', details }
    },
  },
  reset_stats: {
    words: [1, 1],
    fault: codes.other,
    run(console, name = '') {
      console.resetCounts(name)
      return 'OK'
    },
  },
  add_nio_udp: {
    words: [4, 4],
    fault: codes.create,
    async run(console, name = '', local = '', host = '', remote = '') {
      await console.addNio(name, await udpNio(local, host, remote))
      return `NIO UDP added to bridge ${quote(name)}`
    },
  },
  delete_nio_udp: removeUdp,
  remove_nio_udp: removeUdp,
  add_nio_unix: {
    words: [3, 3],
    fault: codes.create,
    async run(console, name = '', local = '', remote = '') {
      await console.addNio(name, {
        kind: 'unix',
        key: local,
        port: { socket: remote, local, framing: 'datagram' },
      })
      return `NIO UNIX added to bridge ${quote(name)}`
    },
  },
  add_nio_tap: {
    words: [2, 3],
    fault: codes.create,
    async run(console, name = '', word = '', carrier = 'on') {
      const key = interfaceName(word)
      const port = { tap: key, ...(!onOff(carrier) && { carrier: false }) }
      await console.addNio(name, { kind: 'tap', key, port })
      return `NIO TAP added to bridge ${quote(name)}`
    },
  },
  delete_nio_tap: {
    words: [2, 2],
    fault: codes.remove,
    async run(console, name = '', word = '') {
      await console.removeNio(name, 'tap', interfaceName(word))
      return `NIO TAP removed from bridge ${quote(name)}`
    },
  },
  set_nio_tap_carrier: {
    words: [2, 2],
    fault: codes.other,
    async run(console, name = '', carrier = '') {
      await console.setCarrier(name, onOff(carrier))
      return `carrier of bridge ${quote(name)} is ${carrier}`
    },
  },
  set_pcap_filter: {
    words: [1, 2],
    fault: codes.create,
    async run(console, name = '', expression = '') {
      if (expression !== '') compileIn('failed to set the filter', expression)
      await console.filterSockets(name, expression)
      return `filter of bridge ${quote(name)} ${expression === '' ? 'removed' : 'set'}`
    },
  },
  add_nio_linux_raw: addPacket('linux_raw'),
  add_nio_ethernet: addPacket('ethernet'),
  start_capture: {
    words: [2, 3],
    fault: codes.file,
    async run(console, name = '', file = '', linkType) {
      await console.startCapture(name, file, linkType)
      return `bridge ${quote(name)} is recorded`
    },
  },
  stop_capture: {
    words: [1, 1],
    fault: codes.other,
    async run(console, name = '') {
      const failure = await console.stopCapture(name)
      const why = failure ? `; it ended early: ${failure.message}` : ''
      return `bridge ${quote(name)} is recorded no more${why}`
    },
  },
  add_packet_filter: {
    words: [3, 32],
    fault: codes.create,
    async run(console, name = '', filter = '', type = '', ...words) {
      console.bridge(name)
      await console.addFilter(name, readFilter(filter, type, words))
      return `filter ${quote(filter)} added to bridge ${quote(name)}`
    },
  },
  delete_packet_filter: {
    words: [2, 2],
    fault: codes.remove,
    async run(console, name = '', filter = '') {
      await console.deleteFilter(name, filter)
      return `filter ${quote(filter)} removed from bridge ${quote(name)}`
    },
  },
  enable_packet_filter: {
    words: [3, 3],
    fault: codes.other,
    async run(console, name = '', filter = '', on = '') {
      await console.enableFilter(name, filter, onOff(on))
      return `filter ${quote(filter)} of bridge ${quote(name)} is ${on}`
    },
  },
  reset_packet_filters: {
    words: [1, 1],
    fault: codes.remove,
    async run(console, name = '') {
      await console.resetFilters(name)
      return 'OK'
    },
  },
}
