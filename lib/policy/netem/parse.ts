/**
 * The words of `tc qdisc ... netem` (tc-netem(8), iproute2 6.x) and what they come to. Called when a policy is read.
 *
 * Words, abbreviations, defaults and refusals are tc's own; what tc lets through although it cannot mean anything (sums
 * above 100 %, negative times) is refused as well. The last of two settings of the same thing holds, as in tc.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { delayTable, delayTableNames, readDelayTable, type DelayTableName } from '../lines/delay-tables.js'
import { suggestion } from '../../values/options.js'
import { quote } from '../../values/quote.js'
import type { SharedData } from '../shared-data.js'
import { toUint32, Words } from './words.js'

/** Probabilities and correlations are of 2^32 - 1, times in nanoseconds, lengths in bytes. */
export interface NetemSettings {
  /** undefined: derived from the path's. */
  seed: bigint | undefined
  /** Frames that may wait. */
  limit: number
  delay: { time: bigint; jitter: bigint; correlation: number; table: SharedData | undefined }
  loss:
    | { model: 'random'; probability: number; correlation: number }
    | { model: 'state'; p13: number; p31: number; p32: number; p23: number; p14: number }
    | { model: 'gemodel'; p: number; r: number; h: number; k1: number }
  ecn: boolean
  duplicate: { probability: number; correlation: number }
  corrupt: { probability: number; correlation: number }
  /** A gap of 0 is no reordering. */
  reorder: { probability: number; correlation: number; gap: number }
  /** Bytes per second; 0 is none. */
  rate: { bytes: bigint; packetOverhead: number; cellSize: number; cellOverhead: number }
  /** With a table `delay` and `jitter` hold, else `least` and `most`. 0 packets or bytes are any number. */
  slot: {
    least: bigint
    most: bigint
    delay: bigint
    jitter: bigint
    table: SharedData | undefined
    packets: number
    bytes: number
  }
}

/** The kernel cuts jitters to this, 2.147 s. */
const int32 = 0x7fffffff
const uint32 = 0xffffffff
/** What tc takes a number without a unit for: microseconds in delays, nanoseconds in slots. */
const bareDelay = 1000
const bareSlot = 1
/** Beyond these the kernel's arithmetic would wrap around. */
const mostOverhead = 65_535

/** In the order in which tc compares them: an abbreviation stands for the first that begins with it. */
const keywords = [
  ...(['limit', 'latency', 'delay', 'loss', 'drop', 'ecn', 'reorder', 'corrupt', 'gap'] as const),
  ...(['duplicate', 'distribution', 'rate', 'slot', 'seed'] as const),
]

/**
 * What the words after `netem` ask for.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION that says which word is wrong, why, and what to write instead
 */
