/**
 * The topology file: one zod schema is the source of its types, its checks and its published JSON Schema.
 * Called by check.ts (values), by the build (JSON Schema) and, for types only, by everything about topologies.
 *
 * Every leaf's message is a sentence without its subject ("must be ..."); check.ts puts the key before it.
 * What a single value cannot show, such as names that must exist, is checked in plan.ts.
 */
import { z } from 'zod'
import { inetPlace, interfaceAddress, socketPlace } from '../values/addresses.js'
import { gatewayInterface, ipv4Address } from '../gateway/options.js'
import { correlation } from '../policy/impairments/chance.js'
import { delayTableNames } from '../policy/lines/delay-tables.js'
import { traceRate } from '../policy/lines/trace.js'
import { flag, integer, isMapping, oneOf, probability, refuse, text, type Rule } from '../values/options.js'
import { netemRules } from '../policy/netem/netem.js'
import { parseDuration, parseQueueLimit, parseRate, parseSize } from '../values/units.js'
import type { Duration, QueueLimit, Rate, Size } from '../values/units.js'
import type { Match } from '../policy/filters/match.js'

/** The message of a union of mappings: what is wrong stands in its branches. */
export const seeBranches = ''

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
const queues = wholeNumber(1, 64, undefined, {
  description: 'How many workers read the interface at the same time; no more than there are.',
  default: 1,
})
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

/** What may be a mapping of one of several shapes, or a value for which `expects` says what it must be. */
const orMapping =
  (expects: string) =>
  ({ input }: { input?: unknown }): string =>
    isMapping(input) ? seeBranches : (complaint((value) => refuse('', expects, value), input) ?? '')

const rateOfAll = chance('Share of all frames.')
const rateAndCorrelation = z.strictObject({
  rate: rateOfAll,
  correlation: leaf<number>('number', correlation, {
    description: 'Correlation of what happens to two frames one after the other, from 0 to below 1.',
    minimum: 0,
    exclusiveMaximum: 1,
  }),
})
const meanBurst = leaf<number>(
  'number',
  (value, subject) => {
    if (typeof value !== 'number' || value < 1)
      refuse(subject, 'a number of frames from 1, or { exactly: 5 }', value)
  },
  { description: 'Mean length of runs, in frames; at least 1.', minimum: 1 },
)
const rateAndBurst = z.strictObject({ rate: rateOfAll, burst: meanBurst })

const expectsChance = "a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate'"

/** A probability, or a rate that comes in runs. */
const orInARow = (description: string) =>
  z
    .union([chance(description), rateAndCorrelation, rateAndBurst], { error: orMapping(expectsChance) })
    .meta({ description, examples: [0.02, '2%', { rate: '2%', burst: 5 }] })

const exactBurst = z.strictObject({
  exactly: wholeNumber(1, 1_000_000_000, 'frames', { description: 'Length of every run.' }),
})
const loss = z
  .union(
    [
      chance('Probability that a frame is lost.'),
      rateAndCorrelation,
      z.strictObject({
        rate: rateOfAll,
        burst: z
          .union([meanBurst, exactBurst], {
            error: orMapping('a number of frames from 1, or { exactly: 5 }'),
          })
          .meta({ description: 'Length of runs, in frames: their mean, or exactly.' }),
      }),
      z.strictObject({
        model: choice(['gemodel'], {
          description: "Gilbert and Elliott's model, of a good and a bad state.",
        }),
        p: chance('From good to bad, for each frame.'),
        r: chance('From bad to good, for each frame. Default: 1 - p.').exactOptional(),
        lossBad: chance('Loss in the bad state; 1-h in tc. Default 1.').exactOptional(),
        lossGood: chance('Loss in the good state; 1-k in tc. Default 0.').exactOptional(),
      }),
      z.strictObject({
        model: choice(['state'], { description: 'The model of netem, with four states.' }),
        p13: chance('From received in a gap to lost in a burst.'),
        p31: chance('From lost in a burst to received in a gap. Default: 1 - p13.').exactOptional(),
        p32: chance('From lost in a burst to received in a burst. Default 0.').exactOptional(),
        p23: chance('From received in a burst to lost in a burst. Default 1.').exactOptional(),
        p14: chance('From received in a gap to lost in a gap. Default 0.').exactOptional(),
      }),
    ],
    { error: orMapping(`${expectsChance} or 'model'`) },
  )
  .meta({
    description: 'Frames that are lost: a probability, or a model of losses in bursts.',
    examples: [0.02, '2%', { rate: '2%', burst: 5 }, { model: 'gemodel', p: '1%', r: '10%' }],
  })

