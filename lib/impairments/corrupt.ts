/** Flips one random bit of one random byte, the Ethernet header included, with this probability, from 0 to 1. */
import { probability } from '../options.js'
import { byProbability } from './impairment.js'

export const corrupt = byProbability(probability())
