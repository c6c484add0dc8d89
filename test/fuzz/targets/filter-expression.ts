/** Expressions of pcap-filter, by libpcap; a file that has one means the same. */
import { compileFilter } from '../../../lib/policy/filters/index.js'
import { policyReadsAgain } from '../again.js'
import { refusedOr, type Target } from '../target.js'

export const target: Target = {
  words: [
    'ip',
    'ip6',
    'tcp',
    'udp',
    'arp',
    'vlan',
    'host ',
    'net ',
    'port ',
    'portrange ',
    '1-2',
    ' and ',
    ' or ',
    'not ',
    '(',
    ')',
    'ether[',
    '0:4]',
    ' & ',
    ' = ',
    ' > ',
    'len',
    'greater ',
    '10.0.0.1',
    '/8',
    '::1',
    'ether host 02:00:00:00:00:01',
    'mpls',
    'pppoes',
    'icmp',
    'proto ',
    '\\',
    '!',
    '||',
    '&&',
    '0x',
    'multicast',
  ],
  seeds: [
    'not ip6',
    'tcp port 80 and host 10.0.0.1',
    'ether[12:2] = 0x0800 and len > 100',
    'vlan 5 and (udp or icmp)',
  ],
  async read(input) {
    const text = input.toString()
    if (text.length === 0) return
    const program = await refusedOr(text, () => compileFilter(text), /FILTER/)
    if (program) await policyReadsAgain({ filter: text })
  },
}
