/**
 * Ethernet frames for tests: built from the layers that they have, with right lengths and checksums, and parsed into the
 * same. Called by users of `etherloom/testing`, and by etherloom's own tests.
 *
 * Of our own, because the packages that there are each know one or two of these protocols, have no types or no builder, or
 * have not been kept for years.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { isUint8Array } from 'node:util/types'
import { parseMac } from '../values/addresses.js'
import { EtherloomError } from '../values/errors.js'
import { asOptions, flag, integer, refuse, required, suggestion } from '../values/options.js'

/** The addresses of an Ethernet frame (IEEE 802.3). */
export interface EthernetLayer {
  /** Destination. Default broadcast, `ff:ff:ff:ff:ff:ff`. */
  to?: string
  /** Source. Default `02:00:00:00:00:01`, a locally administered address. */
  from?: string
  /** What the payload is, 0 to 65535, where no layer says it. Default 0x88b5, for local experiments. */
  type?: number
}

/** A tag (IEEE 802.1Q). */
export interface VlanLayer {
  /** 0 to 4095. */
  id: number
  /** 0 to 7, default 0. */
  priority?: number
  /** Default false. */
  dropEligible?: boolean
  /** What says that it is a tag: 0x8100, the default, or 0x88a8 for the outer one of two. */
  type?: number
}

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface ArpLayer {
  /** Default `request`. */
  operation?: 'request' | 'reply'
  /** The sender's MAC address. Default: the frame's source. */
  senderMac?: string
  /** The sender's IPv4 address, as `10.0.0.1`. */
  senderIp: string
  /** Default `00:00:00:00:00:00`. */
  targetMac?: string
  /** The IPv4 address that is asked for, or answered to. */
  targetIp: string
}

/** IPv4 (RFC 791), without options when it is built. */
export interface Ipv4Layer {
  /** Source address, as `10.0.0.1`. */
  from: string
  /** Destination address. */
  to: string
  /** 0 to 255, default 64. */
  ttl?: number
  /** What the payload is, 0 to 255, where no layer says it. Default 253, for experiments (RFC 3692). */
  protocol?: number
  /** 0 to 65535, default 0. */
  identification?: number
  /** Differentiated services and congestion, 0 to 255, default 0. */
  trafficClass?: number
  /** Default true. */
  dontFragment?: boolean
  /** Default false. */
  moreFragments?: boolean
  /** Bytes, a multiple of 8 from 0 to 65528. Default 0. */
  fragmentOffset?: number
}

/** IPv6 (RFC 8200), without extension headers. */
export interface Ipv6Layer {
  /** Source address, as `fd00::1`. */
  from: string
  /** Destination address. */
  to: string
  /** 0 to 255, default 64. */
  hopLimit?: number
  /** What the payload is, 0 to 255, where no layer says it. Default 253, for experiments (RFC 3692). */
  nextHeader?: number
  /** Differentiated services and congestion, 0 to 255, default 0. */
  trafficClass?: number
  /** 0 to 1048575, default 0. */
  flowLabel?: number
}

/** UDP (RFC 768). */
export interface UdpLayer {
  /** Source port, 0 to 65535. */
  from: number
  /** Destination port, 0 to 65535. */
  to: number
}

/** The flags of a TCP segment. */
export type TcpFlag = 'fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ece' | 'cwr'

/** TCP (RFC 9293). */
export interface TcpLayer {
  /** Source port, 0 to 65535. */
  from: number
  /** Destination port, 0 to 65535. */
  to: number
  /** 0 to 2^32 - 1, default 0. */
  sequence?: number
  /** 0 to 2^32 - 1, default 0. */
  acknowledgement?: number
  /** Default none. */
  flags?: readonly TcpFlag[]
  /** 0 to 65535, default 65535. */
  window?: number
  /** 0 to 65535, default 0. */
  urgentPointer?: number
  /** Bytes of options, a multiple of 4 of at most 40. Default none. */
  options?: Uint8Array
}

