/** Traces, as CSV and as opportunities of Mahimahi. */
import { parseTrace } from '../../../lib/policy/lines/trace-file.js'
import { insists, refusedOr, type Target } from '../target.js'

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
  ],
  seeds: [
    'time,rate,delay\n0s,10Mbit,5ms\n1s,1Mbit,50ms\n',
    'time,loss\n0,1%\n100,0.5\n',
    '0\n0\n3\n10\n',
    '# a note\ntime_s,rate_mbit\n0,1\n',
  ],
  async read(input) {
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
      for (const column of [rate, delay, loss, opportunities])
        insists(
          column === undefined ||
            (column.length === at.length && column.every((each) => each >= 0 && Number.isFinite(each))),
          'a column that is not whole',
        )
    }
  },
}
