/**
 * Match objects: what frames a filter passes, as data instead of a pcap-filter expression, compiled without libpcap.
 * Called where a policy, a receive filter or a topology file gives a match object.
 */
import { isIP, isIPv4 } from 'node:net'
import { parseMac } from '../../values/addresses.js'
import { EtherloomError } from '../../values/errors.js'
import {
  about,
  integer,
  list,
  nearest,
  oneOfWords,
  optional,
  readOptions,
  refuse,
  type Values,
} from '../../values/options.js'
import {
  and,
  anyBit,
  atLeast,
  byte,
  choice,
  type Condition,
  equals,
  frameLength,
  greater,
  half,
  halfBehindIpv4,
  type Load,
  masked,
  not,
  or,
  translate,
  word,
} from './condition.js'

const etherTypes = {
  ip: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  ip6: 0x86dd,
  mpls: 0x8847,
  pppoed: 0x8863,
  pppoes: 0x8864,
  eapol: 0x888e,
  lldp: 0x88cc,
  ptp: 0x88f7,
  loopback: 0x9000,
} as const

const protocols = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  icmp6: 58,
  ospf: 89,
  sctp: 132,
} as const

const destinations = ['broadcast', 'multicast', 'unicast'] as const

/**
 * Which frames a filter passes: those that fulfil every key that is given. At least one must be.
 *
 * A frame may carry one VLAN tag, 802.1Q (0x8100) or 802.1ad (0x88a8): the other keys then look behind it, and `vlan`
 * asks for it or against it. (A pcap-filter expression without the word `vlan` never sees into tagged frames.)
 * In front of a second tag `etherType` is that tag's, and there is no IP.
 *
 * As in a pcap-filter expression, a frame that ends before a field which is looked at is not passed, not even by `not`.
 */
export interface Match {
  /** EtherType, by name or from 0x0600 to 0xffff: of what is behind the tag, if there is one. */
  etherType?: keyof typeof etherTypes | number
  /** VLAN identifier, 0 (priority only) to 4095; true for any tagged frame, false for any untagged one. */
  vlan?: number | boolean
  /** Source or destination MAC address, `'02:00:00:00:00:01'`. */
  mac?: string
  /** Source MAC address. */
  sourceMac?: string
  /** Destination MAC address, or its kind: `'multicast'` is any group address, the broadcast address included. */
  destinationMac?: (typeof destinations)[number] | (string & {})
  /** IPv4 protocol or IPv6 next header, by name or from 0 to 255. Behind IPv6 extension headers nothing is found. */
  protocol?: keyof typeof protocols | number
  /** Source or destination IP address, or prefix: `'10.0.0.1'`, `'10.0.0.0/8'`, `'fd00::/64'`. ARP is not IP. */
  ip?: string
  /** Source IP address or prefix. */
  sourceIp?: string
  /** Destination IP address or prefix. */
  destinationIp?: string
  /** Source or destination port of TCP, UDP or SCTP, 0 to 65535, or [first, last]. Only first fragments have ports. */
  port?: number | readonly [number, number]
  /** Source port or ports. */
  sourcePort?: number | readonly [number, number]
  /** Destination port or ports. */
  destinationPort?: number | readonly [number, number]
  /** Length of the frame in bytes, tag included, frame check sequence not; both ends are inside. */
  length?: { min?: number; max?: number }
  /** At least one of these. */
  any?: readonly Match[]
  /** Every one of these. */
  all?: readonly Match[]
  /** Not this one. */
  not?: Match
}

/**
 * Compiles a match object to a classic BPF program: 8 bytes per instruction, struct sock_filter in little-endian.
 *
 * @throws EtherloomError ERR_ETHERLOOM_FILTER for unknown keys, values out of range, a combination that no frame can
 *   fulfil, and a match of more than 4096 instructions.
 */
export function compileMatch(match: Match): Uint8Array {
  const fields = asFilterError(() => parse(match, 'match'))
  const [untagged, tagged] = [
    lower(fields, { hasTag: false, ip: 14 }),
    lower(fields, { hasTag: true, ip: 18 }),
  ]
  const program = translate(choice(isTagged, tagged, untagged))
  const instructions = program.length / 8
  if (instructions <= 4096) return program
  throw new EtherloomError(
    'ERR_ETHERLOOM_FILTER',
    `match makes a program of ${instructions} instructions; 4096 are allowed`,
  )
}