/** ICMP (RFC 792), and ICMPv6 (RFC 4443) over IPv6. */
export interface IcmpLayer {
  /** 0 to 255. Echo is 8 and its reply 0; in ICMPv6 128 and 129. */
  type: number
  /** 0 to 255, default 0. */
  code?: number
  /** The second four bytes of the header, as two numbers; of an echo. Default 0. */
  identifier?: number
  /** The second of them, 0 to 65535, default 0. */
  sequence?: number
}

/** What a frame consists of, from the outside in. At most one layer of each level. */
export interface FrameLayers {
  /** The addresses. Default: broadcast, from `02:00:00:00:00:01`. */
  ethernet?: EthernetLayer
  /** From the outside in. Default none. */
  vlans?: readonly VlanLayer[]
  /** A question for the MAC address of an IPv4 address, or the answer. */
  arp?: ArpLayer
  /** An IPv4 header. */
  ipv4?: Ipv4Layer
  /** An IPv6 header. */
  ipv6?: Ipv6Layer
  /** A UDP header; beside `ipv4` or `ipv6`. */
  udp?: UdpLayer
  /** A TCP header; beside `ipv4` or `ipv6`. */
  tcp?: TcpLayer
  /** An ICMP header; beside `ipv4`. */
  icmp?: IcmpLayer
  /** An ICMPv6 header; beside `ipv6`. */
  icmpv6?: IcmpLayer
  /** What the innermost layer carries; text as UTF-8. Default nothing. */
  payload?: Uint8Array | string
}

/** A parsed frame: each layer that was found, complete; of a layer that is cut off, nothing. */
export interface ParsedFrame extends FrameLayers {
  /** The addresses, and what the payload is; empty texts and 0 where the frame has fewer than 14 bytes. */
  ethernet: Required<EthernetLayer>
  /** Its tags, from the outside in. */
  vlans: Required<VlanLayer>[]
  /** Where it is ARP for IPv4 over Ethernet. */
  arp?: Required<ArpLayer>
  /** Where it is IPv4. */
  ipv4?: Required<Ipv4Layer>
  /** Where it is IPv6. */
  ipv6?: Required<Ipv6Layer>
  /** Where a whole packet carries UDP. */
  udp?: Required<UdpLayer>
  /** Where a whole packet carries TCP. */
  tcp?: Required<TcpLayer>
  /** Where a whole packet carries ICMP. */
  icmp?: Required<IcmpLayer>
  /** Where a whole packet carries ICMPv6. */
  icmpv6?: Required<IcmpLayer>
  /** Without what fills a frame up to 60 bytes, where an IP layer says how long it is. */
  payload: Uint8Array
  /** What is wrong with it, as `udp checksum`; empty for a frame that is right. */
  faults: string[]
}

/** The shortest frame, without its check sequence (IEEE 802.3). */
const shortest = 60
/** As `frameLimit` of a MemoryPort. */
const longest = 69_632
const experimental = 0x88b5
const experiment = 253
const types = { arp: 0x0806, ipv4: 0x0800, ipv6: 0x86dd }
const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 }
const tcpFlags: readonly TcpFlag[] = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr']
const isTag = (type: number): boolean => type === 0x8100 || type === 0x88a8

const layerNames = [
  'ethernet',
  'vlans',
  'arp',
  'ipv4',
  'ipv6',
  'udp',
  'tcp',
  'icmp',
  'icmpv6',
  'payload',
] as const

/**
 * The bytes of a frame, from the destination address on, filled up with zeros to 60 bytes. Lengths, checksums and what
 * says which layer follows are computed.
 *
 * @example
 * import { buildFrame } from 'etherloom/testing'
 * buildFrame({
 *   ethernet: { to: '02:00:00:00:00:02' },
 *   ipv4: { from: '10.0.0.1', to: '10.0.0.2' },
 *   udp: { from: 5000, to: 53 },
 *   payload: 'hello',
 * })
 * @throws EtherloomError ERR_ETHERLOOM_OPTION for what a header cannot hold, and for layers that do not go together;
 *   ERR_ETHERLOOM_UNKNOWN_OPTION
 */
