/** Traces, as CSV, as opportunities of Mahimahi and as rows: what is written as CSV reads as the same. */
import { parseTrace, type TraceColumns } from '../../../lib/policy/lines/trace-file.js'
import { isDeepStrictEqual } from 'node:util'
import { readPolicy } from '../../../lib/policy/policy.js'
import { formatTrace, type TraceRow, type TraceSource } from '../../../lib/policy/lines/trace.js'
import { formatDuration, formatRate } from '../../../lib/values/units.js'
import { policyReadsAgain } from '../again.js'
import { insists, refusedOr, type Target } from '../target.js'

/** The columns as rows, as a program would give them. */
const rowsOf = ({ at, rate, delay, loss }: TraceColumns): TraceRow[] =>
  at.map((time, index) => ({
    at: formatDuration(BigInt(time)) as TraceRow['at'],
    ...(rate && { rate: formatRate(BigInt(rate[index] ?? 0)) as NonNullable<TraceRow['rate']> }),
    ...(delay && { delay: formatDuration(BigInt(delay[index] ?? 0)) as TraceRow['at'] }),
    ...(loss && { loss: loss[index] ?? 0 }),
  }))

/** Rows as a program gives them, as JSON: as a policy takes them, their CSV reads. */
async function readRows(text: string): Promise<void> {
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch {
    return
  }
  const compiled = (trace: unknown): unknown =>
    readPolicy({ allowed: true, trace: trace as TraceSource }).parts.map(({ kind, words }) => [kind, words])
  if (!Array.isArray(rows)) return
  const policy = await refusedOr(text, () => compiled(rows), /OPTION/)
  if (policy === undefined) return
  const columns = parseTrace(Buffer.from(formatTrace(rows as TraceRow[])), 'what was written')
  insists(isDeepStrictEqual(compiled(rowsOf(columns)), policy), 'written, they read as another trace')
  await policyReadsAgain({ trace: rows as TraceRow[] })
}

export const target: Target = {
  words: [
    'time,',
    'rate,',
    'delay,',
    'loss',
    '0ms',
    '10Mbit',
    '2%',
    '1e3',
    ',',
    '\n',
    '\r\n',
    '#',
    '\ufeff',
    '"',
    '0.5s',
    '-',
    'time_ms',
    ';',
    '"at":',
    '"rate":',
    '"loss":',
    '"delay":',
    '"1us"',
    '"0.5 Gbit"',
    '{',
    '}',
    ':',
    '%',
  ],
  seeds: [
    'time,rate,delay\n0s,10Mbit,5ms\n1s,1Mbit,50ms\n',
    'time,loss\n0,1%\n100,0.5\n',
    '0\n0\n3\n10\n',
    '# a note\ntime_s,rate_mbit\n0,1\n',
    '[{"at":"0s","rate":"10 Mbit","delay":"5ms","loss":"2%"},{"at":"1.5 min","rate":"0bit","delay":"0µs","loss":1e-7}]',
    '[{"at":"0s","loss":0.5}]',
  ],
  async read(input) {
    await readRows(input.toString())
    for (const format of [undefined, 'csv', 'mahimahi'] as const) {
      const columns = await refusedOr(input.toString(), () => parseTrace(input, 'trace', format), /OPTION/)
      if (!columns) continue
      const { at, rate, delay, loss, opportunities } = columns
      insists(
        at.every(
          (time, index) =>
            Number.isFinite(time) && time >= 0 && (index === 0 || time > (at[index - 1] as number)),
        ),
        'times that are not in order',
      )
      if (opportunities === undefined)
        insists(
          isDeepStrictEqual(parseTrace(Buffer.from(formatTrace(rowsOf(columns))), 'written'), columns),
          'written, it reads as another trace',
        )
      for (const column of [rate, delay, loss, opportunities])
        insists(
          column === undefined ||
            (column.length === at.length && column.every((each) => each >= 0 && Number.isFinite(each))),
          'a column that is not whole',
        )
    }
  },
}