/** What the keys become: numbers that a program can compare. */
type Fields = Values<typeof ownRules> & {
  any: Fields[] | undefined
  all: Fields[] | undefined
  not: Fields | undefined
}
interface Prefix {
  version: 4 | 6
  words: { value: number; mask: number }[]
}
interface Range {
  min: number
  max: number
}

/** No upper end: a super-frame may be longer than any `max`. */
const unlimited = Infinity

const ownRules = {
  etherType: about(
    'EtherType, by name or number: of what is behind the tag, if there is one.',
    numberOrWord(etherTypes, 0x0600, 0xffff),
  ),
  vlan: about(
    'VLAN identifier, 0 (priority only) to 4095; true for any tagged frame, false for any untagged one.',
    optional((value, subject) => {
      if (typeof value === 'boolean' || isWhole(value, 4095)) return value
      return refuse(subject, 'a VLAN identifier from 0 to 4095, true (tagged) or false (untagged)', value)
    }),
  ),
  mac: about('Source or destination MAC address.', optional(parseMac)),
  sourceMac: about('Source MAC address.', optional(parseMac)),
  destinationMac: about(
    'Destination MAC address, or its kind: broadcast, multicast (any group, broadcast included), unicast.',
    optional((value, subject) => {
      const kind = destinations.find((word) => word === value)
      if (kind !== undefined || typeof value !== 'string' || value.includes(':'))
        return kind ?? parseMac(value, subject)
      return refuse(
        subject,
        `a MAC address or ${oneOfWords(destinations)}`,
        value,
        nearest(value, destinations),
      )
    }),
  ),
  protocol: about(
    'IPv4 protocol or IPv6 next header, by name or number; behind extension headers nothing is found.',
    numberOrWord(protocols, 0, 255),
  ),
  ip: about('Source or destination IP address, or prefix. ARP is not IP.', optional(prefix)),
  sourceIp: about('Source IP address or prefix.', optional(prefix)),
  destinationIp: about('Destination IP address or prefix.', optional(prefix)),
  port: about(
    'Source or destination port of TCP, UDP or SCTP, or [first, last]. Only first fragments have ports.',
    optional(ports),
  ),
  sourcePort: about('Source port or ports.', optional(ports)),
  destinationPort: about('Destination port or ports.', optional(ports)),
  length: about(
    'Length of the frame in bytes, tag included: min, max or both, which are inside.',
    optional(lengths),
  ),
}

/** @internal */
export const matchRules = {
  ...ownRules,
  any: about('Matches, at least one of which a frame must fulfil.', optional(matches)),
  all: about('Matches, every one of which a frame must fulfil.', optional(matches)),
  not: about('A match that a frame must not fulfil.', optional(parse)),
}

function parse(given: unknown, subject: string): Fields {
  const fields: Fields = readOptions(subject, given, matchRules)
  if (Object.values(fields).every((field) => field === undefined))
    throw filterError(
      `${subject} is empty`,
      'give at least one key, or leave the filter out to pass every frame',
    )
  if (isTagType(fields.etherType) && !fields.vlan)
    throw filterError(
      `${subject} looks for a VLAN tag behind a VLAN tag`,
      'for tagged frames write vlan: true',
    )
  if (asksForIp(fields) && ipVersions(fields).length === 0)
    throw filterError(`${subject} matches no frame`, 'IPv4, IPv6 and other EtherTypes exclude each other')
  if (asksForPorts(fields) && !portProtocols.includes(fields.protocol ?? protocols.tcp))
    throw filterError(`${subject} matches no frame`, 'only tcp, udp and sctp have ports')
  return fields
}

function numberOrWord(words: Readonly<Record<string, number>>, min: number, max: number) {
  const names = Object.keys(words)
  const expects = `a whole number from ${min} to ${max} or ${oneOfWords(names)}`
  return optional((value, subject): number => {
    if (typeof value !== 'string')
      return isWhole(value, max) && value >= min ? value : refuse(subject, expects, value)
    const number = Object.hasOwn(words, value) ? words[value] : undefined
    return number ?? refuse(subject, expects, value, nearest(value, names))
  })
}