export function buildFrame(layers: FrameLayers = {}): Uint8Array {
  const given = asOptions('a frame', layers) as FrameLayers
  for (const key of Object.keys(given))
    if (!(layerNames as readonly string[]).includes(key))
      throw new EtherloomError(
        'ERR_ETHERLOOM_UNKNOWN_OPTION',
        `unknown layer '${key}' of a frame${suggestion(key, layerNames)}`,
      )
  const network = onlyOne(given, ['arp', 'ipv4', 'ipv6'])
  const transport = onlyOne(given, ['udp', 'tcp', 'icmp', 'icmpv6'])
  if (transport !== undefined && network !== 'ipv4' && network !== 'ipv6')
    refuse(`layer '${transport}' of a frame`, "beside 'ipv4' or 'ipv6', which carries it")
  if (transport === 'icmp' && network === 'ipv6') refuse("layer 'icmp' of a frame", "'icmpv6' over 'ipv6'")
  if (transport === 'icmpv6' && network === 'ipv4') refuse("layer 'icmpv6' of a frame", "'icmp' over 'ipv4'")

  const ethernet = {
    from: '02:00:00:00:00:01',
    to: 'ff:ff:ff:ff:ff:ff',
    ...layer('ethernet', given.ethernet ?? {}, ethernetKeys),
  }
  const type =
    network === undefined ? number('ethernet.type', ethernet.type, 0xffff, experimental) : types[network]
  const { vlans = [] } = given
  if (!Array.isArray(vlans)) refuse("layer 'vlans' of a frame", 'a list of tags', vlans)
  const tags = (vlans as readonly VlanLayer[]).flatMap((tag) => tagBytes(layer('vlans', tag, vlanKeys)))
  const head = [
    ...mac('ethernet.to', ethernet.to),
    ...mac('ethernet.from', ethernet.from),
    ...tags,
    ...u16(type),
  ]
  const payload = bytesOf(given.payload ?? '')
  const body = bodyOf(given, network, transport, ethernet.from, payload)
  const frame = new Uint8Array(Math.max(shortest, head.length + body.length))
  frame.set(head)
  frame.set(body, head.length)
  return frame
}

/**
 * The layers of a frame, as `buildFrame` takes them, and what is wrong with it. Never throws for bytes, whatever they are.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION for what is not bytes
 */
export function parseFrame(frame: Uint8Array): ParsedFrame {
  if (!isUint8Array(frame)) refuse('a frame', 'a Uint8Array', frame)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const faults: string[] = []
  const ethernet = { to: '', from: '', type: 0 }
  const parsed: ParsedFrame = { ethernet, vlans: [], payload: frame.subarray(0, 0), faults }
  if (view.byteLength < 14) {
    faults.push('ethernet cut off')
    return parsed
  }
  ethernet.to = macText(frame, 0)
  ethernet.from = macText(frame, 6)
  let at = 12
  for (; isTag(view.getUint16(at)) && at + 6 <= view.byteLength; at += 4) {
    const control = view.getUint16(at + 2)
    parsed.vlans.push({
      id: control & 0xfff,
      priority: control >> 13,
      dropEligible: (control & 0x1000) !== 0,
      type: view.getUint16(at),
    })
  }
  ethernet.type = view.getUint16(at)
  parsed.payload = frame.subarray(at + 2)
  if (ethernet.type === types.arp) parseArp(parsed)
  else if (ethernet.type === types.ipv4) parseIpv4(parsed)
  else if (ethernet.type === types.ipv6) parseIpv6(parsed)
  return parsed
}

/** What numbered frames are made of. */
export interface NumberedFrameOptions {
  /** Destination. Default broadcast. */
  to?: string
  /** Source. Default `02:01:00:00:00:00`. */
  from?: string
  /** Bytes, at least 18, or 22 with a VLAN, to 69632, the longest frame of a port. Default 60. */
  length?: number
  /** The identifier of an 802.1Q tag, 0 to 4095. Default: no tag. */
  vlan?: number
}