export function parseNetem(text: string, subject: string): NetemSettings {
  const words = new Words(text, subject)
  const ofCommand = /^\s*tc\s.*?\snetem\s+(.*\S)/s.exec(text)?.[1]
  if (ofCommand !== undefined)
    words.refuse(`only the words that follow 'netem' in a tc command go here: ${quote(ofCommand)}`, 0)
  if (words.left === 0)
    words.refuse("it needs the words that follow 'netem' in a tc command, such as 'delay 100ms'")
  const settings: NetemSettings = {
    seed: undefined,
    limit: 1000,
    delay: { time: 0n, jitter: 0n, correlation: 0, table: undefined },
    loss: { model: 'random', probability: 0, correlation: 0 },
    ecn: false,
    duplicate: { probability: 0, correlation: 0 },
    corrupt: { probability: 0, correlation: 0 },
    reorder: { probability: 0, correlation: 0, gap: 0 },
    rate: { bytes: 0n, packetOverhead: 0, cellSize: 0, cellOverhead: 0 },
    slot: { least: 0n, most: 0n, delay: 0n, jitter: 0n, table: undefined, packets: 0, bytes: 0 },
  }
  const { delay, duplicate, corrupt, reorder, rate, slot } = settings
  /** Where the words stand that make sense only together with others. */
  const places: Record<string, number> = {}
  /** tc hands correlations to the kernel only if one was given of something other than duplicates. */
  const correlations = { given: false }
  const correlation = (owner: string): number => {
    if (!words.numberFollows()) return 0
    correlations.given = true
    return words.percent(owner)
  }

  while (words.left > 0) {
    const word = words.take('netem', 'a word')
    const keyword = keywords.find((known) => known.startsWith(word))
    if (keyword === undefined) return refuseUnknown(words, word)
    places[keyword] = words.place
    switch (keyword) {
      case 'limit':
        settings.limit = words.size(keyword)
        break
      case 'latency':
      case 'delay':
        delay.time = words.time(keyword, bareDelay)
        if (!words.numberFollows()) break
        delay.jitter = cutToInt32(words.time(keyword, bareDelay))
        delay.correlation = correlation(keyword)
        break
      case 'loss':
      case 'drop':
        if (settings.loss.model !== 'random' || settings.loss.probability > 0)
          words.refuse('there is a loss model already; leave one of the two out')
        settings.loss = readLoss(words, keyword, correlation)
        break
      case 'ecn':
        settings.ecn = true
        break
      case 'reorder':
        reorder.probability = words.percent(keyword)
        reorder.correlation = correlation(keyword)
        break
      case 'corrupt':
        corrupt.probability = words.percent(keyword)
        corrupt.correlation = correlation(keyword)
        break
      case 'gap':
        reorder.gap = words.integer(keyword, 0, uint32)
        break
      case 'duplicate':
        duplicate.probability = words.percent(keyword)
        if (words.numberFollows()) duplicate.correlation = words.percent(keyword)
        break
      case 'distribution':
        delay.table = readTable(words, keyword)
        break
      case 'rate':
        rate.bytes = words.rate(keyword)
        readOverheads(words, rate)
        break
      case 'slot':
        readSlot(words, slot)
        break
      case 'seed':
        settings.seed = words.seed(keyword)
        break
    }
  }

  if (reorder.probability > 0) {
    if (delay.time === 0n)
      words.refuse(
        "reordering is not possible without a delay that frames skip; add one, such as 'delay 10ms'",
        places.reorder,
      )
    reorder.gap ||= 1
  } else if (reorder.gap > 0)
    words.refuse(
      "gap specified without reorder probability; add one, such as 'reorder 100%', which sends every frame at a gap first",
      places.gap,
    )
  if (settings.ecn && settings.loss.model === 'random' && settings.loss.probability === 0)
    words.refuse("ecn marks what would be lost, and nothing is; add a loss, such as 'loss 1%'", places.ecn)
  if (delay.table !== undefined && (delay.time === 0n || delay.jitter === 0n))
    words.refuse(
      "a distribution is the shape of the jitter of a delay; add both, such as 'delay 100ms 10ms'",
      places.distribution,
    )
  if (!correlations.given) duplicate.correlation = 0
  return settings
}

function readLoss(
  words: Words,
  owner: string,
  correlation: (owner: string) => number,
): NetemSettings['loss'] {
  const optionalPercent = (): number | undefined => (words.numberFollows() ? words.percent(owner) : undefined)
  if (words.takeIf('state')) {
    const first = words.fraction(owner)
    const p13 = toUint32(first)
    const p31 = optionalPercent() ?? toUint32(1 - first)
    const p32 = optionalPercent() ?? 0
    if (p31 + p32 > uint32 + 1)
      words.refuse('p31 and p32 are the ways out of one state, and their sum is at most 100%')
    const p23 = optionalPercent() ?? uint32
    const p14 = optionalPercent() ?? 0
    if (p13 + p14 > uint32 + 1)
      words.refuse('p13 and p14 are the ways out of one state, and their sum is at most 100%')
    return { model: 'state', p13, p31, p32, p23, p14 }
  }
  if (words.takeIf('gemodel')) {
    const first = words.fraction(owner)
    const r = optionalPercent() ?? toUint32(1 - first)
    const h = uint32 - (optionalPercent() ?? uint32)
    return { model: 'gemodel', p: toUint32(first), r, h, k1: optionalPercent() ?? 0 }
  }
  if (!words.takeIf('random') && !words.numberFollows()) {
    const needs = "a percentage, such as '1%', or a model: random, state or gemodel"
    const word = words.take(owner, needs)
    words.refuse(`${quote(owner)} needs ${needs}${suggestion(word, ['random', 'state', 'gemodel'])}`)
  }
  return { model: 'random', probability: words.percent(owner), correlation: correlation(owner) }
}

