/** Both forms of a filter, compiled through the addon. */
import { expect } from 'chai'
import { addon } from '../../lib/binding.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { compileFilter, type FilterSource } from '../../lib/policy/filters/index.js'
import { runFilter } from '../helpers/bpf.js'

const arp = Uint8Array.from([...new Array<number>(12).fill(2), 0x08, 0x06, ...new Array<number>(46).fill(0)])
const ip = arp.with(13, 0x00)

describe('compileFilter', () => {
  for (const source of ['arp', { etherType: 'arp' }] satisfies FilterSource[])
    it(`compiles ${JSON.stringify(source)}`, () => {
      const program = compileFilter(source)
      expect(runFilter(program, arp)).to.equal(true)
      expect(runFilter(program, ip)).to.equal(false)
    })

  it('takes expressions of 1,000 characters', () => {
    expect(runFilter(compileFilter(`arp${' or arp'.repeat(142)}`.padEnd(1000)), arp)).to.equal(true)
  })

  it('makes programs of match objects that pass the native verifier', () => {
    const addresses = Array.from({ length: 700 }, (_, index) => ({
      sourceIp: `10.0.${index >> 8}.${index & 0xff}`,
    }))
    for (const match of [
      { any: addresses },
      { not: { port: 80 } },
      { vlan: 5, ip: 'fd00::/64' },
      { length: { max: 60 } },
    ])
      addon.verifyFilter(compileFilter(match))
  })

  it('takes every kind of word and address, and names of ports and protocols', () => {
    for (const source of [
      ...['host 10.0.0.1', 'src net 192.168', 'net 10.0.0.0/8', 'net 10.0.0.0 mask 255.0.0.0', 'host ::1'],
      ...[
        'net 2001:db8::/32',
        'host ::ffff:1.2.3.4',
        'ether host aa:bb:cc:dd:ee:ff',
        'ether host aabb.ccdd.eeff',
      ],
      ...['ether src aa-bb-cc-dd-ee-ff', 'tcp port http or https', 'tcp dst port ftp or ftp-data or domain'],
      ...[
        'udp portrange 5000-6000',
        'ether proto \\ip',
        'ip proto \\tcp or ospf',
        'ether proto 0x88cc',
        'vlan 5 and ip',
      ],
      ...[
        'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
        'icmp[icmptype] == icmp-echo',
        'ip[2:2]-((ip[0]&0xf)<<2) > 0',
      ],
      ...[
        'tcp[tcpflags:1] > 0',
        'ip[0x2:2] > 60',
        'len/2 > 50',
        'llc u',
        'llc i',
        'port (80 or http) or https',
      ],
      ...[
        'icmp6[icmp6type] = icmp6-echo',
        'host 10.0.0.1 or (port http) or 10.0.0.2',
        'host fe80::1 or net fe80::/10',
      ],
      ...['not(ip6)', '(tcp)&&!(port 22)', 'len <= 100', 'greater 100', 'ether multicast', 'ip[8]-1 > 3'],
    ])
      addon.verifyFilter(compileFilter(source))
  })

  // libpcap would ask the name service, wait for it, and tell it what a file says.
  for (const [source, word] of [
    ['host www.example.org', 'www.example.org'],
    ['src fred', 'fred'],
    ['10.0.0.1 or 3com.com', '3com.com'],
    ['port 80 and src example.com', 'example.com'],
    ['port http or host http', 'http'],
    ['ether host \\host', '\\host'],
    ['net cafe:x', 'cafe:x'],
    ['host ab:cd', 'ab:cd'],
    ['host be.ef:1', 'be.ef:1'],
    ['host 1.2.3.4.5', '1.2.3.4.5'],
    ['host 1.2.3.4.', '1.2.3.4.'],
    ['net 1.2.3.4.5/8', '1.2.3.4.5/8'],
    ['ether host aa-bb.cc-dd.ee-ff', 'aa-bb.cc-dd.ee-ff'],
    ['host tcp-foo', 'tcp-foo'],
    ['host beacon', 'beacon'],
    ['host \\-tcp', '\\-tcp'],
    ['host \\_1', '\\_1'],
    ['host 10.0.0.1 and (port 80 or 443) or fred', 'fred'],
  ] as const)
    it(`looks no name up: ${source}`, () => {
      expect(() => compileFilter(source))
        .to.throw(
          EtherloomError,
          `the filter '${source}' cannot be compiled: '${word}' is neither a word of pcap-filter(7) nor an address`,
        )
        .with.property('code', 'ERR_ETHERLOOM_FILTER')
    })

  const refusals: [source: unknown, message: RegExp][] = [
    ['tcp 80 port', /^the filter 'tcp 80 port' cannot be compiled: .*syntax error/],
    [
      'tcp prot 80',
      /^the filter 'tcp prot 80' cannot be compiled: 'prot' is neither a word .*did you mean 'port'\?/,
    ],
    ['', /empty; leave the filter out/],
    [
      `arp${' or arp'.repeat(143)}`,
      /^a filter expression may have 1,000 characters, not 1,004; write a match object, such as/,
    ],
    ['ip6 protochain 6', /jumps out of the program/],
    [{ etherTyp: 'arp' }, /did you mean 'etherType'\?/],
    ['gateway fred', /'gateway' takes the name of a host, and filters look none up; write 'ether host'/],
    [5, /must be an object, not 5/],
  ]
  for (const [source, message] of refusals)
    it(`refuses ${JSON.stringify(source).slice(0, 60)}`, () => {
      expect(() => compileFilter(source as FilterSource))
        .to.throw(EtherloomError, message)
        .with.property('code', 'ERR_ETHERLOOM_FILTER')
    })
})