/**
 * A frame that carries a number, by which the receiver knows it: of ethertype 0x88b5, for local experiments, and zero
 * otherwise.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION
 */
export function numberedFrame(tag = 0, options: NumberedFrameOptions = {}): Uint8Array {
  const {
    to = 'ff:ff:ff:ff:ff:ff',
    from = '02:01:00:00:00:00',
    length = 60,
    vlan,
  } = asOptions('a numbered frame', options) as NumberedFrameOptions
  const least = vlan === undefined ? 18 : 22
  const bytes = new Uint8Array(
    required(integer(least, longest, { unit: 'bytes' }))(length, "option 'length' of a numbered frame"),
  )
  bytes.set(mac('to', to), 0)
  bytes.set(mac('from', from), 6)
  const head = [
    ...(vlan === undefined ? [] : [...u16(0x8100), ...u16(number('vlan', vlan, 4095))]),
    ...u16(experimental),
    ...u32(number('number', tag, 0xffff_ffff)),
  ]
  bytes.set(head, 12)
  return bytes
}

/**
 * The number of a numbered frame, with or without VLAN tags; undefined for every other frame.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION for what is not bytes
 */
export function numberOf(frame: Uint8Array): number | undefined {
  const { ethernet, payload } = parseFrame(frame)
  if (ethernet.type !== experimental || payload.length < 4) return undefined
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0)
}

// ---- Building ----

type Bytes = readonly number[]

const ethernetKeys = ['to', 'from', 'type'] as const
const vlanKeys = ['id', 'priority', 'dropEligible', 'type'] as const

function onlyOne<Name extends keyof FrameLayers>(
  given: FrameLayers,
  names: readonly Name[],
): Name | undefined {
  const there = names.filter((name) => given[name] !== undefined)
  if (there.length > 1) refuse('a frame', `of one layer of ${there.map((name) => `'${name}'`).join(' and ')}`)
  return there[0]
}

/** A layer that has no key but these. */
function layer<Layer extends object>(
  name: string,
  given: Layer,
  keys: readonly (keyof Layer & string)[],
): Layer {
  const options = asOptions(`layer '${name}'`, given)
  for (const key of Object.keys(options))
    if (!(keys as readonly string[]).includes(key))
      throw new EtherloomError(
        'ERR_ETHERLOOM_UNKNOWN_OPTION',
        `unknown option '${key}' of layer '${name}'${suggestion(key, keys)}`,
      )
  return options as Layer
}

function number(subject: string, value: number | undefined, most: number, fallback?: number): number {
  return required(integer(0, most))(value ?? fallback, `'${subject}' of a frame`)
}

const truth = (subject: string, value: boolean | undefined, fallback: boolean): boolean =>
  required(flag())(value ?? fallback, `'${subject}' of a frame`)

const mac = (subject: string, text: string): Bytes => [...parseMac(text, `'${subject}' of a frame`)]
const u16 = (value: number): Bytes => [(value >> 8) & 0xff, value & 0xff]
const u32 = (value: number): Bytes => [...u16(value >>> 16), ...u16(value & 0xffff)]

function bytesOf(payload: Uint8Array | string): Bytes {
  if (typeof payload === 'string') return [...new TextEncoder().encode(payload)]
  return isUint8Array(payload)
    ? [...payload]
    : refuse("'payload' of a frame", 'a Uint8Array or text', payload)
}

function tagBytes({ id, priority, dropEligible, type }: VlanLayer): Bytes {
  const kind = number('vlans.type', type, 0xffff, 0x8100)
  if (!isTag(kind)) refuse("'vlans.type' of a frame", '0x8100 or 0x88a8', type)
  const control =
    (number('vlans.priority', priority, 7, 0) << 13) |
    (Number(truth('vlans.dropEligible', dropEligible, false)) << 12) |
    number('vlans.id', id, 4095)
  return [...u16(kind), ...u16(control)]
}

