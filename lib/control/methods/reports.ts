/** What the network is doing, a method per report; each answers with rows. */
import type { Reports } from '../../topology/report.js'
import { about, anyText, flag, integer, list, oneOf, required, text } from '../../values/options.js'
import { counter } from '../../values/counter.js'
import type { Rule, RulesOf } from '../../values/options.js'
import { anything, fields, method, type Method } from '../method.js'

const most = Number.MAX_SAFE_INTEGER
const whole = (description: string) => about(description, required(integer(0, most)))
const count = (description: string) => about(description, required(counter()))
const word = (description: string) => about(description, required(text({ max: 4096 })))
const words = (description: string) => about(description, required(list(text({ max: 4096 }))))
const policyOf = (description: string) =>
  about(description, required(anything<object>('a policy, as in a topology file')))

/** A report: what its rows say. */
function report<What extends keyof Reports>(
  what: What,
  description: string,
  keys: RulesOf<Reports[What][number]>,
  row: Reports[What][number],
): Method<object, Reports[What]> {
  return method({
    description,
    parameters: {},
    result: list(fields<Reports[What][number]>(keys)) as unknown as Rule<Reports[What]>,
    example: { params: {}, result: [row] },
    call: async (_, instance) =>
      (await import('../../topology/report.js')).reports[what]((await instance).network),
  })
}

export const ports = report(
  'ports',
  'All ports: where each leads, how it is, and what has passed it.',
  {
    fabric: word('its fabric'),
    port: word('its name there'),
    kind: word('its kind, as `tap`'),
    leadsTo: word('an interface (of a host), a port of another fabric, a socket, or outside'),
    state: word('`up`, or why not'),
    carrier: about('whether it has its carrier', required(oneOf(['on', 'off']))),
    group: about('its split-horizon group, if it is in one', text()),
    vlan: about('its VLANs, if it was given any: `10`, `trunk 10,20 native 1`, `trunk all`', text()),
    method: about('how it receives: `io_uring`, `epoll`, `ring` or `calls`; absent without a device', text()),
    queues: about('of a TAP: how many workers read it', integer(1, 1024)),
    superFrames: about(
      'the protocols whose super-frames pass its device whole; absent without a device',
      list(text()),
    ),
    innerMtu: about(
      'of a tunnel: bytes of the longest IP packet that its frames can hold; absent where that is not known',
      integer(0, 65_535),
    ),
    receivedFrames: count('frames that came from the device'),
    receivedBytes: count('their bytes'),
    transmittedFrames: count('frames that the device took'),
    transmittedBytes: count('their bytes'),
    dropped: count('frames dropped at the port'),
  },
  {
    ...{ fabric: 'core', port: 'red', kind: 'tap', leadsTo: 'red:eth0', state: 'up', carrier: 'on' },
    ...{ method: 'io_uring', queues: 1, superFrames: ['tcp', 'udp'] },
    ...{ receivedFrames: 3n, receivedBytes: 266n, transmittedFrames: 1n, transmittedBytes: 90n, dropped: 0n },
  },
)

/** Of a path. */
export const pathKeys: RulesOf<Reports['paths'][number]> = {
  fabric: word('its fabric'),
  from: word('the port that frames come from'),
  to: word('the port that frames go to'),
  allowed: about('whether frames may pass', required(flag())),
  policy: policyOf('the policy in force, with the keys of a topology file'),
  offered: count('frames that the fabric gave to the path'),
  duplicated: count('extra copies that its duplicate impairment made'),
  delivered: count("frames that the to-port's device took"),
  deliveredBytes: count('their bytes'),
  marked: count('frames in which congestion was marked'),
  delayed: count('frames that the line or travel held back'),
  reordered: count('frames that left after one that came later'),
  corrupted: count('frames of which a bit was flipped'),
  dropped: count('frames dropped'),
  waiting: count('frames that wait for the line'),
  inFlight: count('frames that are under way'),
}
export const pathExample: Reports['paths'][number] = {
  ...{ fabric: 'core', from: 'red', to: 'blue', allowed: true, policy: { delay: '5ms' } },
  ...{
    offered: 7n,
    duplicated: 0n,
    delivered: 7n,
    deliveredBytes: 586n,
    marked: 0n,
    delayed: 7n,
    reordered: 0n,
  },
  ...{ corrupted: 0n, dropped: 0n, waiting: 0n, inFlight: 0n },
}
export const paths = report(
  'paths',
  'The paths that have a policy of their own: which, and what has become of their frames.',
  pathKeys,
  pathExample,
)

