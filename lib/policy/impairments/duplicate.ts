/** Sends frames twice, as often as the `Chance` says; both copies then share their fate up to the line. */
import { byChance } from './impairment.js'

export const duplicate = byChance('Probability that a frame is sent twice.', 'is sent twice')