function prefix(value: unknown, subject: string): Prefix {
  const parts = typeof value === 'string' ? /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(value) : null
  const [, address = '', bits] = parts ?? []
  const version = isIP(address)
  const longest = version === 4 ? 32 : 128
  const length = Number(bits ?? longest)
  if ((version !== 4 && version !== 6) || length > longest)
    return refuse(subject, "an IP address or prefix such as '10.0.0.1' or 'fd00::/64'", value)
  const words = wordsOf(address).map((word, index) => ({ value: word, mask: maskOf(length - 32 * index) }))
  if (words.some((word) => (word.value & ~word.mask) !== 0))
    return refuse(subject, `a prefix that is zero behind its first ${length} bits`, value)
  return { version, words }
}

/** An IP address as numbers of 32 bits, first to last. */
function wordsOf(address: string): number[] {
  if (isIPv4(address)) return [address.split('.').reduce((word, part) => word * 256 + Number(part), 0)]
  const plain = address.replace(/\d+\.\d+\.\d+\.\d+$/, (last) => {
    const [word = 0] = wordsOf(last)
    return `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`
  })
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)))
  const [head = [], tail = []] = plain.split('::').map(groupsOf)
  const zeros = new Array<number>(8 - head.length - tail.length).fill(0)
  const groups = [...head, ...zeros, ...tail]
  return [0, 2, 4, 6].map((at) => (groups[at] ?? 0) * 0x10000 + (groups[at + 1] ?? 0))
}

/** The first `bits` of 32. */
function maskOf(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0
}

function ports(value: unknown, subject: string): Range {
  const [min, max] = (Array.isArray(value) && value.length === 2 ? value : [value, value]) as unknown[]
  if (isWhole(min, 65_535) && isWhole(max, 65_535) && min <= max) return { min, max }
  return refuse(subject, 'a port from 0 to 65535, or [first, last] of such', value)
}

function lengths(value: unknown, subject: string): Range {
  const { min, max } = readOptions(subject, value, { min: integer(0, 65_535), max: integer(0, 65_535) })
  if (min === undefined && max === undefined)
    throw filterError(`${subject} is empty`, 'give min, max or both')
  if ((min ?? 0) > (max ?? unlimited))
    throw filterError(`${subject} matches no frame`, 'its min is above its max')
  return { min: min ?? 0, max: max ?? unlimited }
}

function matches(value: unknown, subject: string): Fields[] {
  const parsed = list(parse)(value, subject)
  if (parsed.length === 0) throw filterError(`${subject} is empty`, 'give it at least one match')
  return parsed
}

function isWhole(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
}

function filterError(message: string, hint: string): EtherloomError {
  return new EtherloomError('ERR_ETHERLOOM_FILTER', message, { hint })
}

/** What the rules refuse is, to the caller, a filter that cannot be compiled. */
function asFilterError<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof EtherloomError) || error.code === 'ERR_ETHERLOOM_FILTER') throw error
    throw new EtherloomError('ERR_ETHERLOOM_FILTER', error.message, { cause: error })
  }
}

// From fields to conditions on bytes.

/** Where things are in a frame of one kind. */
interface Layout {
  hasTag: boolean
  /** Offset of what is behind the Ethernet header and the tag. */
  ip: number
}

/** Offsets in the IP header. */
const headers = {
  4: { etherType: etherTypes.ip, protocol: 9, source: 12, destination: 16 },
  6: { etherType: etherTypes.ip6, protocol: 6, source: 8, destination: 24 },
} as const
const ipv6HeaderLength = 40
const portProtocols: readonly number[] = [protocols.tcp, protocols.udp, protocols.sctp]

const isTagType = (etherType: number | undefined) => etherType === 0x8100 || etherType === 0x88a8
const isTagged = or([equals(half(12), 0x8100), equals(half(12), 0x88a8)])

