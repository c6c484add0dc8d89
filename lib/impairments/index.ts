/**
 * All impairments there are, in the order in which a frame meets them.
 * native/impairments/registry.cpp holds the same names in the same order; a test compares the two.
 */
import { corrupt } from './corrupt.js'
import { duplicate } from './duplicate.js'
import { loss } from './loss.js'

export const impairments = { duplicate, loss, corrupt } as const

export interface ImpairmentOptions {
  /** Probability of losing a frame, 0 to 1. */
  loss?: number
  /** Probability of sending a frame twice, 0 to 1. */
  duplicate?: number
  /** Probability of flipping one random bit of a frame, 0 to 1. */
  corrupt?: number
}