/** What follows the ethertype. */
function bodyOf(
  given: FrameLayers,
  network: 'arp' | 'ipv4' | 'ipv6' | undefined,
  transport: keyof typeof protocols | undefined,
  source: string,
  payload: Bytes,
): Bytes {
  if (network === undefined) return payload
  if (network === 'arp') return [...arpBytes(given.arp as ArpLayer, source), ...payload]
  const addresses =
    network === 'ipv4'
      ? addressPair('ipv4', given.ipv4 as Ipv4Layer, ipv4Bytes)
      : addressPair('ipv6', given.ipv6 as Ipv6Layer, ipv6Bytes)
  const inner =
    transport === undefined
      ? payload
      : checksummed(transportBytes(given, transport, payload), transport, addresses)
  return network === 'ipv4'
    ? ipv4Packet(given.ipv4 as Ipv4Layer, addresses, transport, inner)
    : ipv6Packet(given.ipv6 as Ipv6Layer, addresses, transport, inner)
}

function addressPair(
  name: string,
  given: { from: string; to: string },
  read: (text: string, subject: string) => Bytes,
): [from: Bytes, to: Bytes] {
  const { from, to } = asOptions(`layer '${name}'`, given) as typeof given
  return [read(from, `'${name}.from' of a frame`), read(to, `'${name}.to' of a frame`)]
}

function arpBytes(given: ArpLayer, source: string): Bytes {
  const {
    operation = 'request',
    senderMac = source,
    senderIp,
    targetMac = '00:00:00:00:00:00',
    targetIp,
  } = layer('arp', given, ['operation', 'senderMac', 'senderIp', 'targetMac', 'targetIp'])
  if (!['request', 'reply'].includes(operation))
    refuse("'arp.operation' of a frame", "'request' or 'reply'", operation)
  return [
    ...u16(1), // Ethernet
    ...u16(types.ipv4),
    6,
    4,
    ...u16(operation === 'request' ? 1 : 2),
    ...mac('arp.senderMac', senderMac),
    ...ipv4Bytes(senderIp, "'arp.senderIp' of a frame"),
    ...mac('arp.targetMac', targetMac),
    ...ipv4Bytes(targetIp, "'arp.targetIp' of a frame"),
  ]
}

function ipv4Packet(
  given: Ipv4Layer,
  [from, to]: [Bytes, Bytes],
  transport: keyof typeof protocols | undefined,
  inner: Bytes,
): Bytes {
  const { ttl, protocol, identification, trafficClass, dontFragment, moreFragments, fragmentOffset } = layer(
    'ipv4',
    given,
    [
      'from',
      'to',
      'ttl',
      'protocol',
      'identification',
      'trafficClass',
      'dontFragment',
      'moreFragments',
      'fragmentOffset',
    ],
  )
  const offset = number('ipv4.fragmentOffset', fragmentOffset, 65_528, 0)
  if (offset % 8 !== 0) refuse("'ipv4.fragmentOffset' of a frame", 'a multiple of 8', offset)
  const fragment =
    (Number(truth('ipv4.dontFragment', dontFragment, true)) << 14) |
    (Number(truth('ipv4.moreFragments', moreFragments, false)) << 13) |
    (offset / 8)
  const head = [
    0x45,
    number('ipv4.trafficClass', trafficClass, 255, 0),
    ...u16(number('payload', 20 + inner.length, 0xffff)),
    ...u16(number('ipv4.identification', identification, 0xffff, 0)),
    ...u16(fragment),
    number('ipv4.ttl', ttl, 255, 64),
    transport ? protocols[transport] : number('ipv4.protocol', protocol, 255, experiment),
    0,
    0,
    ...from,
    ...to,
  ]
  return [...withChecksum(head, 10, sum(head)), ...inner]
}

