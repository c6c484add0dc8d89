/** How delays are distributed, as users say it: a table by its name, from a file, or in numbers. */
import { locate } from '../../values/errors.js'
import {
  about,
  either,
  file,
  into,
  list,
  mapping,
  oneOf,
  oneOfWords,
  required,
  shaped,
  shapeOf,
  single,
} from '../../values/options.js'
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

const word = about('A distribution by its name.', oneOf(delayTableNames))
const named = into(word, (name) => delayTable(name as DelayTableName))

const fromFile = mapping(
  { file: required(about("A table in iproute2's format.", file())) },
  {
    finish: ({ file }, owner) => {
      try {
        return readDelayTable(file)
      } catch (error) {
        throw locate(error, `option 'file' of ${owner}`)
      }
    },
  },
)

const inNumbers = mapping(
  {
    table: required(
      about(
        'The table: 1 to 16384 whole numbers, ascending; 8192 is one sigma.',
        shaped(listedDelayTable, shapeOf(list(single('a number', { type: 'number' }, (value) => value)))),
      ),
    ),
  },
  { finish: ({ table }) => table },
)

const tables = [named, inNumbers, fromFile]
const expectsTable = (words: readonly string[]): string => `${oneOfWords(words)}, { file } or { table }`

/** @internal */
export const tabledDistribution = either<SharedData | undefined>(expectsTable(delayTableNames), tables)

/** @internal null for uniform. */
export const distribution = either<SharedData | null | undefined>(
  expectsTable(['uniform', ...delayTableNames]),
  [into(oneOf(['uniform']), () => null), ...tables],
)
