/**
 * The topology file: one zod schema is the source of its types, its checks and its published JSON Schema.
 * Called by check.ts (values), by the build (JSON Schema) and, for types only, by everything about topologies.
 *
 * Every leaf's message is a sentence without its subject ("must be ..."); check.ts puts the key before it.
 * What a single value cannot show, such as names that must exist, is checked in plan.ts.
 */
import { z } from 'zod'
import { interfaceAddress } from '../addresses.js'
import { flag, integer, oneOf, probability, refuse, text, type Rule } from '../options.js'
import { netemRules } from '../netem/netem.js'
import { parseDuration, parseQueueLimit, parseRate, parseSize } from '../units.js'
import type { Duration, QueueLimit, Rate, Size } from '../units.js'
import type { Match } from '../filters/match.js'

type Meta = Record<string, unknown> & { description: string }

/** A leaf of the schema: `type` decides what the JSON Schema says, `rule` what is right. */
function leaf<T>(type: 'string' | 'number' | 'boolean', rule: Rule<unknown>, meta: Meta): z.ZodType<T> {
  const error = (issue: { input?: unknown }): string => complaint(rule, issue.input) ?? ''
  const base = { string: z.string({ error }), number: z.number({ error }), boolean: z.boolean({ error }) }[
    type
  ]
  const checked = (base as z.ZodType).superRefine((value, context) => {
    const message = complaint(rule, value)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
  return checked.meta(meta) as z.ZodType<T>
}

/** What `rule` has against `value`, without a subject. */
function complaint(rule: Rule<unknown>, value: unknown): string | undefined {
  try {
    rule(value, '')
    return undefined
  } catch (error) {
    return (error as Error).message.trim()
  }
}

const wholeNumber = (min: number, max: number, unit: string | undefined, meta: Meta): z.ZodType<number> =>
  leaf('number', integer(min, max, unit === undefined ? {} : { unit }), {
    type: 'integer',
    minimum: min,
    maximum: max,
    ...meta,
  })

const choice = <Word extends string>(words: readonly Word[], meta: Meta): z.ZodType<Word> =>
  leaf('string', oneOf(words), { enum: words, ...meta })

const yesOrNo = (description: string, fallback: boolean): z.ZodType<boolean> =>
  leaf('boolean', flag(), { description, default: fallback })

const duration = (description: string): z.ZodType<Duration> =>
  leaf('string', parseDuration, { description, examples: ['5ms', '1.5s'] })

/** A probability as a number or in per cent; a number either way once it is read. */
const chance = (description: string): z.ZodType<number> => {
  const percent = /^\d+(\.\d+)? ?%$/
  const toNumber = (value: unknown): unknown =>
    typeof value === 'string' && percent.test(value) ? Number.parseFloat(value) / 100 : value
  const isChance: Rule<unknown> = (value, subject) => {
    if (complaint(probability(), toNumber(value)) !== undefined)
      refuse(subject, "a probability from 0 to 1 or from '0%' to '100%'", value)
  }
  const asNumber = leaf<number>('number', isChance, { description, minimum: 0, maximum: 1 })
  const asText = leaf<string>('string', isChance, { description, pattern: percent.source })
  return z
    .union([asNumber, asText], { error: (issue) => complaint(isChance, issue.input) ?? '' })
    .transform((value) => toNumber(value) as number)
    .meta({ description, examples: [0.02, '2%'] })
}

const namePattern = /^[A-Za-z0-9_-]{1,63}$/
const name = (description: string): z.ZodType<string> =>
  leaf('string', text({ pattern: namePattern, expects: "1 to 63 letters, digits, '-' or '_'" }), {
    description,
    pattern: namePattern.source,
  })

const interfacePattern = /^(?!\.{1,2}$)[^\s/:]{1,15}$/
const interfaceName = (description: string): z.ZodType<string> =>
  leaf(
    'string',
    text({ pattern: interfacePattern, expects: "1 to 15 characters without spaces, '/' or ':'" }),
    {
      description,
      pattern: interfacePattern.source,
    },
  )

const address = leaf<string>('string', interfaceAddress(), {
  description: 'An IPv4 or IPv6 address with its prefix length.',
  examples: ['10.0.0.1/24', 'fd00::1/64'],
})
const addresses = z.array(address).meta({ description: "The interface's addresses." })

const macPattern = /^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$/
const mac = leaf<string>(
  'string',
  text({ pattern: macPattern, expects: "a unicast MAC address such as '02:00:00:00:00:01'" }),
  { description: "The interface's MAC address (unicast).", pattern: macPattern.source },
)
const napi = yesOrNo(
  "Whether the interface's kernel joins what the port sends (NAPI and GRO): for bulk TCP, at the cost of small frames.",
  false,
)
const mtu = wholeNumber(68, 65_521, 'bytes', {
  description: 'Largest IP packet of the interface, in bytes.',
  default: 1500,
})

const filter = z
  .union([z.string().min(1), z.record(z.string(), z.unknown())], {
    error: 'must be a pcap-filter expression or a match object',
  })
  .meta({
    description:
      "What may pass: a pcap-filter expression ('not ip6') or a match object ({ etherType: arp }).",
  }) as z.ZodType<string | Match>

/** The keys of a policy, the same in a topology file and on the command line. */
const policyShape = {
  allowed: yesOrNo('Whether frames may take the path at all.', true).exactOptional(),
  filter: filter.exactOptional(),
  delay: duration('Travel time of every frame.').exactOptional(),
  jitter: duration('Spread of the delay: uniform in delay - jitter to delay + jitter.').exactOptional(),
  loss: chance('Probability that a frame is lost.').exactOptional(),
  duplicate: chance('Probability that a frame is sent twice.').exactOptional(),
  corrupt: chance('Probability that one bit of a frame is flipped.').exactOptional(),
  reorder: chance('Probability that a frame skips the delay and overtakes.').exactOptional(),
  rate: leaf<Rate>('string', parseRate, {
    description: 'Bits per second of the line; frames wait for it one after another.',
    examples: ['10Mbit'],
  }).exactOptional(),
  overhead: wholeNumber(0, 1000, 'bytes', {
    description: 'Bytes added to each frame when its line time is computed; 24 gives Ethernet wire time.',
    default: 0,
  }).exactOptional(),
  queue: leaf<QueueLimit>('string', parseQueueLimit, {
    description:
      'How much may wait for the line: frames, bytes or time. Default: 1000 frames or 100 ms, the larger.',
    examples: ['50frames', '64KiB', '200ms'],
  }).exactOptional(),
  netem: leaf<string>('string', netemRules.netem, {
    description:
      "The words that follow 'netem' in a tc command: does what the kernel's netem does, instead of the other keys.",
    examples: ['delay 100ms 10ms 25% distribution normal loss gemodel 1% 10% rate 10mbit'],
  }).exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER, undefined, {
    description: "Seed of this path's random draws, instead of one derived from the topology's.",
  }).exactOptional(),
}

/** One policy. */
export const policySchema = z.strictObject(policyShape)

const portReference = name('A port of this fabric.')
const somePorts = z
  .union([portReference, z.array(portReference).min(1), z.literal('*')], {
    error: "must be the name of a port, a list of names, or '*' for every other port",
  })
  .meta({ description: "A port of this fabric, a list of them, or '*' for every other one." })

/** The message of a union of mappings: what is wrong stands in its branches. */
export const seeBranches = ''

const pathSchema = z.union(
  [
    z.strictObject({
      between: z
        .array(portReference)
        .min(2)
        .meta({ description: 'Ports of this fabric: both ways for each pair.' }),
      ...policyShape,
    }),
    z.strictObject({ from: somePorts, to: somePorts, ...policyShape }),
  ],
  { error: seeBranches },
)

const hostPort = z.strictObject({
  host: name('Host to give an interface to; the port is the other end of that interface.'),
  interface: interfaceName(
    'Name of the interface inside the host. Default: eth0, eth1, ... in order.',
  ).exactOptional(),
  addresses: addresses.exactOptional(),
  mtu: mtu.exactOptional(),
  mac: mac.exactOptional(),
  napi: napi.exactOptional(),
})
const tapPort = z.strictObject({
  tap: interfaceName('TAP interface on this machine, created if it does not exist.'),
  addresses: addresses.exactOptional(),
  mtu: mtu.exactOptional(),
  mac: mac.exactOptional(),
  owner: wholeNumber(0, 0xfffffffe, undefined, {
    description: 'User id that may join the TAP without privilege.',
  }).exactOptional(),
  persist: yesOrNo('Whether the TAP outlives this run.', false).exactOptional(),
  napi: napi.exactOptional(),
})
const packetPort = z.strictObject({
  packet: interfaceName('Existing interface to open a packet socket on.'),
  direction: choice(['in', 'out', 'both'], {
    description: 'Which frames to take: those the interface receives, those it sends, or both.',
    default: 'in',
  }).exactOptional(),
  promiscuous: yesOrNo('Whether to receive frames for other addresses too.', true).exactOptional(),
  filter: filter.exactOptional(),
  method: choice(['ring', 'calls'], {
    description:
      'How frames are received: through 4 MiB of memory shared with the kernel, or by system calls. Default: a ring where the kernel grants one.',
  }).exactOptional(),
})
const patchPattern = /^[A-Za-z0-9_-]{1,63}\.[A-Za-z0-9_-]{1,63}$/
const patchPort = z.strictObject({
  patch: leaf<string>(
    'string',
    text({ max: 127, pattern: patchPattern, expects: "a port of another fabric as 'fabric.port'" }),
    {
      description: 'Port of another fabric to join, as fabric.port; that port names this one in return.',
      pattern: patchPattern.source,
    },
  ),
})
const portSchema = z.union([hostPort, tapPort, packetPort, patchPort], { error: seeBranches })

const fabricShape = {
  forwarding: choice(['allow', 'deny'], {
    description: 'What holds for pairs of ports that no path entry names.',
    default: 'allow',
  }).exactOptional(),
  ports: z.record(name('Name of the port.'), portSchema).meta({ description: 'The ports, by name.' }),
  paths: z
    .array(pathSchema)
    .meta({ description: 'Policies of directed pairs of ports; the last entry that names a pair holds.' })
    .exactOptional(),
}
const kind = <Kind extends string>(word: Kind, description: string): z.ZodLiteral<Kind> =>
  z.literal(word).meta({ description })

const fabricSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: kind('hub', 'Every frame goes to every other port.'), ...fabricShape }),
  z.strictObject({
    kind: kind('switch', 'Frames go where their destination address was last seen.'),
    ageing: duration('How long a silent address is remembered. Default 300s.').exactOptional(),
    addresses: wholeNumber(1, 1 << 20, 'addresses', {
      description: 'How many addresses the table holds.',
      default: 8192,
    }).exactOptional(),
    forwardReserved: yesOrNo('Whether to pass on frames to 01:80:C2:00:00:0x.', false).exactOptional(),
    ...fabricShape,
  }),
  z.strictObject({ kind: kind('wire', 'Two ports, cross-connected.'), ...fabricShape }),
])

