/** IPv4 subnets, for the gateway: what overlaps, and which addresses are free to give out. */

/** An interface's address with its prefix length. Addresses are 32-bit numbers, the first byte the highest. */
export interface Subnet {
  address: number
  bits: number
}

/** Of text that is known to be an IPv4 address with prefix length, as `10.0.77.1/24`. */
export function parseSubnet(text: string): Subnet {
  const [ip = '', bits] = text.split('/')
  return { address: toNumber(ip), bits: Number(bits) }
}

export const toNumber = (ip: string): number =>
  ip.split('.').reduce((value, byte) => value * 256 + Number(byte), 0)

export const toText = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')

const sizeOf = ({ bits }: Subnet): number => 2 ** (32 - bits)

/** The lowest address of the subnet. */
const baseOf = (subnet: Subnet): number => subnet.address - (subnet.address % sizeOf(subnet))

/** As `10.0.77.0/24`. */
export const networkOf = (subnet: Subnet): string => `${toText(baseOf(subnet))}/${subnet.bits}`

export const maskOf = (subnet: Subnet): string => toText(2 ** 32 - sizeOf(subnet))

/** Whether some address is in both. */
export const overlap = (one: Subnet, other: Subnet): boolean =>
  baseOf(one) < baseOf(other) + sizeOf(other) && baseOf(other) < baseOf(one) + sizeOf(one)

/** The addresses of hosts: without the subnet's own and its broadcast address. */
export function hostsOf(subnet: Subnet): { first: number; last: number } {
  return { first: baseOf(subnet) + 1, last: baseOf(subnet) + sizeOf(subnet) - 2 }
}

/** The longer run of hosts' addresses on one side of the interface's own. */
export function freeRange(subnet: Subnet): { first: number; last: number } {
  const { first, last } = hostsOf(subnet)
  const { address } = subnet
  return address - first > last - address ? { first, last: address - 1 } : { first: address + 1, last }
}