function ipv6Packet(
  given: Ipv6Layer,
  [from, to]: [Bytes, Bytes],
  transport: keyof typeof protocols | undefined,
  inner: Bytes,
): Bytes {
  const { hopLimit, nextHeader, trafficClass, flowLabel } = layer('ipv6', given, [
    'from',
    'to',
    'hopLimit',
    'nextHeader',
    'trafficClass',
    'flowLabel',
  ])
  const first =
    (6 << 28) |
    (number('ipv6.trafficClass', trafficClass, 255, 0) << 20) |
    number('ipv6.flowLabel', flowLabel, 0xfffff, 0)
  return [
    ...u32(first >>> 0),
    ...u16(number('payload', inner.length, 0xffff)),
    transport ? protocols[transport] : number('ipv6.nextHeader', nextHeader, 255, experiment),
    number('ipv6.hopLimit', hopLimit, 255, 64),
    ...from,
    ...to,
    ...inner,
  ]
}

/** A header with zero for its checksum, and what it carries. */
function transportBytes(given: FrameLayers, transport: keyof typeof protocols, payload: Bytes): Bytes {
  if (transport === 'udp') {
    const { from, to } = layer('udp', given.udp as UdpLayer, ['from', 'to'])
    const length = number('payload', 8 + payload.length, 0xffff)
    return [
      ...u16(number('udp.from', from, 0xffff)),
      ...u16(number('udp.to', to, 0xffff)),
      ...u16(length),
      0,
      0,
      ...payload,
    ]
  }
  if (transport === 'tcp') return [...tcpHeader(given.tcp as TcpLayer), ...payload]
  const { type, code, identifier, sequence } = layer(transport, given[transport] as IcmpLayer, [
    'type',
    'code',
    'identifier',
    'sequence',
  ])
  return [
    number(`${transport}.type`, type, 255),
    number(`${transport}.code`, code, 255, 0),
    0,
    0,
    ...u16(number(`${transport}.identifier`, identifier, 0xffff, 0)),
    ...u16(number(`${transport}.sequence`, sequence, 0xffff, 0)),
    ...payload,
  ]
}

function tcpHeader(given: TcpLayer): Bytes {
  const {
    from,
    to,
    sequence,
    acknowledgement,
    flags = [],
    window,
    urgentPointer,
    options = new Uint8Array(),
  } = layer('tcp', given, [
    'from',
    'to',
    'sequence',
    'acknowledgement',
    'flags',
    'window',
    'urgentPointer',
    'options',
  ])
  const wanted = `a list of ${tcpFlags.join(', ')}`
  if (!Array.isArray(flags)) refuse("'tcp.flags' of a frame", wanted, flags)
  const bits = (flags as readonly TcpFlag[]).map((name) => {
    const bit = tcpFlags.indexOf(name)
    return bit < 0 ? refuse("'tcp.flags' of a frame", wanted, name) : 1 << bit
  })
  if (!isUint8Array(options) || options.length % 4 !== 0 || options.length > 40)
    refuse("'tcp.options' of a frame", 'a Uint8Array, a multiple of 4 bytes of at most 40', options)
  const words = [...options]
  return [
    ...u16(number('tcp.from', from, 0xffff)),
    ...u16(number('tcp.to', to, 0xffff)),
    ...u32(number('tcp.sequence', sequence, 0xffff_ffff, 0)),
    ...u32(number('tcp.acknowledgement', acknowledgement, 0xffff_ffff, 0)),
    (5 + words.length / 4) << 4,
    bits.reduce((all, bit) => all | bit, 0),
    ...u16(number('tcp.window', window, 0xffff, 65_535)),
    0,
    0,
    ...u16(number('tcp.urgentPointer', urgentPointer, 0xffff, 0)),
    ...words,
  ]
}

/** Where the checksum is in each header. */
const checksumAt = { udp: 6, tcp: 16, icmp: 2, icmpv6: 2 }

function checksummed(bytes: Bytes, transport: keyof typeof protocols, addresses: [Bytes, Bytes]): Bytes {
  const found = sum(
    bytes,
    transport === 'icmp' ? 0 : pseudoSum(addresses, protocols[transport], bytes.length),
  )
  // UDP's zero says that there is none, so it writes the other zero.
  return withChecksum(bytes, checksumAt[transport], found, transport === 'udp')
}

