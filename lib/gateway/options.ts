/** The options of a gateway: what TapPort and topology files take, and what they come to. */
import { isIPv4 } from 'node:net'
import { isIPv4Prefix } from '../values/addresses.js'
import {
  about,
  either,
  flag,
  list,
  mapping,
  optional,
  required,
  single,
  text,
  type Rule,
  type RulesOf,
} from '../values/options.js'
import { hostsOf, networkOf, parseSubnet, toNumber } from './subnet.js'

/** A way out of a fabric through this machine: addresses, NAT, DHCP and DNS. */
export interface GatewayOptions {
  /**
   * The interface towards the outside, up and with an IPv4 address, in the TAP's network namespace. It is never guessed.
   */
  interface: string
  /**
   * Gives addresses to those who ask (DHCP, by dnsmasq): `true` those of the larger part of the subnet on one side of the
   * TAP's own address, else from the first to the last. Default false.
   */
  dhcp?: boolean | { from: string; to: string }
  /**
   * Answers questions for names (DNS, by dnsmasq), asking the servers of /etc/resolv.conf, or those that are given by
   * their addresses. Default false.
   */
  dns?: boolean | string[]
}

/**
 * Names that mean nothing else wherever a gateway hands them on: they become part of the name of an nftables table, stand
 * between quotes in its rules, and are words of dnsmasq. A kernel takes interfaces named `a#b` or `a;b`, too.
 */
const handedOn = {
  pattern: /^(?!\.{1,2}$)[\w.-]{1,15}$/,
  expects: "1 to 15 letters, digits, '-', '_' or '.'",
}

export const gatewayInterface = (): Rule<string | undefined> =>
  text({ pattern: handedOn.pattern, expects: `an interface name of ${handedOn.expects}` })

export const ipv4Address = (): Rule<string | undefined> =>
  single("an IPv4 address such as '10.0.77.100'", { type: 'string' }, (value) =>
    typeof value === 'string' && isIPv4(value) ? value : undefined,
  )

const server = about('A server.', ipv4Address())

/** @internal A rule for the `gateway` option. */
export const gatewayRule = about(
  'Makes the host of the TAP a gateway: NAT to an interface, DHCP, DNS; undone when the port ends, however it ends.',
  mapping({
    interface: required(
      about('The interface that leads outside; it must be up and have an IPv4 address.', gatewayInterface()),
    ),
    dhcp: about(
      "Gives out addresses by DHCP: from this range, or with true the addresses above the TAP's own, or below where these are more.",
      optional(
        either<boolean | { from: string; to: string } | undefined>(
          'true, false, or the first and the last address, as { from: ..., to: ... }',
          [
            flag(),
            mapping({
              from: required(about('The first address.', ipv4Address())),
              to: required(about('The last address.', ipv4Address())),
            }),
          ],
        ),
        false,
        false,
      ),
    ),
    dns: about(
      'Answers for names: with the servers of /etc/resolv.conf, or these.',
      optional(
        either<boolean | string[] | undefined>('true, false, or a list of IPv4 addresses of name servers', [
          flag(),
          list(server, { min: 1 }),
        ]),
        false,
        false,
      ),
    ),
  } satisfies RulesOf<GatewayOptions>),
)

/** The options of a gateway with everything filled in. */
export type GatewaySettings = NonNullable<ReturnType<typeof gatewayRule>>

/** What is wrong with a gateway for this TAP, and with which of its keys; undefined when nothing is. */
export function gatewayFault(
  { interface: outside, dhcp }: GatewaySettings,
  { tap, addresses }: { tap: string; addresses: readonly string[] },
): { key?: 'interface' | 'dhcp'; message: string } | undefined {
  if (!handedOn.pattern.test(tap.replace('%d', '0')))
    return { message: `the name of its TAP must be ${handedOn.expects}` }
  const [address, another] = addresses.filter(isIPv4Prefix)
  if (address === undefined || another !== undefined)
    return { message: "the TAP needs exactly one IPv4 address in 'addresses', such as 10.0.77.1/24" }
  const subnet = parseSubnet(address)
  if (subnet.bits < 8 || subnet.bits > 30)
    return { message: `the TAP's subnet must have a prefix length from 8 to 30, not ${subnet.bits}` }
  if (outside === tap)
    return { key: 'interface', message: `'interface' must be one that leads outside, not the TAP itself` }
  if (typeof dhcp === 'boolean') return undefined
  const [from, to] = [toNumber(dhcp.from), toNumber(dhcp.to)]
  const { first, last } = hostsOf(subnet)
  if (from < first || to > last)
    return { key: 'dhcp', message: `'dhcp' must lie in ${networkOf(subnet)}, the subnet of the TAP` }
  if (from > to) return { key: 'dhcp', message: "'dhcp' ends before it begins: exchange 'from' and 'to'" }
  return undefined
}
