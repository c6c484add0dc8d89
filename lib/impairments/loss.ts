/** Loses each frame with this probability, from 0 to 1, with all its copies; a lost frame takes no line time. */
import { probability } from '../options.js'
import { byProbability } from './impairment.js'

export const loss = byProbability(probability())