const outage = z
  .strictObject({
    every: duration('From the beginning of one outage to that of the next.'),
    for: duration('How long each lasts.'),
    offset: duration("When the first begins, on the engine's clock. Default 0s.").exactOptional(),
    random: yesOrNo('Whether both times are exponentially distributed.', false).exactOptional(),
  })
  .meta({ description: 'Times during which every frame is lost.' })

/** A table by its name, or another of `words`, from a file, or in numbers. */
const distributionOf = <Word extends string>(words: readonly Word[], description: string) =>
  z
    .union(
      [
        choice(words, { description: 'A distribution by its name.' }),
        z.strictObject({
          file: leaf<string>('string', text({ max: 4096 }), {
            description: "A table in iproute2's format; relative to this file.",
          }),
        }),
        z.strictObject({
          table: z
            .array(z.number())
            .meta({ description: 'The table: 1 to 16384 whole numbers, 8192 is one sigma.' }),
        }),
      ],
      {
        error: (issue) =>
          isMapping(issue.input) ? seeBranches : (complaint(oneOf(words), issue.input) ?? ''),
      },
    )
    .meta({ description })
const distribution = distributionOf(
  ['uniform', ...delayTableNames],
  'How jitter is distributed. Default uniform.',
)

const slotBudget = {
  frames: wholeNumber(1, 1_000_000_000, 'frames', {
    description: 'Frames that leave in one slot.',
  }).exactOptional(),
  bytes: leaf<Size>('string', parseSize, {
    description: 'Bytes after which a slot is used up.',
    examples: ['3kB'],
  }).exactOptional(),
}
const slotOpens = 'How long after the first frame is through, or after a slot used up, the next slot opens'
const slot = z
  .union(
    [
      z.strictObject({
        min: duration(`${slotOpens}.`),
        max: duration('Where that varies, uniformly: its longest. Default: as min.').exactOptional(),
        ...slotBudget,
      }),
      z.strictObject({
        delay: duration(`${slotOpens}: the mean.`),
        jitter: duration('Sigma of the distribution; above 0s.'),
        distribution: distributionOf(delayTableNames, 'How these times are distributed.'),
        ...slotBudget,
      }),
    ],
    { error: orMapping("a mapping with 'min', or with 'delay', 'jitter' and 'distribution'") },
  )
  .meta({ description: 'Frames leave the line together, in slots, as from a shared medium.' })

const traceRow = z.strictObject({
  at: duration('Since the beginning of the trace; 0s in the first row.'),
  rate: leaf<Rate>('string', traceRate, {
    description: 'Bits per second of the line from then on; 0bit stops it.',
    examples: ['10Mbit'],
  }).exactOptional(),
  delay: duration('Travel time of frames that leave the line from then on.').exactOptional(),
  loss: chance('Probability of losing a frame that arrives from then on.').exactOptional(),
})
const traceRows = z.array(traceRow).min(1)
const traceShape = {
  end: choice(['loop', 'hold', 'stop'], {
    description: 'What follows: the trace again, its last row for ever, or nothing that leaves the line.',
    default: 'loop',
  }).exactOptional(),
  offset: duration('Where in the trace the path begins.').exactOptional(),
  period: duration(
    'How long one pass lasts. Default: the last row lasts as long as the one before.',
  ).exactOptional(),
  opportunity: leaf<Size>('string', parseSize, {
    description: 'Bytes that one line of a Mahimahi trace lets pass.',
    default: '1500B',
  }).exactOptional(),
}
const trace = z
  .union(
    [
      z.string().min(1).meta({ description: 'A trace file, relative to this file.' }),
      traceRows,
      z.strictObject({
        file: z
          .string()
          .min(1)
          .meta({ description: 'A Mahimahi delivery trace or a CSV, relative to this file.' }),
        format: choice(['mahimahi', 'csv'], {
          description: 'Default: what its content shows.',
        }).exactOptional(),
        ...traceShape,
      }),
      z.strictObject({ rows: traceRows.meta({ description: 'The rows of the trace.' }), ...traceShape }),
    ],
    {
      error: ({ input }) =>
        typeof input === 'object' && input !== null && !Array.isArray(input)
          ? seeBranches
          : "must be the name of a file, rows { at, rate, delay, loss }, or a mapping with 'file' or 'rows'",
    },
  )
  .meta({ description: 'What drives rate, delay and loss over time.' })