function withChecksum(bytes: Bytes, at: number, total: number, neverZero = false): Bytes {
  const checksum = ~total & 0xffff
  const [high = 0, low = 0] = u16(checksum === 0 && neverZero ? 0xffff : checksum)
  return bytes.map((byte, index) => (index === at ? high : index === at + 1 ? low : byte))
}

/** The sum of 16-bit words in ones' complement (RFC 1071). */
function sum(bytes: ArrayLike<number>, start = 0): number {
  let total = start
  for (let at = 0; at < bytes.length; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000)
  return total
}

/** The sum of what UDP, TCP and ICMPv6 add of the IP header (RFC 768, RFC 8200 section 8.1). */
const pseudoSum = (
  addresses: [ArrayLike<number>, ArrayLike<number>],
  protocol: number,
  length: number,
): number => sum(addresses[0], sum(addresses[1], protocol + length))

// ---- Parsing ----

function parseArp(parsed: ParsedFrame): void {
  const { payload: bytes, faults } = parsed
  const view = viewOf(bytes)
  if (bytes.length < 28) {
    faults.push('arp cut off')
    return
  }
  const operation = view.getUint16(6)
  if (view.getUint16(0) !== 1 || view.getUint16(2) !== types.ipv4 || bytes[4] !== 6 || bytes[5] !== 4) return
  if (operation !== 1 && operation !== 2) return
  parsed.arp = {
    operation: operation === 1 ? 'request' : 'reply',
    senderMac: macText(bytes, 8),
    senderIp: ipv4Text(bytes, 14),
    targetMac: macText(bytes, 18),
    targetIp: ipv4Text(bytes, 24),
  }
  parsed.payload = bytes.subarray(bytes.length, bytes.length)
}

function parseIpv4(parsed: ParsedFrame): void {
  const { payload: bytes, faults } = parsed
  const view = viewOf(bytes)
  const head = ((bytes[0] ?? 0) & 0xf) * 4
  if (bytes.length < 20 || head < 20 || bytes.length < head) {
    faults.push('ipv4 cut off')
    return
  }
  if ((bytes[0] ?? 0) >> 4 !== 4) faults.push('ipv4 version')
  if (sum(bytes.subarray(0, head)) !== 0xffff) faults.push('ipv4 checksum')
  const fragment = view.getUint16(6)
  parsed.ipv4 = {
    from: ipv4Text(bytes, 12),
    to: ipv4Text(bytes, 16),
    ttl: bytes[8] ?? 0,
    protocol: bytes[9] ?? 0,
    identification: view.getUint16(4),
    trafficClass: bytes[1] ?? 0,
    dontFragment: (fragment & 0x4000) !== 0,
    moreFragments: (fragment & 0x2000) !== 0,
    fragmentOffset: (fragment & 0x1fff) * 8,
  }
  const end = view.getUint16(2)
  if (end < head || end > bytes.length) faults.push('ipv4 length')
  parsed.payload = bytes.subarray(head, Math.max(head, end))
  if ((fragment & 0x3fff) !== 0) return // a fragment: what it carries is not whole
  parseTransport(parsed, parsed.ipv4.protocol, [bytes.subarray(12, 16), bytes.subarray(16, 20)])
}

function parseIpv6(parsed: ParsedFrame): void {
  const { payload: bytes, faults } = parsed
  const view = viewOf(bytes)
  if (bytes.length < 40) {
    faults.push('ipv6 cut off')
    return
  }
  const first = view.getUint32(0)
  if (first >>> 28 !== 6) faults.push('ipv6 version')
  parsed.ipv6 = {
    from: ipv6Text(bytes, 8),
    to: ipv6Text(bytes, 24),
    hopLimit: bytes[7] ?? 0,
    nextHeader: bytes[6] ?? 0,
    trafficClass: (first >>> 20) & 0xff,
    flowLabel: first & 0xfffff,
  }
  const length = view.getUint16(4)
  if (40 + length > bytes.length) faults.push('ipv6 length')
  parsed.payload = bytes.subarray(40, 40 + length)
  parseTransport(parsed, parsed.ipv6.nextHeader, [bytes.subarray(8, 24), bytes.subarray(24, 40)])
}

