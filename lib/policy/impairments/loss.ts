/**
 * Loses frames, with all their copies; a lost frame takes no line time. native/impairments/loss.hpp is the other half.
 *
 * Of the models, `{ rate, burst }` is what most people mean by losses in bursts; it is Gilbert's model. Those with a
 * `model` take the parameters of tc's model of that name.
 */
import { flag, optionsReader, probability, refuse, required, type Rule } from '../../values/options.js'
import { chance, isMapping, ownerOf, runLength, type Chance } from './chance.js'
import type { ImpairmentKind } from './impairment.js'

/** Bursts of so many frames on average, as in `Chance`, or of exactly so many. `rate` is that of all frames. */
export interface LossInBursts {
  rate: number
  burst: number | { exactly: number }
}

/**
 * Gilbert and Elliott's model: a good and a bad state, each with a loss of its own. Starts in the good one. The loss in
 * the long run is (r · lossGood + p · lossBad) / (p + r).
 */
export interface GilbertElliott {
  model: 'gemodel'
  /** From good to bad, for each frame. tc: p. */
  p: number
  /** From bad to good, for each frame; 1 / r is how many frames a bad time lasts. tc: r. Default 1 - p. */
  r?: number
  /** Loss in the bad state. tc: 1-h. Default 1. */
  lossBad?: number
  /** Loss in the good state. tc: 1-k. Default 0. */
  lossGood?: number
}

/**
 * netem's model of four states: 1 received in a gap, 2 received in a burst, 3 lost in a burst, 4 lost in a gap. Starts
 * in 1. The arguments are the probabilities of going from one to the other, by the names of tc.
 */
export interface FourState {
  model: 'state'
  p13: number
  /** Default 1 - p13. */
  p31?: number
  /** Default 0. */
  p32?: number
  /** Default 1. */
  p23?: number
  /** Default 0. */
  p14?: number
}

export type Loss = Chance | LossInBursts | GilbertElliott | FourState

export interface GivenLoss {
  /** The models of native/impairments/registry.cpp, in its order. */
  model: 0 | 1 | 2 | 3
  words: readonly number[]
}

/** Whether lossy frames are marked instead, if they can be; beside `loss`. */
export const ecn = flag(false)

const models = { gemodel: readGilbertElliott, state: readFourState }

const rule: Rule<GivenLoss | undefined> = (value, subject) => {
  if (isMapping(value)) {
    if (value.model !== undefined) return readModel(value, subject)
    if (isMapping(value.burst)) return readRuns(value, subject)
  }
  const words = chance(value, subject)
  return words && { model: 0, words }
}

export const loss: ImpairmentKind<GivenLoss> & { marking: (settings: readonly number[]) => number[] } = {
  rule,
  settings: ({ model, words }) => (never(model, words) ? undefined : [0, model, ...words]),
  /** The same settings for frames that are marked instead of lost. */
  marking: ([, ...rest]) => [1, ...rest],
}

function never(model: number, words: readonly number[]): boolean {
  return model < 2 && words[0] === 0
}

function readModel(value: Record<string, unknown>, subject: string): GivenLoss {
  const { model, ...parameters } = value
  return Object.hasOwn(models, String(model))
    ? models[model as keyof typeof models](parameters, ownerOf(subject))
    : refuse(`option 'model' of ${ownerOf(subject)}`, "'gemodel' or 'state'", model)
}

/** A run begins, outside one, with start = rate / (rate + exactly (1 - rate)). */
function readRuns(value: Record<string, unknown>, subject: string): GivenLoss {
  const owner = ownerOf(subject)
  const { rate } = optionsReader(owner, { rate: required(probability()), burst: (burst) => burst })(value)
  const { exactly } = optionsReader(`'burst' of ${owner}`, { exactly: required(runLength) })(value.burst)
  return { model: 1, words: [rate / (rate + exactly * (1 - rate)), exactly] }
}

function readGilbertElliott(parameters: unknown, owner: string): GivenLoss {
  const { p, r, lossBad, lossGood } = optionsReader(owner, {
    p: required(probability()),
    r: probability(),
    lossBad: probability(1),
    lossGood: probability(0),
  })(parameters)
  return { model: 2, words: [p, r ?? 1 - p, lossBad, lossGood] }
}

function readFourState(parameters: unknown, owner: string): GivenLoss {
  const given = optionsReader(owner, {
    p13: required(probability()),
    p31: probability(),
    p32: probability(0),
    p23: probability(1),
    p14: probability(0),
  })(parameters)
  const { p13, p31 = 1 - p13, p32, p23, p14 } = given
  const ways: [string, number, string][] = [
    ["the sum of 'p13' and 'p14'", p13 + p14, ''],
    [
      "the sum of 'p31' and 'p32'",
      p31 + p32,
      given.p31 === undefined ? " ('p31' is 1 - p13 by default)" : '',
    ],
  ]
  for (const [what, sum, why] of ways)
    if (sum > 1 + 1e-9) refuse(`${what} of ${owner}`, `at most 1, since only one can happen${why}`, sum)
  return { model: 3, words: [p13, p31, p32, p23, p14] }
}
