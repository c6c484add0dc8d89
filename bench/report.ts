// What the benchmark says: one table over all cases for the terminal, the same as Markdown for the documentation, or
// everything as JSON.

import type { Figure, Goal, Setup } from './case.js'
import type { CaseResult, PeerResult } from './runner.js'
import { ratios, summarise, type Summary } from './statistics.js'

export interface Report {
  readonly setup: Setup
  readonly rounds: number
  readonly results: readonly CaseResult[]
  /** Whether goals count; a smoke run only shows that everything works. */
  readonly judged: boolean
}

/** Whether every subject ran, no run failed and, where goals count, all are met. What was not measured is not met. */
export function succeeded({ results, judged }: Report): boolean {
  const ran = results.every(
    ({ peers }) => peers[0].missing === undefined && peers.every(({ failure }) => failure === undefined),
  )
  return ran && (!judged || results.flatMap(judge).every(({ met }) => met))
}

export function toText(report: Report): string {
  return [
    ...textTable(columns, tableOf(report)),
    '',
    ...report.results.map(({ case: { name, what } }) => `${name}: ${what}`),
    '',
    ...remarksOf(report),
    conditionsOf(report),
  ].join('\n')
}

export function toMarkdown(report: Report): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  return [
    line(columns.map(({ head }) => head)),
    line(columns.map(({ align }) => (align === 'left' ? '---' : '---:'))),
    ...tableOf(report).map(line),
    '',
    ...report.results.map(({ case: { name, what } }) => `- **${name}**: ${what}`),
    ...remarksOf(report).map((remark) => `- ${remark}`),
    '',
    conditionsOf(report),
  ].join('\n')
}

export function toJson(report: Report): string {
  const { machine, seconds } = report.setup
  const cases = report.results.map((result) => ({
    name: result.case.name,
    what: result.case.what,
    figures: result.case.measure.figures,
    peers: result.peers.map((entry) => ({
      name: entry.peer.name,
      missing: entry.missing,
      failure: entry.failure,
      doubt: doubtOf(result, entry),
      summaries: result.case.measure.figures.map((_, index) => summarise(column(entry, index))),
      ratio: ratioOf(result, entry),
      runs: entry.runs,
    })),
    goals: report.judged ? judge(result) : [],
  }))
  return JSON.stringify({ machine, rounds: report.rounds, seconds, cases }, undefined, 2)
}

export interface Column {
  readonly head: string
  readonly align: 'left' | 'right'
}

/** The lines of a table for the terminal, its head first. */
export function textTable(columns: readonly Column[], body: readonly (readonly string[])[]): string[] {
  const rows = [columns.map(({ head }) => head), ...body]
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  const pad = (cell: string, index: number) =>
    columns[index]?.align === 'left' ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)
  return rows.map((row) => row.map(pad).join('  ').trimEnd())
}

/** Of the one table. A row is a peer of a case; `ratio` is the case's first peer divided by it. */
const columns: readonly Column[] = [
  { head: 'case', align: 'left' },
  { head: 'peer', align: 'left' },
  { head: 'median', align: 'right' },
  { head: 'min', align: 'right' },
  { head: 'max', align: 'right' },
  { head: 'of', align: 'left' },
  { head: 'ratio', align: 'right' },
  { head: 'min', align: 'right' },
  { head: 'max', align: 'right' },
  { head: 'goal', align: 'left' },
  { head: 'met', align: 'left' },
  { head: 'beside it, medians', align: 'left' },
]

function tableOf({ results, judged }: Report): string[][] {
  return results.flatMap((result) => result.peers.map((entry) => rowOf(result, entry, judged)))
}

function rowOf(result: CaseResult, entry: PeerResult, judged: boolean): string[] {
  const [compared, ...others] = result.case.measure.figures
  const isSubject = entry === result.peers[0]
  const main = summarise(column(entry, 0))
  const ratio = isSubject ? summarise([]) : ratioOf(result, entry)
  const goals = judge(result).filter(({ peer }) => peer === entry.peer.name)
  const values = others.map((figure, index) => ({
    figure,
    value: summarise(column(entry, index + 1)).median,
  }))
  return [
    result.case.name,
    entry.peer.name,
    ...[main.median, main.min, main.max].map((value) => format(value, compared.digits)),
    `${compared.name}, ${compared.unit}`,
    ...[ratio.median, ratio.min, ratio.max].map((value) => format(value, 2)),
    goals.map(({ goal }) => goal).join('; '),
    judged ? goals.map(({ met }) => (met ? 'yes' : 'NO')).join('; ') : '',
    values
      .filter(({ value }) => !Number.isNaN(value))
      .map(({ figure, value }) => `${figure.name} ${amount(figure, value)}`)
      .join(', '),
  ]
}