const heads = { udp: 8, tcp: 20, icmp: 8, icmpv6: 8 }

function parseTransport(parsed: ParsedFrame, protocol: number, addresses: [Uint8Array, Uint8Array]): void {
  const { payload: bytes, faults } = parsed
  const foreign = parsed.ipv4 ? 'icmpv6' : 'icmp'
  const name = (Object.keys(protocols) as (keyof typeof protocols)[]).find(
    (each) => protocols[each] === protocol && each !== foreign,
  )
  if (name === undefined) return
  if (bytes.length < heads[name]) {
    faults.push(`${name} cut off`)
    return
  }
  const view = viewOf(bytes)
  const without = name === 'udp' && view.getUint16(6) === 0 && parsed.ipv4 !== undefined
  const start = name === 'icmp' ? 0 : pseudoSum(addresses, protocol, bytes.length)
  if (!without && sum(bytes, start) !== 0xffff) faults.push(`${name} checksum`)
  let head: number = heads[name]
  if (name === 'udp') {
    parsed.udp = { from: view.getUint16(0), to: view.getUint16(2) }
    if (view.getUint16(4) !== bytes.length) faults.push('udp length')
  } else if (name === 'tcp') {
    head = ((bytes[12] ?? 0) >> 4) * 4
    if (head < 20 || head > bytes.length) {
      faults.push('tcp length')
      return
    }
    parsed.tcp = {
      from: view.getUint16(0),
      to: view.getUint16(2),
      sequence: view.getUint32(4),
      acknowledgement: view.getUint32(8),
      flags: tcpFlags.filter((_, bit) => ((bytes[13] ?? 0) & (1 << bit)) !== 0),
      window: view.getUint16(14),
      urgentPointer: view.getUint16(18),
      options: bytes.subarray(20, head),
    }
  } else {
    parsed[name] = {
      type: bytes[0] ?? 0,
      code: bytes[1] ?? 0,
      identifier: view.getUint16(4),
      sequence: view.getUint16(6),
    }
  }
  parsed.payload = bytes.subarray(head)
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

// ---- Addresses ----

const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
const macText = (bytes: Uint8Array, at: number): string =>
  Array.from(bytes.subarray(at, at + 6), hex).join(':')
const ipv4Text = (bytes: Uint8Array, at: number): string => bytes.subarray(at, at + 4).join('.')

function ipv4Bytes(text: string, subject: string): Bytes {
  return typeof (text as unknown) === 'string' && isIPv4(text)
    ? text.split('.').map(Number)
    : refuse(subject, "an IPv4 address such as '10.0.0.1'", text)
}

function ipv6Bytes(text: string, subject: string): Bytes {
  if (typeof (text as unknown) !== 'string' || !isIPv6(text) || text.includes('%'))
    return refuse(subject, "an IPv6 address such as 'fd00::1'", text)
  // The last four bytes may be written as an IPv4 address.
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...digits: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = digits.slice(0, 4).map(Number)
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [front = '', back] = plain.split('::')
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))
  const [left, right] = [words(front), words(back ?? '')]
  const middle = back === undefined ? [] : new Array<number>(8 - left.length - right.length).fill(0)
  return [...left, ...middle, ...right].flatMap(u16)
}

/** In the form of RFC 5952. */
function ipv6Text(bytes: Uint8Array, at: number): string {
  const view = viewOf(bytes)
  const words = Array.from({ length: 8 }, (_, index) => view.getUint16(at + 2 * index).toString(16))
  let [longest, from] = [1, -1]
  for (let start = 0; start < 8; start++) {
    let end = start
    while (words[end] === '0') end++
    if (end - start > longest) [longest, from] = [end - start, start]
  }
  if (from < 0) return words.join(':')
  return `${words.slice(0, from).join(':')}::${words.slice(from + longest).join(':')}`
}
