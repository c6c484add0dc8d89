/** Bridges of the kernel, which GNS3's servers make switches of. */
import { quote } from '../../values/quote.js'
import { interfaceName, numberIn, onOff, type Module } from '../command.js'
import { addToBridge, insistOnKind, ip, kernelBridges, portsOf, vlan } from '../interfaces.js'
import { codes, Refusal } from '../replies.js'

const vlanId = (word: string): number => numberIn(word, 1, 4094, 'a VLAN')

const flags = ['pvid', 'untagged']

/** `VID [VID] [pvid] [untagged]`, as the program takes it. */
function vlanWords(words: readonly string[]): string[] {
  const ids = words.filter((word) => !flags.includes(word)).map(vlanId)
  const [first, last = first] = ids
  if (first === undefined || last === undefined || last < first || ids.length > 2)
    throw new Refusal(codes.value, 'what is given is a VLAN or the first and the last of several')
  const range = first === last ? `${first}` : `${first}-${last}`
  return ['vid', range, ...words.filter((word) => flags.includes(word))]
}

const protocols: Readonly<Record<string, string>> = { '0x8100': '802.1Q', '0x88a8': '802.1ad' }

const setBridge = (name: string, option: string, value: string): Promise<void> =>
  ip(codes.other, 'link', 'set', 'dev', interfaceName(name), 'type', 'bridge', option, value)

export const brctl: Module = {
  create: {
    words: [1, 1],
    fault: codes.create,
    async run(_, name = '') {
      await ip(codes.create, 'link', 'add', 'name', interfaceName(name), 'type', 'bridge')
      return `bridge ${quote(name)} created`
    },
  },
  delete: {
    words: [1, 1],
    fault: codes.remove,
    async run(_, name = '') {
      const ports = await portsOf(codes.remove, interfaceName(name))
      if (ports.length > 0)
        throw new Refusal(codes.remove, `bridge ${quote(name)} still has ${ports.join(', ')}`)
      await insistOnKind(codes.remove, name, 'bridge')
      await ip(codes.remove, 'link', 'delete', 'dev', name, 'type', 'bridge')
      return `bridge ${quote(name)} deleted`
    },
  },
  /** The interface is up then. */
  addif: {
    words: [2, 2],
    fault: codes.other,
    async run(_, name = '', word = '') {
      await addToBridge(codes.other, interfaceName(name), interfaceName(word))
      return `${quote(word)} added to ${quote(name)}`
    },
  },
  delif: {
    words: [2, 2],
    fault: codes.other,
    async run(_, name = '', word = '') {
      const port = interfaceName(word)
      if (!(await portsOf(codes.missing, interfaceName(name))).includes(port))
        throw new Refusal(codes.missing, `bridge ${quote(name)} has no ${quote(port)}`)
      await ip(codes.other, 'link', 'set', 'dev', port, 'nomaster')
      return `${quote(word)} removed from ${quote(name)}`
    },
  },
  show: {
    words: [0, 1],
    fault: codes.other,
    async run(_, name = '') {
      const found: [string, string[]][] =
        name === ''
          ? await kernelBridges(codes.other)
          : [[name, await portsOf(codes.missing, interfaceName(name))]]
      return { text: 'OK', details: found.map(([bridge, ports]) => `${bridge}: ${ports.join(' ')}`.trim()) }
    },
  },
  vlanfiltering: {
    words: [2, 2],
    fault: codes.other,
    async run(_, name = '', on = '') {
      const state = onOff(on) ? '1' : '0'
      await setBridge(name, 'vlan_filtering', state)
      return `VLAN filtering of ${quote(name)} is ${on}`
    },
  },
  setvlanproto: {
    words: [2, 2],
    fault: codes.other,
    async run(_, name = '', word = '') {
      const protocol = protocols[word.toLowerCase()]
      if (protocol === undefined)
        throw new Refusal(codes.value, `${quote(word)} is not ${Object.keys(protocols).join(' or ')}`)
      await setBridge(name, 'vlan_protocol', protocol)
      return `VLAN protocol of ${quote(name)} is ${word}`
    },
  },
  vlan_add: {
    words: [3, 6],
    fault: codes.other,
    async run(_, name = '', word = '', ...words) {
      interfaceName(name)
      await vlan(codes.other, 'add', 'dev', interfaceName(word), ...vlanWords(words))
      return `VLAN added to ${quote(word)}`
    },
  },
  vlan_del: {
    words: [3, 4],
    fault: codes.other,
    async run(_, name = '', word = '', ...words) {
      interfaceName(name)
      await vlan(codes.other, 'del', 'dev', interfaceName(word), ...vlanWords(words))
      return `VLAN removed from ${quote(word)}`
    },
  },
}
