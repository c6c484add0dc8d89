/** Match objects: what their programs accept, how they are refused, and that long ones still jump right. */
import { expect } from 'chai'
import { EtherloomError } from '../../lib/values/errors.js'
import { compileMatch, type Match } from '../../lib/policy/filters/match.js'
import { runFilter } from '../helpers/bpf.js'

/** A frame in words; `encode` puts it into bytes and `fulfils` judges it by the meaning of the keys. */
interface Sample {
  destination: string
  source: string
  tag?: { type: number; vlan: number }
  etherType: number
  ip?: { source: string; destination: string; protocol: number; options?: number; fragment?: number }
  ports?: [source: number, destination: number]
  padding?: number
}

const one = '02:00:00:00:00:01'
const two = '02:00:00:00:00:02'
const broadcast = 'ff:ff:ff:ff:ff:ff'

const bytesOfMac = (mac: string) => mac.split(':').map((part) => parseInt(part, 16))
const bytesOfIp = (ip: string) =>
  ip.includes('.')
    ? ip.split('.').map(Number)
    : ip.split(':').flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff])
const two8 = (value: number) => [value >> 8, value & 0xff]

function encode({ destination, source, tag, etherType, ip, ports, padding = 20 }: Sample): Uint8Array {
  const bytes = [...bytesOfMac(destination), ...bytesOfMac(source)]
  if (tag) bytes.push(...two8(tag.type), 0xa0 | (tag.vlan >> 8), tag.vlan & 0xff)
  bytes.push(...two8(etherType))
  if (ip && etherType === 0x0800) {
    const words = 5 + (ip.options ?? 0)
    bytes.push(0x40 | words, 0, 0, 0, 0, 0, ...two8(0x4000 | (ip.fragment ?? 0)), 64, ip.protocol, 0, 0)
    bytes.push(
      ...bytesOfIp(ip.source),
      ...bytesOfIp(ip.destination),
      ...new Array<number>((words - 5) * 4).fill(1),
    )
  } else if (ip) {
    bytes.push(0x60, 0, 0, 0, 0, 0, ip.protocol, 64, ...bytesOfIp(ip.source), ...bytesOfIp(ip.destination))
  }
  if (ports) bytes.push(...two8(ports[0]), ...two8(ports[1]))
  return Uint8Array.from([...bytes, ...new Array<number>(padding).fill(0)])
}

const v4 = { source: '10.0.0.1', destination: '10.0.0.2' }
const v6 = { source: 'fd00:0:0:0:0:0:0:1', destination: 'fd00:0:0:1:0:0:0:2' }
const samples = {
  arp: { destination: broadcast, source: one, etherType: 0x0806 },
  lldp: { destination: '01:80:c2:00:00:0e', source: two, etherType: 0x88cc },
  tcp: { destination: two, source: one, etherType: 0x0800, ip: { ...v4, protocol: 6 }, ports: [50000, 80] },
  reply: {
    destination: one,
    source: two,
    etherType: 0x0800,
    ip: { source: v4.destination, destination: v4.source, protocol: 6 },
    ports: [80, 50000],
  },
  options: {
    destination: two,
    source: one,
    etherType: 0x0800,
    ip: { ...v4, protocol: 6, options: 3 },
    ports: [50000, 80],
  },
  fragment: {
    destination: two,
    source: one,
    etherType: 0x0800,
    ip: { ...v4, protocol: 17, fragment: 185 },
    ports: [50000, 80],
  },
  icmp: { destination: two, source: one, etherType: 0x0800, ip: { ...v4, protocol: 1 } },
  udp6: { destination: two, source: one, etherType: 0x86dd, ip: { ...v6, protocol: 17 }, ports: [50000, 53] },
  tagged: {
    destination: two,
    source: one,
    tag: { type: 0x8100, vlan: 5 },
    etherType: 0x0800,
    ip: { ...v4, protocol: 6 },
    ports: [50000, 80],
  },
  service: {
    destination: two,
    source: one,
    tag: { type: 0x88a8, vlan: 4000 },
    etherType: 0x86dd,
    ip: { ...v6, protocol: 17 },
    ports: [50000, 53],
    padding: 80,
  },
  stacked: { destination: two, source: one, tag: { type: 0x88a8, vlan: 5 }, etherType: 0x8100 },
} satisfies Record<string, Sample>

