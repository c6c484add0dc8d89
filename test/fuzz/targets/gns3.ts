/** Projects of GNS3. */
import { foreign } from '../foreign.js'

export const target = foreign('gns3', {
  words: [
    ...[
      '"topology":{',
      '"nodes":[',
      '"links":[',
      '"node_id":"a"',
      '"node_type":"vpcs"',
      '"ethernet_switch"',
      '"cloud"',
    ],
    ...[
      '"nat"',
      '"ethernet_hub"',
      '"frame_relay_switch"',
      '"docker"',
      '"name":',
      '"properties":{',
      '"ports_mapping":[',
    ],
    ...[
      '"port_number":1',
      '"adapter_number":1',
      '"type":"dot1q"',
      '"qinq"',
      '"vlan":7',
      '"interface":"x"',
      '"lport":1',
    ],
    ...[
      '"filters":{',
      '"delay":[20,5]',
      '"packet_loss":[3]',
      '"frequency_drop":[-1]',
      '"corrupt":[1]',
      '"bpf":["icmp\\n"]',
    ],
    ...[
      '"suspend":true',
      '"startup_script":"ip 10.0.0.1/24 10.0.0.9\\n"',
      '1e9',
      '-1',
      'null',
      '{',
      '}',
      '[',
      ']',
      ',',
    ],
  ],
  seeds: [
    '{"name":"x","topology":{"nodes":[{"node_id":"a","name":"a","node_type":"vpcs","properties":{"startup_script":"ip 10.0.0.1 255.0.0.0 10.0.0.2\\nset pcname a"}},{"node_id":"s","name":"s","node_type":"ethernet_switch","properties":{"ports_mapping":[{"port_number":0,"type":"access","vlan":7},{"port_number":1,"type":"dot1q","vlan":1}]}},{"node_id":"c","name":"c","node_type":"cloud","properties":{"ports_mapping":[{"port_number":0,"type":"udp","lport":1,"rhost":"127.0.0.1","rport":2}]}}],"links":[{"nodes":[{"node_id":"a"},{"node_id":"s"}],"filters":{"delay":[20,5],"packet_loss":[3],"bpf":["icmp"]}},{"nodes":[{"node_id":"s","port_number":1},{"node_id":"c"}],"suspend":true}]}}',
    '{"topology":{"nodes":[{"node_id":"a","name":"a","node_type":"qemu"},{"node_id":"h","name":"h h","node_type":"ethernet_hub"}],"links":[{"nodes":[{"node_id":"a","adapter_number":1,"port_number":2},{"node_id":"h"}],"filters":{"frequency_drop":[4],"corrupt":[1]}}]}}',
  ],
})