export const addresses = report(
  'addresses',
  'The addresses that switches have learned.',
  {
    fabric: word('the switch'),
    address: word('the MAC address'),
    vlan: whole('its VLAN; 0 where there is none'),
    port: word('the port behind which it is'),
    age: word('since the last frame that refreshed it'),
  },
  { fabric: 'core', address: '02:00:00:00:00:01', vlan: 0, port: 'red', age: '1.2s' },
)

export const drops = report(
  'drops',
  'Which frames were dropped, where and why.',
  {
    fabric: word('the fabric'),
    at: word('a port, or a path as `from > to`'),
    reason: word('the drop reason'),
    frames: count('how many'),
    advice: about('what to do about it, where the port knows', text({ max: 4096 })),
  },
  { fabric: 'core', at: 'red > blue', reason: 'loss', frames: 17n },
)

export const hosts = report(
  'hosts',
  'The hosts, and where their namespaces are.',
  {
    host: word('its name'),
    namespace: word('the path of its network namespace, while the instance runs'),
    userNamespace: word('the path of the user namespace that owns it'),
    interfaces: words('its interfaces'),
  },
  {
    ...{ host: 'red', namespace: '/proc/4711/fd/22', userNamespace: '/proc/4711/ns/user' },
    interfaces: ['eth0'],
  },
)

export const runs = report(
  'runs',
  'The programs of hosts.',
  {
    run: word('its name, as `red`, or `red.web`'),
    host: word('the host'),
    state: about('`waiting`: it will be started again', required(oneOf(['running', 'waiting', 'ended']))),
    pid: about('its process, while it runs', integer(1, most)),
    starts: whole('how often it was started'),
    ended: about('how it ended last: its exit code, or the signal', text()),
    command: about('what runs, as a shell takes it', required(anyText)),
  },
  { run: 'red', host: 'red', state: 'running', pid: 4711, starts: 1, command: 'iperf3 -s' },
)

export const timeline = report(
  'timeline',
  'How far the entries of the timelines are.',
  {
    fabric: word('the fabric'),
    entry: word('the entry in words'),
    taken: whole('steps taken'),
    next: about('the time of its next step, from time zero; absent when there is none', text()),
    error: about('what went wrong last', text({ max: 65_536 })),
  },
  { fabric: 'core', entry: 'red carrier=off', taken: 0, next: '1h' },
)

export const worlds = report(
  'worlds',
  'The worlds.',
  {
    world: word('its name'),
    nodes: whole('its nodes'),
    links: whole('links that are up'),
    steps: whole('steps taken'),
    running: about('whether more come by themselves', required(flag())),
  },
  { world: 'field', nodes: 3, links: 2, steps: 10, running: true },
)

export const links = report(
  'links',
  'The links of worlds that are up.',
  {
    world: word('the world'),
    a: word('the node at its one end'),
    b: word('the node at its other'),
    distance: whole('whole metres between them'),
    policy: policyOf('the policy of both directions'),
    fabric: word('the fabric that the link runs on'),
    ports: words('the ports of its two ends'),
  },
  {
    ...{ world: 'field', a: 'red', b: 'blue', distance: 12, policy: { rate: '54Mbit' } },
    ...{ fabric: 'air', ports: ['red', 'blue'] },
  },
)

const bucket = fields<Reports['lateness'][number]['buckets'][number]>({
  from: whole('nanoseconds'),
  to: about('nanoseconds', integer(0, most)),
  count: count('departures'),
})
export const lateness = report(
  'lateness',
  'How late frames left, compared with when they were due, per worker.',
  {
    worker: whole('its number'),
    count: count('departures counted'),
    max: whole('the longest, in nanoseconds'),
    p50: whole('half of the departures were not later than this, in nanoseconds'),
    p99: whole('99 of 100 were not later'),
    buckets: about(
      'departures late by `from` up to, not including, `to` nanoseconds; the last has no `to`',
      required(list(bucket)),
    ),
  },
  {
    worker: 0,
    count: 7n,
    max: 40_112,
    p50: 8191,
    p99: 40_112,
    buckets: [{ from: 4096, to: 8192, count: 7n }],
  },
)
