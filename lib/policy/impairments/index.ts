/**
 * All impairments there are. native/impairments/ has a kind of each name, which says where a frame meets it; a test
 * compares the names.
 */
import type { Percentage } from '../../values/options.js'
import { bitErrorRate } from './bit-error-rate.js'
import type { Chance } from './chance.js'
import { corrupt } from './corrupt.js'
import { dropEvery } from './drop-every.js'
import { duplicate } from './duplicate.js'
import { loss, type Loss } from './loss.js'
import { outage, type Outage } from './outage.js'

export const impairments = { duplicate, dropEvery, outage, loss, bitErrorRate, corrupt } as const

export interface ImpairmentOptions {
  /** Frames that are lost: a probability, 0 to 1 or in per cent, or a model of losses in bursts. */
  loss?: Loss
  /** Marks congestion (ECN, RFC 3168) in a frame that `loss` picks, if it is capable, and keeps it. Default false. */
  ecn?: boolean
  /** Every so manieth frame is lost: of 10, the tenth. Counted on each path by itself, and not drawn. 1 to 1000000000. */
  dropEvery?: number
  /** Frames that are sent twice: a probability, 0 to 1 or in per cent, or a rate with correlation or bursts. */
  duplicate?: Chance
  /** Frames in which one random bit is flipped: a probability, 0 to 1 or in per cent, or a rate with correlation or bursts. */
  corrupt?: Chance
  /** Probability of an error in each bit, 0 to 1 or in per cent; a frame with one is lost. */
  bitErrorRate?: number | Percentage
  /** Times during which every frame is lost. */
  outage?: Outage
}