function lower(match: Fields, layout: Layout): Condition {
  const { hasTag, ip } = layout
  return and([
    asked(match.vlan, (vlan) =>
      typeof vlan === 'boolean' ? vlan === hasTag : hasTag && equals(masked(half(14), 0xfff), vlan),
    ),
    asked(match.mac, (address) => or([macAt(6, address), macAt(0, address)])),
    asked(match.sourceMac, (address) => macAt(6, address)),
    asked(match.destinationMac, destination),
    asksForIp(match)
      ? or(ipVersions(match).map((version) => ipPacket(match, version, ip)))
      : asked(match.etherType, (etherType) => equals(half(ip - 2), etherType)),
    asked(match.length, (length) => within(frameLength, length)),
    asked(match.any, (parts) => or(parts.map((part) => lower(part, layout)))),
    asked(match.all, (parts) => and(parts.map((part) => lower(part, layout)))),
    asked(match.not, (part) => not(lower(part, layout))),
  ])
}

function ipPacket(match: Fields, version: 4 | 6, ip: number): Condition {
  const header = headers[version]
  const protocol = byte(ip + header.protocol)
  const [source, destination] = [ip + header.source, ip + header.destination]
  const portAt = (offset: number) =>
    version === 4 ? halfBehindIpv4(ip, offset) : half(ip + ipv6HeaderLength + offset)
  return and([
    equals(half(ip - 2), header.etherType),
    match.protocol === undefined
      ? !asksForPorts(match) || or(portProtocols.map((number) => equals(protocol, number)))
      : equals(protocol, match.protocol),
    asked(match.ip, (prefix) => or([prefixAt(source, prefix), prefixAt(destination, prefix)])),
    asked(match.sourceIp, (prefix) => prefixAt(source, prefix)),
    asked(match.destinationIp, (prefix) => prefixAt(destination, prefix)),
    !asksForPorts(match) || version === 6 || not(anyBit(half(ip + 6), 0x1fff)),
    asked(match.port, (range) => or([within(portAt(0), range), within(portAt(2), range)])),
    asked(match.sourcePort, (range) => within(portAt(0), range)),
    asked(match.destinationPort, (range) => within(portAt(2), range)),
  ])
}

function asksForIp(match: Fields): boolean {
  const { protocol, ip, sourceIp, destinationIp } = match
  return [protocol, ip, sourceIp, destinationIp].some((field) => field !== undefined) || asksForPorts(match)
}

function asksForPorts({ port, sourcePort, destinationPort }: Fields): boolean {
  return [port, sourcePort, destinationPort].some((field) => field !== undefined)
}

/** The IP versions that the other fields leave possible. */
function ipVersions({ etherType, ip, sourceIp, destinationIp }: Fields): (4 | 6)[] {
  return ([4, 6] as const).filter(
    (version) =>
      (etherType ?? headers[version].etherType) === headers[version].etherType &&
      [ip, sourceIp, destinationIp].every((prefix) => (prefix?.version ?? version) === version),
  )
}

function asked<T>(field: T | undefined, condition: (field: T) => Condition): Condition {
  return field === undefined || condition(field)
}

function macAt(offset: number, address: Uint8Array): Condition {
  const bytes = new DataView(address.buffer)
  return and([equals(word(offset + 2), bytes.getUint32(2)), equals(half(offset), bytes.getUint16(0))])
}

function destination(address: Uint8Array | (typeof destinations)[number]): Condition {
  if (address === 'broadcast') return macAt(0, Uint8Array.of(255, 255, 255, 255, 255, 255))
  const isGroup = anyBit(byte(0), 1)
  return address === 'multicast' ? isGroup : address === 'unicast' ? not(isGroup) : macAt(0, address)
}

function prefixAt(offset: number, { words }: Prefix): Condition {
  return and(
    words.map(({ value, mask }, index) => {
      if (mask === 0) return true
      const load = word(offset + 4 * index)
      return equals(mask === 0xffffffff ? load : masked(load, mask), value)
    }),
  )
}

function within(load: Load, { min, max }: Range): Condition {
  if (min === max) return equals(load, min)
  return and([min === 0 || atLeast(load, min), max === unlimited || not(greater(load, max))])
}
