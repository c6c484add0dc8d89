/**
 * Names in pcap-filter expressions. libpcap asks the name service for every word that it does not know, a misspelt one too,
 * waits for the answer, and tells whoever answers what a file holds that is only checked. So they are refused before. Called
 * by compileFilter. The words are those of pcap-filter(7), of libpcap 1.10.
 */
import { EtherloomError } from '../../values/errors.js'
import { suggestion } from '../../values/options.js'
import { quote } from '../../values/quote.js'

const words = new Set(
  (
    'aarp ack action address1 address2 address3 address4 addr1 addr2 addr3 addr4 ah and arp assoc-req assoc-resp atalk atim ' +
    'auth bcc beacon broadcast byte carp cf-end cf-end-ack clnp connectmsg csnp ctl cts data data-cf-ack data-cf-ack-poll ' +
    'data-cf-poll deauth decnet dir direction disassoc disc dpc dst dstods es-is esis esp ether fddi fisu frmr fromds geneve ' +
    'greater hdpc hfisu hlssu hmsu hopc host hsio hsls icmp icmp6 icmp6code icmp6type icmpcode icmptype ifindex ifname igmp igrp ' +
    'iih ilmic inbound ip ip6 ipx is-is isis iso l1 l2 lane lat len length less link llc lsp lssu lsu mask metac metaconnect mgt ' +
    'moprc mopdl mpls msu multicast net netbeui nods not null oam oamf4 oamf4ec oamf4sc oamf4s oamf4e on opc or outbound pf_reason ' +
    'pim port portrange ppp pppoed pppoes probe-req probe-resp proto protochain ps-poll psnp qos qos-cf-ack-poll qos-cf-poll ' +
    'qos-data qos-data-cf-ack qos-data-cf-ack-poll qos-data-cf-poll qos-null ra radio rarp reason reassoc-req reassoc-resp rej rnr ' +
    'rr rset rts rulenum ruleset s sabme sc sca sctp sio slip sls snp src srnr stp subrulenum subtype ta tcp tcpflags test tods tr ' +
    'type u ua udp ui vci vlan vpi vrrp vxlan wlan xid'
  ).split(' '),
)

/** What stands for values of fields, as in `tcp[tcpflags] & tcp-syn != 0`. */
const constant = /^(?:icmp6?|tcp)-[a-z0-9]+$/
const number = /^(?:0x[0-9a-f]+|\d+)$/i
/** MAC and IPv4 addresses and their beginnings, and what has colons: MAC and IPv6 addresses, lengths of fields (`2:2`). */
const address =
  /^(?:[0-9.]+(?:\/\d+)?|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|(?:[0-9a-f]{1,2}[-.]){5}[0-9a-f]{1,2}|[0-9a-f.]*:[0-9a-f:./]*)$/i
/** Behind these, and in the lists that they begin, names are those of files of this machine, or of its interfaces. */
const local = new Set(['port', 'portrange', 'proto', 'protochain', 'on', 'ifname', 'rset', 'ruleset'])
const connectives = new Set(['and', 'or', 'not'])

/** @throws EtherloomError ERR_ETHERLOOM_FILTER for a word whose meaning libpcap would ask the name service for */
export function refuseNames(expression: string): void {
  const refuse = (why: string, hint: string): never => {
    const message = `the filter ${quote(expression)} cannot be compiled: ${why}`
    throw new EtherloomError('ERR_ETHERLOOM_FILTER', message, { hint })
  }
  let isLocal = false
  for (const [word] of expression.matchAll(/\\?[A-Za-z0-9][A-Za-z0-9._:/-]*|::[0-9a-f:./]*/gi)) {
    if (word === 'gateway')
      refuse(
        "'gateway' takes the name of a host, and filters look none up",
        "write 'ether host' with its MAC address",
      )
    if (words.has(word)) isLocal = local.has(word) || (isLocal && connectives.has(word))
    else if (!isLocal && !number.test(word) && !constant.test(word) && !address.test(word))
      refuse(
        `${quote(word)} is neither a word of pcap-filter(7) nor an address${suggestion(word, [...words])}`,
        'names of hosts are not looked up; give their addresses',
      )
  }
}
