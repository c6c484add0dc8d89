/** Addresses as users write them: of Ethernet stations, and of interfaces. For ports, switches, filters and files. */
import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net'
import { optional, refuse, shaped, shapeOf, single, type Rule } from './options.js'

const pattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i

/** The six bytes of `02:00:00:00:00:01`. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function parseMac(value: unknown, subject = 'value'): Uint8Array {
  if (typeof value !== 'string' || !pattern.test(value))
    refuse(subject, "a MAC address such as '02:00:00:00:00:01'", value)
  return Uint8Array.from(value.split(':'), (byte) => Number.parseInt(byte, 16))
}

/** A rule for MAC addresses that `fits`; `digits` are those in which their first byte ends. */
export const macRule = (
  expects: string,
  digits: string,
  example: string,
  fits: (mac: Uint8Array) => boolean,
): Rule<Uint8Array> =>
  shaped(
    (value, subject) => {
      const mac = parseMac(value, subject)
      return fits(mac) ? mac : refuse(subject, expects, value)
    },
    {
      expects,
      examples: [example],
      form: {
        kind: 'value',
        json: { type: 'string', pattern: `^[0-9a-fA-F]${digits}(:[0-9a-fA-F]{2}){5}$` },
        read: (mac: string) => mac.toLowerCase(),
      },
    },
  )

/** Whether a MAC address is that of a group. */
export const isGroupMac = (mac: Uint8Array): boolean => ((mac[0] ?? 0) & 1) === 1

const ofInterface = macRule(
  'the address of one interface (an even first byte, and not all zeros)',
  '[02468aceACE]',
  '02:00:00:00:00:01',
  (mac) => !isGroupMac(mac) && mac.some((byte) => byte > 0),
)

/** A rule for the address of an interface: not a group address. */
export const interfaceMac = <D extends Uint8Array | undefined = undefined>(
  fallback?: D,
): Rule<Uint8Array | D> => optional<Uint8Array, D>(ofInterface, fallback)

/** A rule for an IP address of an interface, as `10.0.0.1/24` or `fd00::1/64`. */
export const interfaceAddress = (): Rule<string | undefined> =>
  optional(
    shaped(prefixedAddress, {
      expects: expectsPrefixed,
      examples: ['10.0.0.1/24', 'fd00::1/64'],
      form: { kind: 'value', json: { type: 'string' }, read: samePrefixed },
    }),
  )

const expectsPrefixed = "an IPv4 or IPv6 address with its prefix length, such as '10.0.0.1/24'"

function prefixedAddress(value: unknown, subject: string): string {
  const [text, ip = '', bits] = /^([^/%]+)\/(\d{1,3})$/.exec(typeof value === 'string' ? value : '') ?? []
  const most = isIPv4(ip) ? 32 : isIPv6(ip) ? 128 : -1
  return text !== undefined && Number(bits) <= most ? text : refuse(subject, expectsPrefixed, value)
}

/** An address as all its spellings are written in plans: in small letters, and as short as it can be. */
const sameIp = (ip: string): string =>
  isIPv6(ip) ? new SocketAddress({ address: ip, family: 'ipv6' }).address : ip

function samePrefixed(text: string): string {
  const [ip = '', bits] = text.split('/')
  return `${sameIp(ip)}/${Number(bits)}`
}

const bareIp = single('an IPv4 or IPv6 address', { type: 'string' }, (value) =>
  typeof value === 'string' && isIP(value) !== 0 && !value.includes('%') ? value : undefined,
)

/** A rule for an IP address without a prefix length, as `10.0.0.1` or `fd00::1`. */
export const ipAddress = (): Rule<string | undefined> =>
  shaped(bareIp, {
    ...shapeOf(bareIp),
    form: { kind: 'value', json: { type: 'string' }, read: sameIp },
  })

/** A rule for what a route leads to: `default`, an address, or an address with its prefix length. */
export const routeDestination = (): Rule<string | undefined> =>
  optional(
    shaped(destination, {
      expects: expectsDestination,
      examples: ['default', '10.1.0.0/16', 'fd01::/64'],
      form: { kind: 'value', json: { type: 'string' }, read: sameDestination },
    }),
  )

const expectsDestination = "'default', an address, or a network such as '10.1.0.0/16'"

