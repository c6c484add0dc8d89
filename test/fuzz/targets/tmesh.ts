/** Machine descriptions of TME. */
import { foreign } from '../foreign.js'

export const target = foreign('tmesh', {
  words: [
    ...[
      'tap0: tme/host/tun/tap interface tapA',
      'bpf0 at le0: tme/host/bsd/bpf interface tapA',
      'tap0 at tap0\n',
      'le0 at sbus0 slot 0: tme/ic/am7990',
    ],
    ...[
      'tme/eth/impair',
      'source x',
      'connect ',
      ' at ',
      ': ',
      'inet 10.0.0.1',
      'netmask 255.255.255.0',
      'bcast ',
      'delay ',
      'drop ',
      '#',
      '\\',
      '"',
      '\n',
      '\t',
    ],
    ...[
      'tme/link/udp',
      'tme/host/posix/serial',
      'command ',
      'local ',
      'remote ',
      '0x',
      'Mbps',
      'rate ',
      'hub',
      'filter "ip"',
    ],
  ],
  seeds: [
    'sbus0: tme/bus/sbus\nle0 at sbus0 slot 0 offset 0xc00000: tme/ic/am7990\ntap0: tme/host/tun/tap interface tapA inet 10.0.77.1 netmask 255.255.255.0 bcast 10.0.77.255 # master\ntap0 at tap0\nbpf0 at le0: tme/host/bsd/bpf interface tapA\n',
    'a: tme/ic/am7990\nsource pipe\n',
  ],
})