const hostSchema = z.strictObject({
  addresses: addresses
    .meta({ description: "Addresses of the host's interface, if it has exactly one." })
    .exactOptional(),
})

const busyPoll = z
  .union(
    [
      yesOrNo('Whether the workers look for frames all the time instead of sleeping.', false),
      z.strictObject({
        spinLast: duration('How long before a frame is due to leave a path the workers stop sleeping.'),
      }),
    ],
    { error: 'must be true, false or { spinLast: 50us }' },
  )
  .meta({
    description:
      'Shorter delays for processor time: true takes a whole core per worker, spinLast only the end of each wait.',
  })

/** A whole file. */
export const topologySchema = z.strictObject({
  name: name('Name of the running instance. Default: the file name without its ending.').exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER, undefined, {
    description: 'Seed of all random draws. Default: a new one for each run.',
  }).exactOptional(),
  workers: wholeNumber(1, 64, 'workers', {
    description: 'Threads that move frames.',
    default: 1,
  }).exactOptional(),
  memory: leaf<Size>('string', parseSize, {
    description: 'Memory for frames that wait or travel.',
    examples: ['64MiB'],
  }).exactOptional(),
  io: choice(['auto', 'io_uring', 'epoll'], {
    description: 'How the workers read and write; auto is the better of the two that works here.',
    default: 'auto',
  }).exactOptional(),
  busyPoll: busyPoll.exactOptional(),
  hosts: z
    .record(name('Name of the host.'), hostSchema.nullable())
    .meta({ description: 'Network namespaces made for this run, each with its own kernel stack.' })
    .exactOptional(),
  fabrics: z
    .record(name('Name of the fabric.'), fabricSchema)
    .meta({ description: 'Hubs, switches and wires, by name.' }),
})

export type Topology = z.output<typeof topologySchema>
export type TopologyFabric = z.output<typeof fabricSchema>
export type TopologyPort = z.output<typeof portSchema>
export type TopologyPath = z.output<typeof pathSchema>
export type TopologyPolicy = z.output<typeof policySchema>

/** The JSON Schema (draft 2020-12) of a topology file, for editors; the package publishes it. */
export function topologyJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(topologySchema, { io: 'input' })
  return { title: 'etherloom topology', ...schema }
}