function readOverheads(words: Words, rate: NetemSettings['rate']): void {
  if (words.numberFollows({ signed: true }))
    rate.packetOverhead = words.integer('rate', -mostOverhead, mostOverhead)
  if (words.numberFollows()) rate.cellSize = words.integer('rate', 0, mostOverhead)
  if (!words.numberFollows({ signed: true })) return
  rate.cellOverhead = words.integer('rate', -mostOverhead, mostOverhead)
  if (rate.cellSize + rate.cellOverhead < 0)
    words.refuse('a cell with its overhead would have less than no bytes')
}

function readSlot(words: Words, slot: NetemSettings['slot']): void {
  if (words.numberFollows()) {
    slot.least = slot.most = words.time('slot', bareSlot)
    if (words.numberFollows()) slot.most = words.time('slot', bareSlot)
    if (slot.most < slot.least)
      words.refuse('the longest wait for a slot cannot be below the shortest, which comes first')
    slot.table = undefined
  } else if (words.takeIf('distribution')) {
    slot.table = readTable(words, 'slot distribution')
    slot.delay = words.time('slot distribution', bareSlot)
    slot.jitter = cutToInt32(words.time('slot distribution', bareSlot))
    if (slot.jitter === 0n) words.refuse('the jitter of a slot with a distribution must be above 0')
  } else {
    const needs = "a time, such as '5ms', or 'distribution'"
    words.take('slot', needs)
    words.refuse(`'slot' needs ${needs}`)
  }
  if (words.takeIf('packets', { abbreviated: true })) slot.packets = words.integer('packets', 0, int32)
  if (!words.takeIf('bytes', { abbreviated: true })) return
  slot.bytes = words.size('bytes')
  if (slot.bytes > int32) words.refuse(`the bytes of a slot are up to ${int32}`)
}

const cutToInt32 = (time: bigint): bigint => (time > int32 ? BigInt(int32) : time)

/** The table that a name, or the path of a file, stands for. */
function readTable(words: Words, owner: string): SharedData {
  const names = delayTableNames.join(', ')
  const word = words.take(owner, `the name of a table (${names}) or the path of a file`)
  if (delayTableNames.includes(word as DelayTableName)) return delayTable(word as DelayTableName)
  if (word === 'uniform')
    words.refuse("iproute2 has no such table; without any 'distribution' jitter is uniform")
  const file = /[./]/.test(word) ? word : ofTc(word)
  if (file === undefined)
    words.refuse(
      `there is no such table; there are ${names}, and files by their path, such as './${word}.dist'; 'experimental' comes with tc (package iproute2)`,
    )
  return readDelayTable(file)
}

/** The file of a table that tc has and we do not make, where tc is installed. */
function ofTc(name: string): string | undefined {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch
  const folders = [
    ...(process.env.TC_LIB_DIR === undefined ? [] : [process.env.TC_LIB_DIR]),
    ...['/usr/lib/tc', `/usr/lib/${machine}-linux-gnu/tc`, '/usr/lib64/tc', '/lib/tc', '/usr/share/tc'],
  ]
  return folders.map((folder) => join(folder, `${name}.dist`)).find((file) => existsSync(file))
}

function refuseUnknown(words: Words, word: string): never {
  if (word === 'netem')
    words.refuse("leave 'netem' out: only the words that follow it in the command go here")
  words.refuse(`netem has no such word${suggestion(word, keywords) || `; it has ${keywords.join(', ')}`}`)
}
