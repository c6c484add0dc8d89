/** Interfaces for containers: made, given an address, and moved to where the container is. */
import { quote } from '../../values/quote.js'
import { interfaceName, macAddress, numberIn, type Module } from '../command.js'
import { insistOnKind, ip } from '../interfaces.js'
import { codes } from '../replies.js'

export const docker: Module = {
  create_veth: {
    words: [2, 2],
    fault: codes.create,
    async run(_, one = '', other = '') {
      const [here, there] = [interfaceName(one), interfaceName(other)]
      await ip(codes.create, 'link', 'add', 'name', here, 'up', 'type', 'veth', 'peer', 'name', there)
      return `veth pair ${quote(one)} and ${quote(other)} created`
    },
  },
  delete_veth: {
    words: [1, 1],
    fault: codes.remove,
    async run(_, word = '') {
      await insistOnKind(codes.remove, interfaceName(word), 'veth')
      await ip(codes.remove, 'link', 'delete', 'dev', word, 'type', 'veth')
      return `veth ${quote(word)} deleted`
    },
  },
  set_mac_addr: {
    words: [2, 2],
    fault: codes.other,
    async run(_, word = '', mac = '') {
      await ip(codes.other, 'link', 'set', 'dev', interfaceName(word), 'address', macAddress(mac))
      return `MAC address of ${quote(word)} set`
    },
  },
  /** To the namespace that a process is in, under another name. */
  move_to_ns: {
    words: [3, 3],
    fault: codes.other,
    async run(_, word = '', process = '', name = '') {
      const pid = numberIn(process, 1, 4_194_304, 'the number of a process')
      const words = [
        'link',
        'set',
        'dev',
        interfaceName(word),
        'netns',
        `${pid}`,
        'name',
        interfaceName(name),
      ]
      await ip(codes.other, ...words)
      return `${quote(word)} moved to the namespace of ${pid}`
    },
  },
}
