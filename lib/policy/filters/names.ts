/**
 * Names in pcap-filter expressions. libpcap asks the name service for every word that it does not know, a misspelt one too,
 * waits for the answer, and tells whoever answers what a file holds that is only checked. So they are refused before. Called
 * by compileFilter. The words are those that libpcap 1.10 knows wherever they stand; pcap-filter(7) has more that mean
 * something behind one of these only ('llc u'), or in frames of Wi-Fi ('type mgt'), which come through no fabric.
 */
import { isIPv6 } from 'node:net'
import { EtherloomError } from '../../values/errors.js'
import { suggestion } from '../../values/options.js'
import { quote } from '../../values/quote.js'

const words = new Set(
  (
    'aarp action address1 address2 address3 address4 addr1 addr2 addr3 addr4 ah and arp atalk bcc broadcast byte carp clnp ' +
    'connectmsg csnp decnet dir direction dpc dst es-is esis esp ether fddi fisu geneve greater hdpc hfisu hlssu hmsu hopc ' +
    'host hsio hsls icmp icmp6 icmp6code icmp6type icmpcode icmptype ifindex ifname igmp igrp iih ilmic inbound ip ip6 ipx ' +
    'is-is isis iso l1 l2 lane lat len length less link llc lsp lssu lsu mask metac metaconnect moprc mopdl mpls msu ' +
    'multicast net netbeui not oam oamf4 oamf4ec oamf4sc on opc or outbound pim port portrange ppp pppoed pppoes proto ' +
    'protochain psnp ra radio rarp reason rnr rset rulenum ruleset sc sca sctp sio slip sls snp src srnr stp subrulenum ' +
    'subtype ta tcp tcpflags tr type udp vci vlan vpi vrrp wlan'
  ).split(' '),
)

/** What stands for values of fields, as in `tcp[tcpflags] & tcp-syn != 0`. */
const constants = {
  tcp: 'ack cwr ece fin push rst syn urg',
  icmp:
    'echo echoreply ireq ireqreply maskreply maskreq paramprob redirect routeradvert routersolicit sourcequench timxceed ' +
    'tstamp tstampreply unreach',
  icmp6:
    'certpathadvert certpathsolicit destinationunreach echo echoreply homeagentdiscoveryreply homeagentdiscoveryrequest ' +
    'ineighbordiscoveryadvert ineighbordiscoverysolicit mobileprefixadvert mobileprefixsolicit multicastlistenerdone ' +
    'multicastlistenerquery multicastlistenerreportv1 multicastlistenerreportv2 multicastrouteradvert multicastroutersolicit ' +
    'multicastrouterterm neighboradvert neighborsolicit nodeinformationquery nodeinformationresponse packettoobig ' +
    'parameterproblem redirect routeradvert routerrenum routersolicit timeexceeded',
}
for (const [protocol, values] of Object.entries(constants))
  for (const value of values.split(' ')) words.add(`${protocol}-${value}`)

const number = /^(?:0x[0-9a-f]+|\d+)$/i
/** IPv4 addresses and their beginnings, with the length of a prefix, and MAC addresses: what libpcap takes for a name else. */
const address =
  /^(?:\d+(?:\.\d+){0,3}(?:\/\d+)?|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{1,2}([-.:])(?:[0-9a-f]{1,2}\1){4}[0-9a-f]{1,2})$/i
const isAddress = (word: string): boolean => address.test(word) || isIPv6(word.replace(/\/\d+$/, ''))
/** Behind these, and in the lists that they begin, names are those of files of this machine, of its interfaces, of libpcap. */
const local = new Set(['port', 'portrange', 'proto', 'protochain', 'on', 'ifname', 'rset', 'ruleset', 'llc'])
const connectives = new Set(['and', 'or', 'not'])

/** @throws EtherloomError ERR_ETHERLOOM_FILTER for a word whose meaning libpcap would ask the name service for */
export function refuseNames(expression: string): void {
  const refuse = (why: string, hint: string): never => {
    const message = `the filter ${quote(expression)} cannot be compiled: ${why}`
    throw new EtherloomError('ERR_ETHERLOOM_FILTER', message, { hint })
  }
  let isLocal = false
  const outside: boolean[] = [] // what held before each open parenthesis holds again behind it
  for (const [token] of expression.matchAll(
    /[()]|\\[^ !()\n\t]+|[A-Za-z0-9][A-Za-z0-9._:/-]*|::[0-9a-f:./]*/gi,
  )) {
    if (token === '(') outside.push(isLocal)
    if (token === ')') isLocal = outside.pop() ?? false
    if (token === '(' || token === ')' || isAddress(token)) continue
    // What has these inside and is no address is a sum or the length of a field: `tcp[tcpflags:1]`, `len/2`.
    for (const word of /^[^\\]*[^\\:/]$/.test(token) ? token.split(/[:/]/) : [token]) {
      if (word === 'gateway')
        refuse(
          "'gateway' takes the name of a host, and filters look none up",
          "write 'ether host' with its MAC address",
        )
      if (words.has(word)) isLocal = local.has(word) || (isLocal && connectives.has(word))
      else if (!isLocal && !number.test(word))
        refuse(
          `${quote(token)} is neither a word of pcap-filter(7) nor an address${suggestion(token, [...words])}`,
          'names of hosts are not looked up; give their addresses',
        )
    }
  }
}
