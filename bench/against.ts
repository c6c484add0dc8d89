// Two builds of etherloom in turn: `npm run bench -- --against DIR`. Every case is run with its subject from this checkout
// and with the subject that DIR's own benchmark has in the case of the same name, started by DIR's own programs, so that an
// API that has changed meanwhile does not matter. What is sent and how it is counted is this checkout's for both.
//
// Compared is every figure of a measure that says which way is better. A ratio is oriented: above 1 this build is the
// better one, whatever the figure.

import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { build } from './build.js'
import type { Case, Peer } from './case.js'
import { column, conditionsOf, format, remarksOf, textTable, type Column, type Report } from './report.js'
import { medianInterval, ratios, summarise, type Interval, type Summary } from './statistics.js'

/** A row below this is slower than may land. */
const least = 0.97

/**
 * The chosen cases with two peers each: this build's subject, and that of the checkout in `directory`, which must be built
 * (its library, too). Cases that it does not have are left out, and named in `missing`.
 */
export async function casesAgainst(
  directory: string,
  chosen: readonly Case[],
): Promise<{ cases: Case[]; missing: string[] }> {
  const other = resolve(directory)
  const entry = join(other, 'bench/cases/index.ts')
  await stat(entry).catch(() => {
    throw new Error(`${other} is no checkout of etherloom: ${entry} is not there`)
  })
  const from = async <Module>(file: string) =>
    (await import(pathToFileURL(join(other, 'bench', file)).href)) as Module
  await (await from<{ build: typeof build }>('build.ts')).build()
  const { cases } = await from<{ cases: readonly Case[] }>('cases/index.ts')
  const subjects = new Map(cases.map(({ name, peers }) => [name, peers[0]]))
  const named = (peer: Peer, name: string): Peer => ({ ...peer, name })
  return {
    cases: chosen.flatMap((subject): Case[] => {
      const before = subjects.get(subject.name)
      if (!before || subject.measure.figures.every(({ better }) => better === undefined)) return []
      const peers = [named(subject.peers[0], 'this build'), named(before, other)] as const
      return [{ ...subject, peers, goals: [] }]
    }),
    missing: chosen.map(({ name }) => name).filter((name) => !subjects.has(name)),
  }
}

interface Row {
  case: string
  figure: string
  own: Summary
  other: Summary
  ratio: Summary
  interval: Interval
  digits: number
}

function rowsOf({ results }: Report): Row[] {
  return results.flatMap(({ case: { name, measure }, peers: [own, other] }) =>
    measure.figures.flatMap((figure, index): Row[] => {
      if (!figure.better || !other) return []
      const [ours, theirs] = [column(own, index), column(other, index)]
      const rounds = Math.min(ours.length, theirs.length)
      const [upper, lower] = figure.better === 'more' ? [ours, theirs] : [theirs, ours]
      const all = ratios(upper.slice(0, rounds), lower.slice(0, rounds))
      return [
        {
          case: name,
          figure: `${figure.name}, ${figure.unit}`,
          own: summarise(ours),
          other: summarise(theirs),
          ratio: summarise(all),
          interval: medianInterval(all),
          digits: figure.digits,
        },
      ]
    }),
  )
}

/** Whether both builds ran in all cases and, where it is judged, no row is below the least ratio that may land. */
export function heldAgainst(report: Report): boolean {
  const ran = report.results.every(({ peers }) =>
    peers.every(({ missing, failure }) => missing === undefined && failure === undefined),
  )
  return ran && (!report.judged || rowsOf(report).every(({ ratio }) => ratio.median >= least))
}

const columns: readonly Column[] = [
  { head: 'case', align: 'left' },
  { head: 'figure', align: 'left' },
  { head: 'this build', align: 'right' },
  { head: 'the other', align: 'right' },
  { head: 'ratio', align: 'right' },
  { head: '95 % of the median', align: 'right' },
  { head: `≥ ${least}`, align: 'left' },
]

export function againstToText(report: Report): string {
  const rows = rowsOf(report).map((row) => [
    row.case,
    row.figure,
    format(row.own.median, row.digits),
    format(row.other.median, row.digits),
    format(row.ratio.median, 3),
    `${format(row.interval.low, 3)} to ${format(row.interval.high, 3)}`,
    !report.judged ? '' : row.ratio.median >= least ? 'yes' : 'NO',
  ])
  return [
    ...textTable(columns, rows),
    '',
    'A ratio above 1 says that this build is better, of rates and of costs alike.',
    ...remarksOf(report),
    conditionsOf(report),
  ].join('\n')
}

export function againstToJson(report: Report): string {
  const { setup, rounds } = report
  return JSON.stringify({ ...setup, rounds, rows: rowsOf(report) }, undefined, 2)
}