const ipv4 = ['tcp', 'reply', 'options', 'fragment', 'icmp', 'tagged']
const everything = Object.keys(samples)
const except = (...names: string[]) => everything.filter((name) => !names.includes(name))

function accepted(match: Match): string[] {
  const program = compileMatch(match)
  return Object.entries(samples)
    .filter(([, sample]) => runFilter(program, encode(sample)))
    .map(([name]) => name)
}

describe('compileMatch', () => {
  const cases: [Match, string[]][] = [
    [{ etherType: 'arp' }, ['arp']],
    [{ etherType: 'ip' }, ipv4],
    [{ etherType: 0x88cc }, ['lldp']],
    [{ etherType: 0x8100, vlan: 5 }, ['stacked']],
    [{ vlan: 5 }, ['tagged', 'stacked']],
    [{ vlan: 4000, etherType: 'ip6' }, ['service']],
    [{ vlan: true }, ['tagged', 'service', 'stacked']],
    [{ vlan: false }, except('tagged', 'service', 'stacked')],
    [{ sourceMac: two }, ['lldp', 'reply']],
    [{ destinationMac: one.toUpperCase() }, ['reply']],
    [{ mac: two }, except('arp')],
    [{ destinationMac: 'broadcast' }, ['arp']],
    [{ destinationMac: 'multicast' }, ['arp', 'lldp']],
    [{ destinationMac: 'unicast' }, except('arp', 'lldp')],
    [{ protocol: 'tcp' }, ['tcp', 'reply', 'options', 'tagged']],
    [{ protocol: 17 }, ['fragment', 'udp6', 'service']],
    [{ protocol: 17, etherType: 'ip6' }, ['udp6', 'service']],
    [{ protocol: 'icmp' }, ['icmp']],
    [{ ip: '10.0.0.1' }, ipv4],
    [{ sourceIp: '10.0.0.1' }, ipv4.filter((name) => name !== 'reply')],
    [{ destinationIp: '10.0.0.1' }, ['reply']],
    [{ sourceIp: '10.0.0.2/31' }, ['reply']],
    [{ ip: '0.0.0.0/0' }, ipv4],
    [{ ip: '11.0.0.0/8' }, []],
    [{ sourceIp: 'fd00::1' }, ['udp6', 'service']],
    [{ destinationIp: 'fd00::/63' }, ['udp6', 'service']],
    [{ destinationIp: 'fd00::/64' }, []],
    [{ ip: 'fd00::10.0.0.1' }, []],
    [{ port: 80 }, ['tcp', 'reply', 'options', 'tagged']],
    [{ sourcePort: 80 }, ['reply']],
    [{ destinationPort: [50, 60] }, ['udp6', 'service']],
    [{ destinationPort: [0, 80], protocol: 'tcp' }, ['tcp', 'options', 'tagged']],
    [{ port: [0, 65535] }, except('arp', 'lldp', 'fragment', 'icmp', 'stacked')],
    [{ length: { max: 38 } }, ['arp', 'lldp', 'stacked']],
    [{ length: { min: 39 } }, except('arp', 'lldp', 'stacked')],
    [{ length: { min: 34, max: 34 } }, ['arp', 'lldp']],
    [{ any: [{ etherType: 'arp' }, { vlan: 5 }] }, ['arp', 'tagged', 'stacked']],
    [{ all: [{ vlan: 5 }, { port: 80 }] }, ['tagged']],
    [{ not: { port: 80 } }, except('tcp', 'reply', 'options', 'tagged')],
    [{ vlan: true, not: { any: [{ protocol: 'udp' }, { etherType: 0x8100, vlan: true }] } }, ['tagged']],
    [{ any: [{ vlan: true }, { vlan: false }] }, everything],
    [{ all: [{ vlan: true }, { vlan: false }] }, []],
  ]
  for (const [match, names] of cases) {
    it(`${JSON.stringify(match)} passes ${names.length === 0 ? 'nothing' : names.join(', ')}`, () => {
      expect(accepted(match)).to.have.members(names)
    })
  }

  it('does not pass a frame that ends before a field that is looked at, not even by `not`', () => {
    const cut = encode(samples.tcp).subarray(0, 34)
    expect(runFilter(compileMatch({ port: 80 }), cut)).to.equal(false)
    expect(runFilter(compileMatch({ not: { port: 80 } }), cut)).to.equal(false)
    expect(runFilter(compileMatch({ not: { port: 80 } }), encode(samples.arp).subarray(0, 14))).to.equal(true)
  })

  it('has no upper length where no max is given', () => {
    expect(runFilter(compileMatch({ length: { min: 60 } }), new Uint8Array(70_000))).to.equal(true)
  })

  it('makes instructions of eight little-endian bytes', () => {
    expect([...compileMatch({ etherType: 0x1234, vlan: false }).subarray(0, 16)]).to.deep.equal([
      ...[0x28, 0, 0, 0, 12, 0, 0, 0], // ldh [12]
      ...[0x15, 0, 3, 0, 0x00, 0x81, 0, 0], // jeq #0x8100, over three instructions to the last
    ])
  })

  it('reaches targets that are more than 255 instructions away', () => {
    const addresses = Array.from({ length: 400 }, (_, index) => `10.1.${index >> 8}.${index & 0xff}`)
    const program = compileMatch({ etherType: 'ip', any: addresses.map((sourceIp) => ({ sourceIp })) })
    const from = (source: string, etherType = 0x0800) =>
      encode({ ...samples.tcp, etherType, ip: { ...samples.tcp.ip, source } })
    for (const source of addresses) expect(runFilter(program, from(source)), source).to.equal(true)
    for (const source of ['10.1.1.144', '10.2.0.0']) expect(runFilter(program, from(source))).to.equal(false)
    expect(runFilter(program, encode(samples.arp))).to.equal(false)
  })

  it('loads a value once where it still has it', () => {
    const ranges = compileMatch({ etherType: 'ip', vlan: false, destinationPort: [10, 20], protocol: 'udp' })
    // type, protocol, fragment, header length, port: 5 loads; 2 tests for tags, 3 equal or bits, 2 ranges, 2 returns
    expect(ranges.length / 8).to.equal(14)
  })

  it('asks once what the matches of a list have in common', () => {
    const list = compileMatch({
      any: Array.from({ length: 10 }, (_, index) => ({ sourceIp: `10.0.0.${index}` })),
    })
    // 3 to tell tagged from untagged, 3 + 10 behind a tag, 2 + 10 without, 2 returns
    expect(list.length / 8).to.equal(30)
  })
})

