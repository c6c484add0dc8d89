/**
 * The option `netem` of a policy: a path that does what the kernel's netem does, instead of the options of exact mode.
 * native/lines/netem.hpp is the other half.
 */
import path from 'node:path'
import { EtherloomError } from '../../values/errors.js'
import { tableWords } from '../lines/delay-tables.js'
import { about, optional, refuse, shaped, type RulesOf } from '../../values/options.js'
import { partKinds, type PolicyPart } from '../parts.js'
import { parseNetem, type NetemSettings } from './parse.js'

export interface NetemOptions {
  /**
   * The words that follow `netem` in a tc(8) command, as tc-netem(8) has them: `'delay 100ms 10ms 25% loss 1%'`. Draws,
   * order and arithmetic are the kernel's; without the word `seed` the draws follow from the path's seed. Goes with
   * `allowed`, `filter`, `drop` and `seed` only.
   */
  netem?: string
}

const words = "the words that follow 'netem' in a tc command, such as 'delay 100ms'"

/** A distribution with a dot or a slash in it is a file; the word `distribution` may be abbreviated. */
function locateTables(value: unknown, folder: string): unknown {
  if (typeof value !== 'string') return value
  return value.replace(
    /(?<=^|\s)(di[a-z]*)(\s+)(\S*[./]\S*)/g,
    (all, word: string, space: string, file: string) =>
      'distribution'.startsWith(word) ? `${word}${space}${path.resolve(folder, file)}` : all,
  )
}

export const netemRules = {
  netem: about(
    "The words that follow 'netem' in a tc command: does what the kernel's netem does, instead of the other keys.",
    optional(
      shaped(
        (value, subject) =>
          typeof value === 'string' ? parseNetem(value, subject) : refuse(subject, words, value),
        { expects: words, form: { kind: 'value', json: { type: 'string' }, locate: locateTables } },
      ),
    ),
    { examples: ['delay 100ms 10ms 25% distribution normal loss gemodel 1% 10% rate 10mbit'] },
  ),
} satisfies RulesOf<NetemOptions>

const besideNetem = ['netem', 'allowed', 'filter', 'drop', 'seed']

/** Refuses options of exact mode beside `netem`, whatever their values. */
export function refuseBesideNetem(given: { netem?: unknown }): void {
  if (given.netem === undefined) return
  const options = Object.entries(given).filter(([, value]) => value !== undefined)
  const other = options.map(([key]) => key).find((key) => !besideNetem.includes(key))
  if (other === undefined) return
  throw new EtherloomError(
    'ERR_ETHERLOOM_OPTION',
    `option '${other}' of path policy does not go with 'netem', which stands for all that the path does`,
    { hint: "say it in the words of 'netem', or leave 'netem' out" },
  )
}

/** undefined where there is no netem. The order is that of native/binding/policies.cpp. */
export function netemPart(settings: NetemSettings | undefined): PolicyPart | undefined {
  if (settings === undefined) return undefined
  const { seed, limit, delay, loss, ecn, duplicate, corrupt, reorder, rate, slot } = settings
  return {
    kind: partKinds.netem,
    words: [
      ...(seed === undefined ? [0n, 0n] : [1n, seed]),
      BigInt(limit),
      ...[delay.time, delay.jitter],
      ...tableWords(delay.table),
      BigInt(delay.correlation),
      ...lossWords(loss),
      ecn ? 1n : 0n,
      ...[duplicate.probability, duplicate.correlation].map(BigInt),
      ...[corrupt.probability, corrupt.correlation].map(BigInt),
      ...[reorder.probability, reorder.correlation, reorder.gap].map(BigInt),
      ...[rate.bytes, rate.packetOverhead, rate.cellSize, rate.cellOverhead].map(BigInt),
      ...[slot.least, slot.most, slot.delay, slot.jitter],
      ...tableWords(slot.table),
      ...[slot.packets, slot.bytes].map(BigInt),
    ],
  }
}

/** The model (0 random, 1 state, 2 gemodel) and the numbers of all three, 0 for those of the others. */
function lossWords(loss: NetemSettings['loss']): bigint[] {
  const random = loss.model === 'random' ? loss : { probability: 0, correlation: 0 }
  const state = loss.model === 'state' ? loss : { p13: 0, p31: 0, p32: 0, p23: 0, p14: 0 }
  const gemodel = loss.model === 'gemodel' ? loss : { p: 0, r: 0, h: 0, k1: 0 }
  return [
    ['random', 'state', 'gemodel'].indexOf(loss.model),
    ...[random.probability, random.correlation],
    ...[state.p13, state.p31, state.p32, state.p23, state.p14],
    ...[gemodel.p, gemodel.r, gemodel.h, gemodel.k1],
  ].map(BigInt)
}
