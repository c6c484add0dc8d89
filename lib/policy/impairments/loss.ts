/**
 * Loses frames, with all their copies; a lost frame takes no line time. native/impairments/loss.hpp is the other half.
 *
 * Of the models, `{ rate, burst }` is what most people mean by losses in bursts; it is Gilbert's model. Those with a
 * `model` take the parameters of tc's model of that name.
 */
import {
  about,
  either,
  flag,
  into,
  isMapping,
  mapping,
  oneOf,
  ownerOf,
  probability,
  refuse,
  required,
  takes,
  type Percentage,
  type Rule,
  type Values,
} from '../../values/options.js'
import {
  correlationOfRuns,
  each,
  expectsChance,
  meanBurst,
  rateOfAll,
  runLength,
  wordsOf,
  type Chance,
} from './chance.js'
import type { ImpairmentKind } from './impairment.js'

/** Bursts of so many frames on average, as in `Chance`, or of exactly so many. `rate` is that of all frames. */
export interface LossInBursts {
  /** Of all frames, 0 to 1 or in per cent. */
  rate: number | Percentage
  /** Frames that are lost one after the other: so many on average, or exactly. */
  burst: number | { exactly: number }
}

/**
 * Gilbert and Elliott's model: a good and a bad state, each with a loss of its own. Starts in the good one. The loss in
 * the long run is (r · lossGood + p · lossBad) / (p + r).
 */
export interface GilbertElliott {
  /** Says that it is this model. */
  model: 'gemodel'
  /** From good to bad, for each frame. tc: p. */
  p: number | Percentage
  /** From bad to good, for each frame; 1 / r is how many frames a bad time lasts. tc: r. Default 1 - p. */
  r?: number | Percentage
  /** Loss in the bad state. tc: 1-h. Default 1. */
  lossBad?: number | Percentage
  /** Loss in the good state. tc: 1-k. Default 0. */
  lossGood?: number | Percentage
}

/**
 * netem's model of four states: 1 received in a gap, 2 received in a burst, 3 lost in a burst, 4 lost in a gap. Starts
 * in 1. The arguments are the probabilities of going from one to the other, by the names of tc.
 */
export interface FourState {
  /** Says that it is this model. */
  model: 'state'
  /** From 1 to 3, for each frame: how often a burst begins. 0 to 1, or in per cent. */
  p13: number | Percentage
  /** Default 1 - p13. */
  p31?: number | Percentage
  /** Default 0. */
  p32?: number | Percentage
  /** Default 1. */
  p23?: number | Percentage
  /** Default 0. */
  p14?: number | Percentage
}

/** Which frames of a path are lost: each by chance, in bursts, or by a model of two or four states. */
export type Loss = Chance | LossInBursts | GilbertElliott | FourState

export interface GivenLoss {
  /** The models of native/impairments/loss.cpp, by their numbers. */
  model: 0 | 1 | 2 | 3
  words: readonly number[]
}

/** Whether lossy frames are marked instead, if they can be; beside `loss`. */
export const ecn = about(
  'Whether loss marks the frames that are capable of it (ECN) and keeps them.',
  flag(false),
)

const inBursts = mapping(
  {
    rate: rateOfAll,
    correlation: correlationOfRuns,
    burst: about(
      'Length of runs, in frames: their mean, or exactly.',
      either<number | { exactly: number } | undefined>('a number of frames from 1, or { exactly: 5 }', [
        meanBurst,
        mapping({ exactly: required(about('Length of every run.', runLength)) }),
      ]),
    ),
  },
  {
    finish: ({ burst, ...given }, owner): GivenLoss =>
      typeof burst === 'object'
        ? runsOf(given, burst.exactly, owner)
        : { model: 0, words: wordsOf({ ...given, burst }, owner) },
  },
)

const model = <Name extends string>(name: Name, description: string) =>
  required(about(description, oneOf([name])))
const gilbertElliott = mapping(
  {
    model: model('gemodel', "Gilbert and Elliott's model, of a good and a bad state."),
    p: required(about('From good to bad, for each frame.', probability())),
    r: about('From bad to good, for each frame. Default: 1 - p.', probability()),
    lossBad: about('Loss in the bad state; 1-h in tc.', probability(1)),
    lossGood: about('Loss in the good state; 1-k in tc.', probability(0)),
  },
  {
    finish: ({ p, r = 1 - p, lossBad, lossGood }): GivenLoss => ({
      model: 2,
      words: [p, r, lossBad, lossGood],
    }),
  },
)
const fourStateKeys = {
  model: model('state', 'The model of netem, with four states.'),
  p13: required(about('From received in a gap to lost in a burst.', probability())),
  p31: about('From lost in a burst to received in a gap. Default: 1 - p13.', probability()),
  p32: about('From lost in a burst to received in a burst.', probability(0)),
  p23: about('From received in a burst to lost in a burst.', probability(1)),
  p14: about('From received in a gap to lost in a gap.', probability(0)),
}
const fourState = mapping(fourStateKeys, { finish: fourStateWords })
const models = { gemodel: gilbertElliott, state: fourState }

const alone = into(each, (words): GivenLoss => ({ model: 0, words }))

export const loss: ImpairmentKind<GivenLoss> & { marking: (settings: readonly number[]) => number[] } = {
  certainty: 'is lost',
  rule: about(
    'Frames that are lost: a probability, or a model of losses in bursts.',
    either<GivenLoss | undefined>(
      `${expectsChance} or 'model'`,
      [alone, inBursts, gilbertElliott, fourState],
      (value) => (isMapping(value) ? shapeOfLoss(value) : takes(alone, value) ? alone : undefined),
    ),
    { examples: [0.02, '2%', { rate: '2%', burst: 5 }, { model: 'gemodel', p: '1%', r: '10%' }] },
  ),
  settings: ({ model, words }) => (never(model, words) ? undefined : [0, model, ...words]),
  /** The same settings for frames that are marked instead of lost. */
  marking: ([, ...rest]) => [1, ...rest],
}

function never(model: number, words: readonly number[]): boolean {
  return model < 2 && words[0] === 0
}

function shapeOfLoss({ model }: Record<string, unknown>): Rule<GivenLoss | undefined> {
  if (model === undefined) return inBursts
  return typeof model === 'string' && Object.hasOwn(models, model)
    ? models[model as keyof typeof models]
    : (_, subject) => refuse(`option 'model' of ${ownerOf(subject)}`, "'gemodel' or 'state'", model)
}

/** A run begins, outside one, with start = rate / (rate + exactly (1 - rate)). */
function runsOf(
  { rate, correlation }: { rate: number; correlation: number | undefined },
  exactly: number,
  owner: string,
): GivenLoss {
  if (correlation !== undefined) refuse(owner, "given with 'correlation' or 'burst', which say the same")
  return { model: 1, words: [rate / (rate + exactly * (1 - rate)), exactly] }
}

function fourStateWords(given: Values<typeof fourStateKeys>, owner: string): GivenLoss {
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