const ecn = yesOrNo('Whether to mark frames of ECN-capable senders instead of dropping them.', false)
const disciplineSchema = z
  .union(
    [
      choice(['tail-drop', 'codel'], { description: 'Nothing but the limit, or CoDel as it comes.' }),
      z.strictObject({
        codel: z
          .strictObject({
            target: duration('The wait that is accepted for good. Default 5ms.').exactOptional(),
            interval: duration('How long more than that is accepted. Default 100ms.').exactOptional(),
            ecn: ecn.exactOptional(),
          })
          .meta({ description: 'Controlled delay (RFC 8289).' }),
      }),
      z.strictObject({
        red: z
          .strictObject({
            min: leaf<Size>('string', parseSize, {
              description: 'Average of the bytes that wait from which on frames are dropped at random.',
              examples: ['30kB'],
            }),
            max: leaf<Size>('string', parseSize, {
              description: 'Average from which on all are dropped.',
              examples: ['90kB'],
            }),
            probability: chance(
              'Probability of a drop where the average reaches max. Default 0.02.',
            ).exactOptional(),
            averageFrame: wholeNumber(1, 65_535, 'bytes', {
              description: 'Bytes of an average frame.',
              default: 1000,
            }).exactOptional(),
            burst: wholeNumber(1, 1_000_000, 'frames', {
              description: 'Frames that may come at once before the average reaches min.',
            }).exactOptional(),
            ecn: ecn.exactOptional(),
          })
          .meta({ description: 'Random early detection (Floyd, Jacobson 1993).' }),
      }),
    ],
    { error: seeBranches },
  )
  .meta({ description: 'What else than the limit drops or marks frames that wait.' })

