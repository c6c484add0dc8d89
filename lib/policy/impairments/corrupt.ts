/** Flips one random bit of one random byte, the Ethernet header included, as often as the `Chance` says. */
import { byChance } from './impairment.js'

export const corrupt = byChance('Probability that one bit of a frame is flipped.', 'is corrupted')