function destination(value: unknown, subject: string): string {
  const [, ip = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(typeof value === 'string' ? value : '') ?? []
  const most = isIPv4(ip) ? 32 : isIPv6(ip) ? 128 : -1
  if (value === 'default') return value
  if (most < 0 || Number(bits ?? 0) > most) return refuse(subject, expectsDestination, value)
  const length = Number(bits ?? most)
  const network = most === 32 ? networkOf(ip, length) : ip
  return network === ip
    ? (value as string)
    : refuse(subject, `the address of a network, which for this one is '${network}/${length}'`, value)
}

/** A network as all its spellings are written in plans: without the bits that are an interface's, and a single address bare. */
function sameDestination(to: string): string {
  if (to === 'default') return to
  const [ip = '', bits] = to.split('/')
  const most = isIPv4(ip) ? 32 : 128
  const length = Number(bits ?? most)
  const network = most === 32 || length === most ? sameIp(ip) : networkOf6(ip, length)
  return length === most ? network : `${network}/${length}`
}

/** The address of the IPv6 network in which an address is. */
function networkOf6(address: string, length: number): string {
  const inGroups = address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, ...bytes: string[]) =>
      `${(Number(bytes[0]) * 256 + Number(bytes[1])).toString(16)}:${(Number(bytes[2]) * 256 + Number(bytes[3])).toString(16)}`,
  )
  const [head = [], tail = []] = inGroups.split('::').map((part) => part.split(':').filter(Boolean))
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  const word = [...head, ...zeros, ...tail].reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n)
  const rest = BigInt(128 - length)
  const hex = ((word >> rest) << rest).toString(16).padStart(32, '0')
  return sameIp(hex.replace(/.{4}(?!$)/g, '$&:'))
}

/** The address of the IPv4 network in which an address is. */
function networkOf(address: string, length: number): string {
  const word = address.split('.').reduce((bits, byte) => bits * 256 + Number(byte), 0)
  const size = 2 ** (32 - length)
  const network = Math.floor(word / size) * size
  return [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join('.')
}

/** Whether valid addresses with prefix lengths are in one network, by the first one's length. */
export function isNear(one: string, other: string): boolean {
  const [[ip = '', bits], [otherIp = '']] = [one.split('/'), other.split('/')]
  if (isIP(ip) !== isIP(otherIp)) return false
  const family = isIP(ip) === 4 ? 'ipv4' : 'ipv6'
  const network = new BlockList()
  network.addSubnet(ip, Number(bits), family)
  return network.check(otherIp, family)
}

/** Whether a route's valid destination is the IPv4 network that an interface is in by a valid address of its own. */
export function isNetworkOf(to: string, address: string): boolean {
  const [ip = '', bits] = address.split('/')
  return isIPv4(ip) && Number(bits) < 32 && to === `${networkOf(ip, Number(bits))}/${Number(bits)}`
}

/** Whether a valid address with prefix length is an IPv4 one. */
export const isIPv4Prefix = (address: string): boolean => address.includes('.') && !address.includes(':')

/** @internal Where a socket is: a path, a host and a port, or with who started us, by its name there. */
export type SocketPlace = { path: string } | { host: string; port: number } | { inherited: string }

const socketPattern = /^(?:\[([^\]\0]+)\]|([^:/[\]\s\0]+)):(\d{1,5})$/

/** @internal `systemd:NAME`. A number behind the colon would be a port of the host of that name. */
const inheritedPattern = /^systemd:([A-Za-z][\w.@-]{0,254})$/

/** @internal A path such as `/run/lab.sock` (or `./lab.sock`), or an address such as `127.0.0.1:5000` or `[::1]:5000`. */
export const socketPlace: Rule<SocketPlace> = shaped(
  (value, subject) => {
    if (
      typeof value === 'string' &&
      /^[^\0]*\/[^\0]*$/.test(value) &&
      Buffer.byteLength(value) <= longestPath
    )
      return { path: value }
    const inherited = typeof value === 'string' ? inheritedPattern.exec(value)?.[1] : undefined
    if (inherited !== undefined) return { inherited }
    return inetPlace(value, subject, "a path of at most 107 bytes such as '/run/lab.sock', or ")
  },
  {
    expects: 'a path, or an address with a port',
    examples: ['/run/lab.sock', '127.0.0.1:5000', '[::1]:5000'],
    form: { kind: 'value', json: { type: 'string' } },
  },
)

/** @internal A rule for an address with a port. */
export const inetAddress = (): Rule<{ host: string; port: number } | undefined> =>
  optional(
    shaped((value, subject) => inetPlace(value, subject), {
      expects: 'an address with a port',
      examples: ['127.0.0.1:5000', '[::1]:5000'],
      form: { kind: 'value', json: { type: 'string' } },
    }),
  )

const longestPath = 107

/** @internal An address such as `127.0.0.1:5000`, `[::1]:5000` or `lab.example:5000`. */
export function inetPlace(value: unknown, subject: string, orElse = ''): { host: string; port: number } {
  const [, six, host = six, port = ''] = socketPattern.exec(typeof value === 'string' ? value : '') ?? []
  if (host === undefined || Number(port) > 65_535 || (six !== undefined && !isIPv6(six)))
    return refuse(subject, `${orElse}an address with a port such as '127.0.0.1:5000' or '[::1]:5000'`, value)
  return { host, port: Number(port) }
}

/** @internal A MAC address and VLAN of the native table. */
export function readAddress(word: bigint): { address: string; vlan: number } {
  const hex = (word & 0xffffffffffffn).toString(16).padStart(12, '0')
  return { address: hex.replace(/..(?!$)/g, '$&:'), vlan: Number(word >> 48n) }
}
