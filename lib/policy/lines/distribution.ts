/** How delays are distributed, as users say it: a table by its name, from a file, or in numbers. */
import { isMapping, ownerOf } from '../impairments/chance.js'
import { optionsReader, refuse, required, text, type Rule } from '../../values/options.js'
import type { SharedData } from '../shared-data.js'
import {
  delayTable,
  delayTableNames,
  listedDelayTable,
  readDelayTable,
  type DelayTableName,
} from './delay-tables.js'

/**
 * A table of tc's, of a file in iproute2's format, or of up to 16384 values from -32768 to 32767. Tables are in units of
 * sigma / 8192, ascending (inverse distribution function at equal steps).
 */
export type TabledDistribution = DelayTableName | { file: string } | { table: readonly number[] }

/** How jitter is distributed: uniformly, or by a table. */
export type Distribution = 'uniform' | TabledDistribution

/** @internal */
export const tabledDistribution: Rule<SharedData> = (value, subject) => readTabled(value, subject, [])

/** @internal null for uniform. */
export const distribution: Rule<SharedData | null> = (value, subject) =>
  value === 'uniform' ? null : readTabled(value, subject, ['uniform'])

/** `others`: the words that would have been right beside the tables. */
function readTabled(value: unknown, subject: string, others: readonly string[]): SharedData {
  if (delayTableNames.includes(value as DelayTableName)) return delayTable(value as DelayTableName)
  if (!isMapping(value)) {
    const words = [...others, ...delayTableNames].map((word) => `'${word}'`)
    return refuse(subject, `one of ${words.join(', ')}, { file } or { table }`, value)
  }
  const owner = ownerOf(subject)
  if (Object.hasOwn(value, 'table'))
    return listedDelayTable(
      optionsReader(owner, { table: (table) => table })(value).table,
      `option 'table' of ${owner}`,
    )
  const { file } = optionsReader(owner, { file: required(text({ max: 4096 })) })(value)
  return readDelayTable(file, `delay table ${file}`, (expects) =>
    refuse(`option 'file' of ${owner}`, expects, file),
  )
}