describe('compileMatch on random matches', () => {
  let state = 1
  const below = (bound: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  const pick = <T>(choices: readonly T[]) => choices[below(choices.length)]!
  const macs = [one, two, broadcast, '01:00:5e:00:00:01']
  const ips = { 4: ['10.0.0.1', '10.0.1.1', '10.128.0.1'], 6: ['fd00:0:0:0:0:0:0:1', 'fd00:0:0:1:0:0:0:1'] }
  const ports = [0, 53, 80, 65535]

  function someSample(): Sample {
    const etherType = pick([0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806])
    const sample: Sample = {
      destination: pick(macs),
      source: pick(macs.slice(0, 2)),
      etherType,
      padding: below(60) + 8,
    }
    if (below(2)) sample.tag = { type: pick([0x8100, 0x88a8]), vlan: pick([1, 2]) }
    if (etherType === 0x0806) return sample
    const addresses = ips[etherType === 0x0800 ? 4 : 6]
    sample.ip = { source: pick(addresses), destination: pick(addresses), protocol: pick([1, 6, 17]) }
    if (etherType === 0x0800)
      Object.assign(sample.ip, { options: below(3), fragment: pick([0, 0, 0, 8, 0x1000]) })
    sample.ports = [pick(ports), pick(ports)]
    return sample
  }

  function someMatch(depth: number): Match {
    const match: Match = {}
    if (depth > 0 && below(2)) match.any = [someMatch(depth - 1), someMatch(depth - 1)]
    if (depth > 0 && below(3) === 0) match.all = [someMatch(depth - 1), someMatch(depth - 1)]
    if (depth > 0 && below(2)) match.not = someMatch(depth - 1)
    if (below(5) === 0) match.vlan = pick([true, false, 1, 2])
    if (below(6) === 0) match.mac = pick(macs)
    if (below(8) === 0) match.destinationMac = pick(['multicast', 'unicast', one])
    if (below(6) === 0) match.length = { min: 60, max: below(60) + 60 }
    const choice = below(6)
    const version = pick([4, 6] as const)
    if (choice === 0) match.etherType = pick(['ip', 'ip6', 'arp'])
    if (choice === 1) match.protocol = pick(['tcp', 'udp', 'icmp'])
    if (choice === 2) match.ip = pick(ips[version])
    if (choice === 3)
      match.sourceIp = version === 4 ? pick(['10.0.0.0/23', '10.0.0.0/8']) : pick(['fd00::/64', 'fd00::/48'])
    if (choice === 4) match.port = pick([53, [0, 53], [54, 65535]] as const)
    if (choice === 5 || Object.keys(match).length === 0) match.destinationPort = pick([80, [53, 80]] as const)
    return match
  }

  const numbers = { ip: 0x0800, ip6: 0x86dd, arp: 0x0806, tcp: 6, udp: 17, icmp: 1 }
  const bits = (ip: string) =>
    bytesOfIp(ip)
      .map((byte) => byte.toString(2).padStart(8, '0'))
      .join('')
  const expanded = (ip: string) => (ip.endsWith('::') ? `${ip}0:0:0:0:0:0:0`.replace('::', ':') : ip)
  const inside = (ip: string, prefix: string) => {
    const [network = '', length = '128'] = prefix.split('/')
    const [a, b] = [bits(ip), bits(expanded(network))]
    return a.length === b.length && a.slice(0, Number(length)) === b.slice(0, Number(length))
  }
  const among = (port: number, range: number | readonly [number, number]) =>
    typeof range === 'number' ? port === range : port >= range[0] && port <= range[1]

  function fulfils(sample: Sample, length: number, match: Match): boolean {
    const { ip, tag } = sample
    const hasPorts = ip !== undefined && [6, 17, 132].includes(ip.protocol) && (ip.fragment ?? 0) === 0
    const [from, to] = hasPorts ? sample.ports! : [-1, -1]
    const isGroup = (bytesOfMac(sample.destination)[0]! & 1) === 1
    const checks: Record<keyof Match, () => boolean> = {
      etherType: () => sample.etherType === numbers[match.etherType as 'ip'],
      vlan: () =>
        typeof match.vlan === 'boolean' ? (tag !== undefined) === match.vlan : tag?.vlan === match.vlan,
      mac: () => sample.source === match.mac || sample.destination === match.mac,
      sourceMac: () => sample.source === match.sourceMac,
      destinationMac: () =>
        match.destinationMac === 'multicast'
          ? isGroup
          : match.destinationMac === 'unicast'
            ? !isGroup
            : sample.destination === match.destinationMac,
      protocol: () => ip?.protocol === numbers[match.protocol as 'tcp'],
      ip: () => ip !== undefined && (inside(ip.source, match.ip!) || inside(ip.destination, match.ip!)),
      sourceIp: () => ip !== undefined && inside(ip.source, match.sourceIp!),
      destinationIp: () => ip !== undefined && inside(ip.destination, match.destinationIp!),
      port: () => among(from, match.port!) || among(to, match.port!),
      sourcePort: () => among(from, match.sourcePort!),
      destinationPort: () => among(to, match.destinationPort!),
      length: () => length >= match.length!.min! && length <= match.length!.max!,
      any: () => match.any!.some((part) => fulfils(sample, length, part)),
      all: () => match.all!.every((part) => fulfils(sample, length, part)),
      not: () => !fulfils(sample, length, match.not!),
    }
    return (Object.keys(match) as (keyof Match)[]).every((key) => checks[key]())
  }

  it('accepts what the keys mean', () => {
    const verdicts = { true: 0, false: 0 }
    const list = Array.from({ length: 300 }, someSample)
    const frames = list.map(encode)
    for (let round = 0; round < 500; round++) {
      const match = someMatch(2)
      const program = compileMatch(match)
      for (let count = 0; count < 30; count++) {
        const index = below(list.length)
        const expected = fulfils(list[index]!, frames[index]!.length, match)
        const found = runFilter(program, frames[index]!)
        if (found !== expected)
          expect.fail(`${JSON.stringify(match)} on ${JSON.stringify(list[index])}: ${found}`)
        verdicts[`${found}`]++
      }
    }
    expect(verdicts.true).to.be.above(500)
    expect(verdicts.false).to.be.above(500)
  })
})

describe('compileMatch refuses', () => {
  const cases: [match: unknown, message: RegExp][] = [
    [{}, /^match is empty; give at least one key/],
    [null, /must be an object, not null/],
    ['tcp', /must be an object, not 'tcp'/],
    [{ sorcePort: 80 }, /unknown option 'sorcePort' of match; did you mean 'sourcePort'\?/],
    [{ etherType: 'ip7' }, /option 'etherType' of match must be .*'arp'.* not 'ip7'; did you mean 'ip'\?/],
    [{ etherType: 'constructor' }, /not 'constructor'/],
    [{ etherType: 0x5ff }, /from 1536 to 65535/],
    [{ etherType: 65536 }, /from 1536 to 65535/],
    [{ etherType: 0x8100 }, /for tagged frames write vlan: true/],
    [{ etherType: 0x88a8, vlan: false }, /for tagged frames write vlan: true/],
    [{ vlan: 4096 }, /from 0 to 4095/],
    [{ vlan: -1 }, /from 0 to 4095/],
    [{ vlan: '5' }, /from 0 to 4095/],
    [{ mac: '02:00:00:00:00' }, /option 'mac' of match must be a MAC address such as/],
    [{ sourceMac: 'broadcast' }, /must be a MAC address/],
    [{ destinationMac: 'brodcast' }, /did you mean 'broadcast'\?/],
    [{ protocol: 'tcpp' }, /did you mean 'tcp'\?/],
    [{ protocol: 256 }, /from 0 to 255/],
    [{ ip: '10.0.0' }, /must be an IP address or prefix/],
    [{ ip: '10.0.0.0/33' }, /must be an IP address or prefix/],
    [{ ip: 'fe80::1%eth0' }, /must be an IP address or prefix/],
    [{ ip: '10.0.0.1/24' }, /zero behind its first 24 bits, not '10.0.0.1\/24'/],
    [{ ip: 'fd00::1/64' }, /zero behind its first 64 bits/],
    [{ port: 65536 }, /a port from 0 to 65535/],
    [{ port: -1 }, /a port from 0 to 65535/],
    [{ port: 1.5 }, /a port from 0 to 65535/],
    [{ port: [90, 80] }, /a port from 0 to 65535, or \[first, last\]/],
    [{ port: [1, 2, 3] }, /a port from 0 to 65535, or \[first, last\]/],
    [{ length: {} }, /is empty; give min, max or both/],
    [{ length: { min: 2, max: 1 } }, /matches no frame/],
    [{ length: { mim: 2 } }, /unknown option 'mim' .*did you mean 'min'\?/],
    [{ length: 60 }, /must be an object, not 60/],
    [{ any: [] }, /is empty; give it at least one match/],
    [{ all: { vlan: 5 } }, /must be a list, not an object/],
    [{ any: [{ vlan: 5 }, { prot: 80 }] }, /unknown option 'prot' of entry 2 of option 'any' of match/],
    [{ not: {} }, /option 'not' of match is empty/],
    [{ etherType: 'arp', ip: '10.0.0.1' }, /matches no frame/],
    [{ sourceIp: '10.0.0.1', destinationIp: 'fd00::1' }, /matches no frame/],
    [{ protocol: 'icmp', port: 80 }, /matches no frame; only tcp, udp and sctp have ports/],
    [{ any: Array.from({ length: 5000 }, (_, port) => ({ port })) }, /\d+ instructions; 4096 are allowed/],
  ]
  for (const [match, message] of cases) {
    const title = JSON.stringify(match)
    it(title.length > 80 ? `${title.slice(0, 77)}...` : title, () => {
      expect(() => compileMatch(match as Match))
        .to.throw(EtherloomError, message)
        .with.property('code', 'ERR_ETHERLOOM_FILTER')
    })
  }
})
