/** The travel of a path: how long a frame is under way after the line. native/lines/travel.hpp is the other half. */
import { readFileSync, statSync } from 'node:fs'
import {
  chance,
  correlation,
  isMapping,
  ownerOf,
  runLength,
  type Chance,
  type ChanceWords,
} from '../impairments/chance.js'
import { optional, optionsReader, refuse, required, text, type Rule } from '../options.js'
import { partKinds, type PolicyPart } from '../policy-parts.js'
import type { SharedData } from '../shared-data.js'
import { formatDuration, parseDuration, type Duration } from '../units.js'
import {
  delayTable,
  delayTableNames,
  listedDelayTable,
  parseDelayTable,
  type DelayTableName,
} from './delay-tables.js'

/**
 * How jitter is distributed: uniformly, or by a table of tc's, of a file in iproute2's format, or of up to 16384 values
 * from -32768 to 32767. Tables are in units of sigma / 8192, ascending (inverse distribution function at equal steps).
 */
export type Distribution = 'uniform' | DelayTableName | { file: string } | { table: readonly number[] }

export interface TravelOptions {
  /** Travel time, added to every frame. 0s to 365 days. */
  delay?: Duration
  /**
   * The delay varies by this much, never below 0: half the width of a uniform distribution, sigma of any other. Does not
   * reorder by itself.
   */
  jitter?: Duration
  /** How jitter is distributed. Default `uniform`. A file is read when the policy is set. */
  distribution?: Distribution
  /** Rank correlation of the delays of two frames one after the other, from 0 to below 1. Default 0. */
  delayCorrelation?: number
  /** How often frames skip the delay, 0 to 1. Above 0, frames of the path may overtake each other. */
  reorder?: Chance
  /** Before a frame may skip the delay, gap - 1 frames must have been delayed. Default 1. */
  gap?: number
}

const words = ['uniform', ...delayTableNames] as const

/** A file of 16384 numbers has less. */
const longestFile = 1 << 20

/** null for uniform. */
const distribution: Rule<SharedData | null> = (value, subject) => {
  if (value === 'uniform') return null
  if (delayTableNames.includes(value as DelayTableName)) return delayTable(value as DelayTableName)
  if (!isMapping(value))
    return refuse(
      subject,
      `one of ${words.map((word) => `'${word}'`).join(', ')}, { file } or { table }`,
      value,
    )
  const owner = ownerOf(subject)
  if (Object.hasOwn(value, 'table'))
    return listedDelayTable(
      optionsReader(owner, { table: (table) => table })(value).table,
      `option 'table' of ${owner}`,
    )
  const { file } = optionsReader(owner, { file: required(text({ max: 4096 })) })(value)
  return parseDelayTable(readTable(file, `option 'file' of ${owner}`), `delay table ${file}`)
}

function readTable(file: string, subject: string): string {
  try {
    if (statSync(file).size <= longestFile) return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    return refuse(subject, `a file that can be read (${reason})`, file)
  }
  return refuse(subject, 'a file of at most 1MiB', file)
}

export const travelRules = {
  delay: optional(parseDuration, 0n),
  jitter: optional(parseDuration, 0n),
  distribution: optional(distribution),
  delayCorrelation: correlation,
  reorder: chance,
  gap: runLength,
}

interface Given {
  delay: bigint
  jitter: bigint
  distribution: SharedData | null | undefined
  delayCorrelation: number | undefined
  reorder: ChanceWords | undefined
  gap: number | undefined
}

/** undefined where frames arrive as they depart. */
export function travelPart(given: Given): PolicyPart | undefined {
  const { delay, jitter, distribution: table, delayCorrelation = 0, reorder = [0, 0, 0], gap = 1 } = given
  insist('delay', delay > 0n || reorder[0] === 0, "above 0 with 'reorder', which lets frames skip it", delay)
  insist(
    'jitter',
    jitter > 0n || table === undefined,
    "above 0 with 'distribution', which is its shape",
    jitter,
  )
  insist('jitter', jitter > 0n || delayCorrelation === 0, "above 0 with 'delayCorrelation'", jitter)
  if (given.reorder === undefined && given.gap !== undefined)
    refuse("option 'reorder' of path policy", "given with 'gap', which says when it may happen", undefined)
  if (delay === 0n && jitter === 0n) return undefined
  // Ranks of normal numbers with correlation r have 6/pi asin(r/2).
  const ofScores = 2 * Math.sin((Math.PI * delayCorrelation) / 6)
  const numbers = [delay, jitter, ...reorder, BigInt(gap), ofScores]
  return { kind: partKinds.travel, words: table ? [...numbers, table] : numbers }
}

function insist(option: string, holds: boolean, expects: string, value: bigint): void {
  if (!holds) refuse(`option '${option}' of path policy`, expects, formatDuration(value))
}
