/** Containerlab's topology files. */
import { foreign } from '../foreign.js'

export const target = foreign('containerlab', {
  words: [
    ...[
      'topology:\n',
      'nodes:\n',
      'links:\n',
      'kinds:\n',
      'defaults:\n',
      'groups:\n',
      'kind: linux',
      'kind: bridge',
    ],
    ...[
      'kind: host',
      'group: g',
      'exec:\n',
      'sysctls:',
      '- endpoints: [a:eth1, b:eth1]\n',
      'endpoints:',
      'endpoint:',
    ],
    ...[
      'type: host',
      'type: macvlan',
      'type: mgmt-net',
      'type: vxlan',
      'type: dummy',
      'host-interface: x',
      'mtu: 9000',
    ],
    ...[
      'ip addr add 10.0.0.1/24 dev eth1',
      'ip link set eth1 mtu 1400',
      'mac: 02:00:00:00:00:01',
      'ipv4: 10.0.0.1/24',
    ],
    ...[
      '${A:=b}',
      '$A',
      '{{ . }}',
      'host:x',
      'macvlan:x',
      '__proto__',
      '*a',
      '&a ',
      '  ',
      '\n',
      '{',
      '}',
      '[',
      ']',
    ],
  ],
  seeds: [
    'name: x\ntopology:\n  defaults: { kind: linux }\n  nodes:\n    a: { exec: [ip addr add 10.0.0.1/24 dev eth1] }\n    b:\n    s: { kind: bridge }\n    t: { kind: bridge }\n  links:\n    - endpoints: ["a:eth1", "s:a"]\n    - endpoints: ["b:eth1", "s:b"]\n    - endpoints: ["s:t", "t:s"]\n',
    'name: x\ntopology:\n  nodes:\n    a: { kind: linux }\n    b: { kind: x }\n  links:\n    - type: veth\n      mtu: 1400\n      endpoints:\n        - { node: a, interface: eth1, mac: "02:00:00:00:00:01", ipv4: 10.0.0.1/24 }\n        - { node: b, interface: e1/1 }\n    - { type: host, endpoint: { node: a, interface: eth2 }, host-interface: h1 }\n    - { type: dummy, endpoint: { node: a, interface: eth3 } }\n',
  ],
})