/** What was skipped, what failed, and what is to be doubted: one line for all peers of a case that share it. */
export function remarksOf({ results }: Report): string[] {
  return results.flatMap((result) => {
    const peers = new Map<string, string[]>()
    for (const entry of result.peers) {
      const remark = remarkOf(result, entry)
      if (remark !== undefined) peers.set(remark, [...(peers.get(remark) ?? []), entry.peer.name])
    }
    return [...peers].map(([remark, names]) => `${result.case.name}: ${remark}: ${names.join('; ')}`)
  })
}

function remarkOf(result: CaseResult, entry: PeerResult): string | undefined {
  if (entry.missing !== undefined) return `skipped (${entry.missing})`
  if (entry.failure !== undefined) return `FAILED (${entry.failure})`
  const doubt = doubtOf(result, entry)
  return doubt === undefined ? undefined : `in doubt (${doubt})`
}

export function conditionsOf({ setup, rounds }: Report): string {
  const { machine, seconds } = setup
  return [
    `${rounds} interleaved round${rounds === 1 ? '' : 's'} of ${seconds} s`,
    `generator on core ${machine.generatorCore}, forwarding process on core ${machine.forwarderCore}`,
    ...(machine.caveat === undefined ? [] : [machine.caveat]),
    `${machine.processor}${machine.virtual ? ' (virtual machine)' : ''}, ${machine.cores} cores, ${machine.memoryGiB} GiB`,
    `Linux ${machine.kernel}, Node ${machine.node}, ${machine.compiler}`,
    `load ${machine.load.toFixed(2)} before the start`,
  ].join('; ')
}

interface Judgement {
  /** The peer in whose row the goal stands. */
  peer: string
  goal: string
  reached: number
  met: boolean
}

function judge(result: CaseResult): Judgement[] {
  return result.case.goals.map((goal) => {
    const { median, min, max } = reachedOf(result, goal)
    const reached = !goal.everyRound ? median : 'atLeast' in goal ? min : max
    const [limit, met] =
      'atLeast' in goal
        ? [`≥ ${goal.atLeast}`, reached >= goal.atLeast]
        : [`≤ ${goal.atMost}`, reached <= goal.atMost]
    const bound = goal.everyRound ? `${limit} in every round` : limit
    return 'ratioTo' in goal
      ? { peer: goal.ratioTo, goal: [goal.figure, bound].filter(Boolean).join(' '), reached, met }
      : { peer: result.peers[0].peer.name, goal: `${goal.figure} ${bound}`, reached, met }
  })
}

function reachedOf(result: CaseResult, goal: Goal): Summary {
  const named = result.case.measure.figures.findIndex(({ name }) => name === goal.figure)
  if (goal.figure !== undefined && named < 0)
    throw new TypeError(`the case ${result.case.name} has a goal for ${goal.figure}, which is not measured`)
  if (!('ratioTo' in goal)) return summarise(column(result.peers[0], named))
  const other = result.peers.find(({ peer }) => peer.name === goal.ratioTo)
  if (other === undefined)
    throw new TypeError(
      `the case ${result.case.name} has a goal beside ${goal.ratioTo}, which is no peer of it`,
    )
  return ratioOf(result, other, Math.max(named, 0))
}

/** The subject's figure divided by that of `entry`, over the rounds that both have. */
function ratioOf(result: CaseResult, entry: PeerResult, figure = 0): Summary {
  const own = column(result.peers[0], figure)
  const others = column(entry, figure)
  const rounds = Math.min(own.length, others.length)
  return summarise(ratios(own.slice(0, rounds), others.slice(0, rounds)))
}

function doubtOf(result: CaseResult, entry: PeerResult): string | undefined {
  if (entry.runs.length === 0) return undefined
  const { measure } = result.case
  return measure.doubt?.(measure.figures.map((_, index) => summarise(column(entry, index)).median))
}

export function column({ runs }: PeerResult, index: number): number[] {
  return runs.map(({ figures }) => figures[index] ?? NaN)
}

function amount({ unit, digits }: Figure, value: number): string {
  return `${format(value, digits)} ${unit}`.trimEnd()
}

export function format(value: number, digits: number): string {
  if (Number.isNaN(value)) return '-'
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
