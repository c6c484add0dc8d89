/** Sends a frame twice with this probability, from 0 to 1; both copies then share their fate up to the line. */
import { probability } from '../options.js'
import { byProbability } from './impairment.js'

export const duplicate = byProbability(probability())