/** The keys of a policy, the same in a topology file and on the command line. */
const policyShape = {
  allowed: yesOrNo('Whether frames may take the path at all.', true).exactOptional(),
  filter: filter.exactOptional(),
  delay: duration('Travel time of every frame.').exactOptional(),
  jitter: duration(
    'Spread of the delay: half the width of a uniform distribution, else sigma.',
  ).exactOptional(),
  distribution: distribution.exactOptional(),
  delayCorrelation: leaf<number>('number', correlation, {
    description: 'Rank correlation of successive delays, from 0 to below 1.',
    minimum: 0,
    exclusiveMaximum: 1,
  }).exactOptional(),
  loss: loss.exactOptional(),
  ecn: yesOrNo(
    'Whether loss marks the frames that are capable of it (ECN) and keeps them.',
    false,
  ).exactOptional(),
  duplicate: orInARow('Probability that a frame is sent twice.').exactOptional(),
  corrupt: orInARow('Probability that one bit of a frame is flipped.').exactOptional(),
  bitErrorRate: chance('Probability of an error in each bit; a frame with one is lost.').exactOptional(),
  outage: outage.exactOptional(),
  reorder: orInARow('Probability that a frame skips the delay and overtakes.').exactOptional(),
  gap: wholeNumber(1, 1_000_000_000, 'frames', {
    description: 'So many frames, less one, are delayed before one may skip the delay.',
    default: 1,
  }).exactOptional(),
  rate: leaf<Rate>('string', parseRate, {
    description: 'Bits per second of the line; frames wait for it one after another.',
    examples: ['10Mbit'],
  }).exactOptional(),
  overhead: wholeNumber(-1000, 1000, 'bytes', {
    description: 'Bytes added to each frame when its line time is computed; 24 gives Ethernet wire time.',
    default: 0,
  }).exactOptional(),
  cell: z
    .strictObject({
      size: wholeNumber(1, 65_535, 'bytes', {
        description: 'Bytes of a frame per cell; the last is padded.',
      }),
      overhead: wholeNumber(0, 1000, 'bytes', {
        description: 'Bytes added to each cell.',
        default: 0,
      }).exactOptional(),
    })
    .meta({ description: 'The line carries frames in cells; ATM has { size: 48, overhead: 5 }.' })
    .exactOptional(),
  burst: leaf<Size>('string', parseSize, {
    description: 'Makes the line a token bucket of so many bytes, filled at the rate (tc-tbf).',
    examples: ['64KiB'],
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
  discipline: disciplineSchema.exactOptional(),
  slot: slot.exactOptional(),
  trace: trace.exactOptional(),
  replay: leaf<string>('string', text({ max: 4096 }), {
    description: 'A fate log whose fates the frames meet again, in their order, instead of impairments.',
  }).exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER, undefined, {
    description: "Seed of this path's random draws, instead of one derived from the topology's.",
  }).exactOptional(),
}

type PolicyShape = typeof policyShape
type RampedOption = Exclude<keyof PolicyShape, 'allowed' | 'filter' | 'seed'>

/** For each option that can go from one value to another: a list of the two. */
const rampShape = Object.fromEntries(
  Object.entries(policyShape)
    .filter(([option]) => !['allowed', 'filter', 'seed'].includes(option))
    .map(([option, schema]) => [
      option,
      z
        .array(schema.unwrap() as z.ZodType)
        .length(2, { error: 'must be a list of two: the first and the last value' })
        .meta({ description: `First and last value of '${option}'.` })
        .exactOptional(),
    ]),
) as unknown as {
  [Option in RampedOption]: z.ZodExactOptional<
    z.ZodType<[Value<PolicyShape[Option]>, Value<PolicyShape[Option]>]>
  >
}
type Value<Schema> = Schema extends z.ZodType ? z.output<Schema> : never

/** One policy. */
export const policySchema = z.strictObject(policyShape)

const portReference = name('A port of this fabric.')
const somePorts = z
  .union([portReference, z.array(portReference).min(1), z.literal('*')], {
    error: "must be the name of a port, a list of names, or '*' for every other port",
  })
  .meta({ description: "A port of this fabric, a list of them, or '*' for every other one." })

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

const repeated = {
  repeat: duration('Does it again and again, with this much between the beginnings.').exactOptional(),
  until: duration('Begins nothing at or after this time.').exactOptional(),
}
const at = duration('When, from the time on at which the instance was up.')
const flap = z
  .strictObject({
    every: duration('The time from the beginning of an outage to the next.'),
    for: duration("How long an outage lasts; less than 'every'."),
  })
  .meta({ description: 'Outages: nothing passes on the paths, or the ports have no carrier.' })
const flapTimes = {
  at: duration("When the first outage begins. Default: after the first 'every'.").exactOptional(),
  flap,
  until: repeated.until,
}
const pathsOfEntry = [
  {
    between: z
      .array(portReference)
      .min(2)
      .meta({ description: 'Ports of this fabric: both ways for each pair.' }),
  },
  { from: somePorts, to: somePorts },
] as const
const carrierPorts = z
  .union([portReference, z.array(portReference).min(1), z.literal('*')], {
    error: "must be the name of a port, a list of names, or '*' for every port",
  })
  .meta({ description: "A port of this fabric, a list of them, or '*' for all, as both ends of a wire." })

const changeShape = {
  at,
  reset: yesOrNo(
    'Whether to take away first what the timeline has laid over the policy so far.',
    false,
  ).exactOptional(),
  ...policyShape,
  ...repeated,
}
const rampTimes = {
  at: duration('When it begins. Default 0s.').exactOptional(),
  ramp: z
    .strictObject(rampShape)
    .meta({ description: 'Options that go from a first to a last value: { loss: [0, 5%] }.' }),
  over: duration('How long it takes.'),
  every: duration(
    "Time between two steps. Default: a hundredth of 'over', but from 10ms to 1s.",
  ).exactOptional(),
  ...repeated,
}
const timelineEntry = z.union(
  [
    z.strictObject({ ...pathsOfEntry[0], ...changeShape }),
    z.strictObject({ ...pathsOfEntry[1], ...changeShape }),
    z.strictObject({ ...pathsOfEntry[0], ...rampTimes }),
    z.strictObject({ ...pathsOfEntry[1], ...rampTimes }),
    z.strictObject({ ...pathsOfEntry[0], ...flapTimes }),
    z.strictObject({ ...pathsOfEntry[1], ...flapTimes }),
    z.strictObject({ port: carrierPorts, ...flapTimes }),
    z.strictObject({
      port: carrierPorts,
      at,
      carrier: choice(['on', 'off'], { description: 'Whether the ports have a carrier from then on.' }),
      ...repeated,
    }),
  ],
  { error: seeBranches },
)

const portAddress = leaf<string>(
  'string',
  text({ pattern: macPattern, expects: "a unicast MAC address such as '02:00:00:00:00:01'" }),
  { description: 'The MAC address of a station.', pattern: macPattern.source },
)
const groupPattern = /^[0-9a-fA-F][13579bdfBDF](:[0-9a-fA-F]{2}){5}$/
const groupAddress = leaf<string>(
  'string',
  text({ pattern: groupPattern, expects: "a group MAC address such as '01:00:5e:00:00:01'" }),
  { description: 'The MAC address of a group.', pattern: groupPattern.source },
)

const vlan = wholeNumber(1, 4094, undefined, { description: 'A VLAN, as the identifier in its tags.' })
/** What a port of any kind has in its fabric: the options of `Fabric.attach`. */
const attachShape = {
  delay: duration('Travel of every frame to the port, behind what its path does to it.').exactOptional(),
  receive: z
    .strictObject({
      addresses: z
        .array(portAddress)
        .meta({ description: 'Stations whose frames the port takes. Required, unless it is promiscuous.' })
        .exactOptional(),
      broadcast: yesOrNo('Whether it takes frames to ff:ff:ff:ff:ff:ff.', true).exactOptional(),
      multicast: z
        .union([yesOrNo('Whether it takes frames to other groups.', true), z.array(groupAddress)], {
          error: 'must be true, false or a list of group addresses',
        })
        .meta({
          description: 'Frames to every other group address, to these only, or to none.',
          default: true,
        })
        .exactOptional(),
      promiscuous: yesOrNo('Whether it takes every frame.', false).exactOptional(),
    })
    .meta({
      description: 'Which frames the port takes, by their destination, as the filter of a network card.',
      examples: [{ addresses: ['02:00:00:00:00:01'] }],
    })
    .exactOptional(),
  group: name(
    'Split-horizon group: ports of one group do not hear each other unless a path entry names both.',
  ).exactOptional(),
  vlan: z
    .union(
      [
        z.strictObject({
          access: wholeNumber(1, 4094, undefined, {
            description: 'The VLAN of an access port; its frames pass the port without a tag.',
          }),
        }),
        z.strictObject({
          trunk: z
            .union([z.literal('all'), z.array(vlan).min(1)], {
              error: "must be a list of VLANs from 1 to 4094, or 'all'",
            })
            .meta({ description: "The VLANs that a trunk carries with their tags: a list, or 'all'." }),
          native: wholeNumber(1, 4094, undefined, {
            description: 'The VLAN of frames without a tag. Default: they are dropped.',
          }).exactOptional(),
        }),
      ],
      { error: seeBranches },
    )
    .meta({
      description: 'VLANs of the port, on a switch: { access: 10 }, or { trunk: [10, 20], native: 1 }.',
    })
    .exactOptional(),
}

const hostPort = z.strictObject({
  ...attachShape,
  host: name('Host to give an interface to; the port is the other end of that interface.'),
  interface: interfaceName(
    'Name of the interface inside the host. Default: eth0, eth1, ... in order.',
  ).exactOptional(),
  addresses: addresses.exactOptional(),
  mtu: mtu.exactOptional(),
  mac: mac.exactOptional(),
  napi: napi.exactOptional(),
  queues: queues.exactOptional(),
})
const ipv4 = (description: string): z.ZodType<string> =>
  leaf('string', ipv4Address(), { description, examples: ['10.0.77.100'] })
const gateway = z
  .strictObject({
    interface: leaf<string>('string', gatewayInterface(), {
      description: 'The interface that leads outside; it must be up and have an IPv4 address.',
    }),
    dhcp: z
      .union(
        [
          yesOrNo('Whether to give out addresses of the subnet.', false),
          z.strictObject({ from: ipv4('The first address.'), to: ipv4('The last address.') }),
        ],
        { error: orMapping('true, false, or the first and the last address, as { from: ..., to: ... }') },
      )
      .meta({ description: 'Gives out addresses by DHCP: all of the subnet, or a range.', default: false })
      .exactOptional(),
    dns: z
      .union(
        [
          yesOrNo("Whether to answer questions for names, with the help of this machine's servers.", false),
          z.array(ipv4('A server.')).min(1),
        ],
        { error: 'must be true, false, or a list of IPv4 addresses of name servers' },
      )
      .meta({
        description: 'Answers for names: with the servers of /etc/resolv.conf, or these.',
        default: false,
      })
      .exactOptional(),
  })
  .meta({
    description:
      'Makes the host of the TAP a gateway: NAT to an interface, DHCP, DNS; undone when the run ends, however it ends.',
  })
const tapPort = z.strictObject({
  ...attachShape,
  tap: interfaceName('TAP interface on this machine, created if it does not exist.'),
  addresses: addresses.exactOptional(),
  mtu: mtu.exactOptional(),
  mac: mac.exactOptional(),
  owner: wholeNumber(0, 0xfffffffe, undefined, {
    description: 'User id that may join the TAP without privilege.',
  }).exactOptional(),
  persist: yesOrNo('Whether the TAP outlives this run.', false).exactOptional(),
  gateway: gateway.exactOptional(),
  napi: napi.exactOptional(),
  queues: queues.exactOptional(),
  filter: filter.exactOptional(),
  writeback: yesOrNo(
    "Whether to return to the TAP's host what other programs send to it, or to a group, through packet sockets.",
    false,
  ).exactOptional(),
})
const packetPort = z.strictObject({
  ...attachShape,
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
  ...attachShape,
  patch: leaf<string>(
    'string',
    text({ max: 127, pattern: patchPattern, expects: "a port of another fabric as 'fabric.port'" }),
    {
      description: 'Port of another fabric to join, as fabric.port; that port names this one in return.',
      pattern: patchPattern.source,
    },
  ),
})
const socketAddress = (description: string): z.ZodType<string> =>
  leaf('string', socketPlace, { description, examples: ['/run/lab.sock', '127.0.0.1:5000', '[::1]:5000'] })
const inetAddress = (description: string): z.ZodType<string> =>
  leaf('string', inetPlace, { description, examples: ['127.0.0.1:5000', '[::1]:5000'] })
const frameLimit = (max: number): z.ZodType<number> =>
  wholeNumber(64, max, 'bytes', { description: 'Bytes of the longest frame that passes.', default: max })
const socketPort = z.strictObject({
  ...attachShape,
  socket: socketAddress('A Unix socket by its path, or a TCP one by its address, that leads to a peer.'),
  role: choice(['connect', 'listen'], {
    description: 'Whether to connect to who listens there, or to listen and take one peer at a time.',
    default: 'connect',
  }).exactOptional(),
  framing: choice(['stream', 'datagram', 'seqpacket'], {
    description:
      'How frames stand in the socket: behind their lengths in a stream, or one in each datagram or message.',
    default: 'stream',
  }).exactOptional(),
  local: socketAddress(
    'Path of our own to which the other end sends, with connect and datagram.',
  ).exactOptional(),
  mode: wholeNumber(0, 0o777, undefined, {
    description: 'Rights of a path that is made here, as 0o660. Default: of our own user only.',
    default: 0o600,
  }).exactOptional(),
  frameLimit: frameLimit(69_632).exactOptional(),
})
const udpPort = z.strictObject({
  ...attachShape,
  udp: inetAddress('Address to which the peer sends one frame per UDP datagram.'),
  remote: inetAddress('Address of the peer. Default: the first that sends a frame.').exactOptional(),
  keepAlive: duration(
    'How often to send what OpenVPN does to keep a connection alive, when there is nothing else. Default: never.',
  ).exactOptional(),
  frameLimit: frameLimit(65_507).exactOptional(),
})
const passtPort = z.strictObject({
  ...attachShape,
  passt: z
    .strictObject({
      address: leaf<string>('string', interfaceAddress(), {
        description: "What the guest is given by DHCP. Default: this machine's own address.",
        examples: ['10.0.2.15/24'],
      }).exactOptional(),
      gateway: ipv4("Where the guest finds its gateway. Default: this machine's gateway.").exactOptional(),
      dns: z
        .array(ipv4('A server.'))
        .meta({ description: 'Name servers that the guest is told. Default: those of /etc/resolv.conf.' })
        .exactOptional(),
      interface: interfaceName(
        'Interface whose addresses and routes are the template. Default: that of the default route.',
      ).exactOptional(),
      mtu: wholeNumber(1280, 65_520, 'bytes', {
        description: 'What the guest is told to be its MTU.',
        default: 1500,
      }).exactOptional(),
    })
    .meta({ description: 'A way out for one guest, without privilege, by a passt process of our own.' }),
})
const portSchema = z.union([hostPort, tapPort, packetPort, passtPort, patchPort, socketPort, udpPort], {
  error: seeBranches,
})

const peerNamePattern = /^[A-Za-z0-9_-]*%d[A-Za-z0-9_-]*$/
const listen = z
  .strictObject({
    socket: socketAddress('A Unix socket by its path, or a TCP one by its address, to which peers connect.'),
    name: leaf<string>(
      'string',
      text({
        max: 60,
        pattern: peerNamePattern,
        expects: "letters, digits, '-' or '_' with one '%d' among them, such as 'peer%d'",
      }),
      {
        description: "Names the ports of peers; '%d' becomes the lowest number that is free.",
        pattern: peerNamePattern.source,
        default: 'peer%d',
      },
    ).exactOptional(),
    framing: choice(['stream', 'seqpacket'], {
      description: 'How frames stand in the connections: behind their lengths, or one in each message.',
      default: 'stream',
    }).exactOptional(),
    peers: wholeNumber(1, 4096, undefined, {
      description: 'How many peers there may be at once; further ones wait.',
      default: 1024,
    }).exactOptional(),
    mode: socketPort.shape.mode,
    frameLimit: socketPort.shape.frameLimit,
  })
  .meta({ description: 'A socket at which any number of peers become ports, as they come and go.' })

const fabricShape = {
  forwarding: choice(['allow', 'deny'], {
    description: 'What holds for pairs of ports that no path entry names.',
    default: 'allow',
  }).exactOptional(),
  ports: z.record(name('Name of the port.'), portSchema).meta({ description: 'The ports, by name.' }),
  listen: listen.exactOptional(),
  paths: z
    .array(pathSchema)
    .meta({ description: 'Policies of directed pairs of ports; the last entry that names a pair holds.' })
    .exactOptional(),
  timeline: z
    .array(timelineEntry)
    .meta({ description: 'Changes of paths and carriers at given times, in ramps, and by outages.' })
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

const orListOf = (what: string) => ({ error: `must be ${what}` })
const metres = z.number({ error: 'must be a number of metres' })
const pairOf = (what: string) => z.array(metres).length(2, orListOf(what))

const bandwidth = leaf<Rate>('string', parseRate, {
  description:
    "Bits per second of links, in each direction; of the WiFi models, at distance 0. Default: the model's own.",
  examples: ['54Mbit'],
})
const wifiModel = z
  .strictObject({ bandwidth: bandwidth.exactOptional() })
  .meta({ description: 'A bandwidth that falls with the distance, and a delay that grows.' })
const modelNames = ['range', 'linear', 'exponential', 'logDistance'] as const
const model = z
  .union(
    [
      choice(modelNames, { description: 'A link quality model as it comes.' }),
      z.strictObject({
        range: z
          .strictObject({
            range: wholeNumber(1, 1_000_000, 'metres', {
              description: 'Connected below this distance.',
              default: 30,
            }).exactOptional(),
            bandwidth: bandwidth.exactOptional(),
          })
          .meta({ description: 'Connected or not, by the distance alone.' }),
      }),
      z.strictObject({ linear: wifiModel }),
      z.strictObject({ exponential: wifiModel }),
      z.strictObject({
        logDistance: z
          .strictObject({
            exponent: metres
              .meta({ description: 'Path loss exponent, from 1 to 10. Default 3.' })
              .exactOptional(),
            frequency: metres.meta({ description: 'MHz. Default 2412.' }).exactOptional(),
            power: metres.meta({ description: 'Power that is sent, in dBm. Default 20.' }).exactOptional(),
            rates: z
              .array(
                z.strictObject({
                  power: metres.meta({ description: 'The least power that the rate needs, in dBm.' }),
                  rate: bandwidth.meta({ description: 'Bits per second.' }),
                }),
              )
              .meta({ description: "Rates by the power that arrives. Default: IEEE 802.11's of 20 MHz." })
              .exactOptional(),
          })
          .meta({
            description: 'Log-distance path loss, and the rate that the arriving power is enough for.',
          }),
      }),
    ],
    { error: orMapping("'range', 'linear', 'exponential' or 'logDistance', or a mapping with one of them") },
  )
  .meta({ description: 'What a link of a length does. Default range.' })

const planeShape = {
  area: pairOf('a width and a height in metres').meta({ description: 'Width and height in metres.' }),
  speed: z
    .union([metres, pairOf('the least and the greatest, in metres per second')], {
      error: 'must be metres per second, or a list of the least and the greatest',
    })
    .meta({ description: 'Metres per second, or the least and the greatest. Default [1, 5].' })
    .exactOptional(),
  start: z
    .array(pairOf('x and y in metres'))
    .meta({ description: 'Where nodes start, x and y of each. Default: anywhere.' })
    .exactOptional(),
}
const loop = yesOrNo('Whether the first follows the last again; else the last stays.', false)
const matrix = z.array(z.array(metres.nullable()))
const coreFile = z.string().min(1)
const movement = z
  .union(
    [
      z.strictObject({
        core: z
          .array(
            z.union(
              [
                coreFile,
                z.strictObject({
                  file: coreFile.meta({ description: 'The file, relative to this one.' }),
                  for: duration('How long it holds, one step at least. Default 0s.').exactOptional(),
                }),
              ],
              { error: orMapping('a file, or a mapping with file and for') },
            ),
          )
          .min(1)
          .meta({ description: 'Topology files of CORE, one after the other.' }),
        mode: choice(['wifi', 'lan'], {
          description: 'Distances of the places of hosts, or 1 metre for those that are linked.',
          default: 'wifi',
        }).exactOptional(),
        loop: loop.exactOptional(),
      }),
      z.strictObject({
        matrix: matrix.meta({
          description:
            'Metres, a row per node; -1 out of reach, null not said; the upper triangle is enough.',
        }),
      }),
      z.strictObject({
        matrices: z.array(matrix).min(1).meta({ description: 'A matrix for each step.' }),
        loop: loop.exactOptional(),
      }),
      z.strictObject({
        randomWaypoint: z
          .strictObject({
            ...planeShape,
            pause: duration('How long a node rests at each place. Default 0s.').exactOptional(),
          })
          .meta({ description: 'Straight to a place drawn at random, a rest, the next place.' }),
      }),
      z.strictObject({
        randomWalk: z
          .strictObject({
            ...planeShape,
            leg: duration('How long a node keeps its direction and speed. Default 10s.').exactOptional(),
          })
          .meta({ description: 'Straight for a while, then in any other direction.' }),
      }),
    ],
    { error: seeBranches },
  )
  .meta({ description: 'How the distances of nodes come about.' })

const numberedPattern = /^[^\s/:%]{0,13}%[dxi][^\s/:%]{0,13}$/
const numbered = (description: string): z.ZodType<string> =>
  leaf(
    'string',
    text({
      pattern: numberedPattern,
      expects: "the name of an interface with '%d', '%x' or '%i' in it, such as 'tap_00001_%d'",
    }),
    { description, pattern: numberedPattern.source },
  )
const nicAddresses = z
  .array(address)
  .meta({ description: 'One for each interface, in the order of their numbers; further ones have none.' })
const nicMacs = z
  .array(mac)
  .meta({ description: 'One for each interface, in the order of their numbers; further ones get any.' })
const wireNamesPattern = /^[^\s%]{0,30}%(?:s|0[1-9]d)[^\s%]{0,30}%(?:s|0[1-9]d)[^\s%]{0,30}$/
const wireNames = leaf<string>(
  'string',
  text({
    pattern: wireNamesPattern,
    expects: "a name with two '%s' in it, or '%05d', such as 'cable-%s-%s'",
  }),
  {
    description:
      "Names of the wires: '%s' is the name of each of its two nodes, '%05d' the same with zeros in front, to five characters. Default: the world's name and theirs, as in 'lan-%s-%s'.",
    pattern: wireNamesPattern.source,
  },
)
const nicSchema = z.union(
  [
    z.strictObject({
      tap: numbered(
        "TAP interfaces on this machine; '%d' is the number of each, from 1, '%x' the same in hexadecimal, '%i' one less.",
      ),
      addresses: nicAddresses.exactOptional(),
      macs: nicMacs.exactOptional(),
      mtu: mtu.exactOptional(),
      owner: tapPort.shape.owner,
      persist: tapPort.shape.persist,
    }),
    z.strictObject({
      host: name('Host that gets the interfaces.'),
      interface: numbered("Name of the interfaces inside the host. Default 'link%d'.").exactOptional(),
      as: numbered("Name of the ports. Default: the node's name, a dot and the interface's.").exactOptional(),
      addresses: nicAddresses.exactOptional(),
      macs: nicMacs.exactOptional(),
      mtu: mtu.exactOptional(),
    }),
    z.strictObject({
      packet: numbered("Existing interfaces to open packet sockets on; '%d' is the number of each, from 1."),
    }),
  ],
  { error: seeBranches },
)

const worldShape = {
  model: model.exactOptional(),
  bandwidth: bandwidth.exactOptional(),
  movement: movement.exactOptional(),
  step: z
    .union(
      [z.literal('manual'), duration('The time between two steps, and by how much nodes move in one.')],
      {
        error: "must be 'manual' or a duration such as 1s",
      },
    )
    .meta({ description: "The time between two steps; or 'manual', for steps of 1s by command. Default 1s." })
    .exactOptional(),
  missing: choice(['unchanged', 'down'], {
    description: 'What holds for pairs that a matrix says nothing of.',
    default: 'unchanged',
  }).exactOptional(),
  hook: leaf<string>('string', text({ max: 65_536 }), {
    description:
      'A command for sh that is run after each step, which it finds on its standard input as JSON.',
  }).exactOptional(),
}
const worldSchema = z.union(
  [
    z.strictObject({
      fabric: name('The hub (or switch) whose ports are the nodes; its forwarding is deny.'),
      nodes: z
        .array(portReference)
        .meta({ description: 'The ports that are nodes, in the order of matrices. Default: all.' })
        .exactOptional(),
      ...worldShape,
    }),
    z.strictObject({
      wires: z.record(name('Name of the node.'), nicSchema).meta({
        description: 'The nodes, and the interfaces that each gets for its links, a wire per link.',
      }),
      wireNames: wireNames.exactOptional(),
      whenDown: choice(['no-carrier', 'remove'], {
        description: 'Whether the wire of a link that is down stays, without carrier, or goes.',
        default: 'no-carrier',
      }).exactOptional(),
      ...worldShape,
    }),
  ],
  { error: seeBranches },
)

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
  worlds: z
    .record(name('Name of the world.'), worldSchema)
    .meta({ description: 'Nodes that move, whose distances make the links of a fabric, or wires.' })
    .exactOptional(),
})

export type Topology = z.output<typeof topologySchema>
export type TopologyFabric = z.output<typeof fabricSchema>
export type TopologyPort = z.output<typeof portSchema>
export type TopologyPath = z.output<typeof pathSchema>
export type TopologyTimelineEntry = z.output<typeof timelineEntry>
export type TopologyWorld = z.output<typeof worldSchema>
export type TopologyNic = z.output<typeof nicSchema>
export type TopologyPolicy = z.output<typeof policySchema>

/** The JSON Schema (draft 2020-12) of a topology file, for editors; the package publishes it. */
export function topologyJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(topologySchema, { io: 'input' })
  return { title: 'etherloom topology', ...schema }
}
