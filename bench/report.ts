// What the benchmark says: a table for the terminal, the same as Markdown for the documentation, or everything as JSON.

import type { Goal, Setup } from './case.js'
import type { CaseResult, PeerResult } from './runner.js'
import { ratios, summarise, type Summary } from './statistics.js'

export interface Report {
  readonly setup: Setup
  readonly rounds: number
  readonly results: readonly CaseResult[]
  /** Whether goals count; a smoke run only shows that everything works. */
  readonly judged: boolean
}

/** Whether every subject ran and, where goals count, met them. What could not be measured is not met. */
export function succeeded({ results, judged }: Report): boolean {
  const ran = results.every(({ peers: [subject] }) => subject.missing === undefined)
  return ran && (!judged || results.flatMap(judge).every(({ met }) => met))
}

export function toText(report: Report): string {
  const align = (rows: string[][]) => {
    const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
    const pad = (cell: string, index: number) =>
      index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)
    return rows.map((row) => row.map(pad).join('   '))
  }
  const sections = report.results.map((result) => [
    `${result.case.name}: ${result.case.what}`,
    '',
    ...align(tableOf(result)),
    '',
    ...remarksOf(result, report.judged),
    '',
  ])
  return [...sections.flat(), conditionsOf(report)].join('\n')
}

export function toMarkdown(report: Report): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  const sections = report.results.map((result) => {
    const [head = [], ...rows] = tableOf(result)
    return [
      `### ${result.case.name}`,
      '',
      `${result.case.what}.`,
      '',
      line(head),
      line(head.map((_, index) => (index === 0 ? '---' : '---:'))),
      ...rows.map(line),
      '',
      ...remarksOf(result, report.judged).map((remark) => `- ${remark}`),
      '',
    ]
  })
  return [...sections.flat(), conditionsOf(report)].join('\n')
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
      summaries: result.case.measure.figures.map((_, index) => summarise(column(entry, index))),
      ratio: ratioOf(result, entry),
      runs: entry.runs,
    })),
    goals: report.judged ? judge(result) : [],
  }))
  return JSON.stringify({ machine, rounds: report.rounds, seconds, cases }, undefined, 2)
}

/** A row per peer under a head: the compared figure in full, the ratio, and the median of every other figure. */
function tableOf(result: CaseResult): string[][] {
  const { measure, peers } = result.case
  const [compared, ...others] = measure.figures
  const head = [
    'median of rounds',
    `${compared.name}, ${compared.unit}`,
    'min',
    'max',
    `${peers[0].name} is`,
    'min',
    'max',
    ...others.map(({ name, unit }) => `${name}, ${unit}`),
  ]
  const rows = result.peers.map((entry) => {
    const main = summarise(column(entry, 0))
    const ratio = ratioOf(result, entry)
    return [
      entry.peer.name,
      ...[main.median, main.min, main.max].map((value) => format(value, compared.digits)),
      ...[ratio.median, ratio.min, ratio.max].map((value) => format(value, 2, ' ×')),
      ...others.map(({ digits }, index) => format(summarise(column(entry, index + 1)).median, digits)),
    ]
  })
  return [head, ...rows]
}

function remarksOf(result: CaseResult, judged: boolean): string[] {
  const missing = result.peers.filter((entry) => entry.missing !== undefined)
  return [
    ...missing.map((entry) => `${entry.peer.name} did not run: ${entry.missing}`),
    ...(judged ? judge(result) : []).map(
      ({ goal, reached, met }) => `goal: ${goal}: ${format(reached, 2)}, ${met ? 'met' : 'NOT MET'}`,
    ),
  ]
}

function conditionsOf({ setup, rounds }: Report): string {
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

function judge(result: CaseResult): { goal: string; reached: number; met: boolean }[] {
  return result.case.goals.map((goal) => {
    const reached = reachedOf(result, goal)
    if ('ratioTo' in goal) {
      return { goal: `at least ${goal.atLeast} of ${goal.ratioTo}`, reached, met: reached >= goal.atLeast }
    }
    return { goal: `${goal.figure} at most ${goal.atMost}`, reached, met: reached <= goal.atMost }
  })
}

function reachedOf(result: CaseResult, goal: Goal): number {
  if ('ratioTo' in goal) {
    const other = result.peers.find(({ peer }) => peer.name === goal.ratioTo)
    return other === undefined ? NaN : ratioOf(result, other).median
  }
  const index = result.case.measure.figures.findIndex(({ name }) => name === goal.figure)
  return summarise(column(result.peers[0], index)).median
}

/** The subject's compared figure divided by that of `entry`, over the rounds. */
function ratioOf(result: CaseResult, entry: PeerResult): Summary {
  return summarise(ratios(column(result.peers[0], 0), column(entry, 0)))
}

function column({ runs }: PeerResult, index: number): number[] {
  return runs.map(({ figures }) => figures[index] ?? NaN)
}

function format(value: number, digits: number, suffix = ''): string {
  if (Number.isNaN(value)) return '-'
  return (
    value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }) + suffix
  )
}
