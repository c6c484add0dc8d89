/** Scenarios of CORE, as labs. */
import { foreign } from '../foreign.js'

export const target = foreign('core', {
  words: [
    ...[
      '<device id="1" name="n1" type="PC">',
      '</device>',
      '<network id="9" name="w" type="WIRELESS_LAN"/>',
      '<services>',
    ],
    ...[
      '<link node1="1" node2="2">',
      '</link>',
      '<iface1 name="eth0"/>',
      '<iface2 id="1" mac="02:00:00:00:00:01"/>',
    ],
    ...[
      'ip4="10.0.0.1" ip4_mask="24"',
      'ip6="fd00::1" ip6_mask="64"',
      '<position x="1" y="2"/>',
      '<service name="IPForward"/>',
    ],
    ...[
      '<options delay="1000" loss="1" bandwidth="1000"/>',
      'unidirectional="1"',
      '<mobility_configurations>',
    ],
    ...[
      '<mobility_configuration node="9" model="basic_range">',
      '<configuration name="range" value="1"/>',
      'RJ45',
      'SWITCH',
    ],
    ...['HUB', 'EMANE', 'TUNNEL', '1e400', '-1', '<!--', '-->', '&#x41;', '/>', '"', '<', '>'],
  ],
  seeds: [
    '<scenario><networks><network id="9" name="w" type="WIRELESS_LAN"/><network id="8" name="s" type="SWITCH"/></networks><devices><device id="1" name="n1" type="router"><position x="1" y="2"/></device><device id="2" name="n2"><position x="3" y="4"/><services><service name="IPForward"/></services></device></devices><links><link node1="1" node2="9"><iface1 name="eth0" ip4="10.0.0.1" ip4_mask="32"/></link><link node1="2" node2="9"/><link node1="1" node2="8"><iface1 name="eth1"/><options delay="1000" loss="1" bandwidth="1000000"/></link></links><mobility_configurations><mobility_configuration node="9" model="basic_range"><configuration name="range" value="50"/></mobility_configuration></mobility_configurations></scenario>',
    '<scenario><devices><device id="1" name="n1"/><device id="2" name="n 2"/></devices><links><link node1="1" node2="2"><iface1 name="e"/><iface2 name="f"/><options delay="5" unidirectional="1"/></link><link node1="2" node2="1"><iface1 name="f"/><iface2 name="e"/><options loss="5" unidirectional="1"/></link></links></scenario>',
  ],
})
