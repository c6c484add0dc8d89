/** Tables of delays in the format of iproute2. */
import { parseDelayTable } from '../../../lib/policy/lines/delay-tables.js'
import { insists, refusedOr, type Target } from '../target.js'

export const target: Target = {
  words: ['32767', '-32768', '32768', '0', ' ', '\n', '#', '-', '+', '0x10', '1e3', '\t', '\r'],
  seeds: ['# a table\n0 1 -1 8192\n', '-32768\n32767\n'],
  async read(input) {
    const text = input.toString()
    const table = await refusedOr(text, () => parseDelayTable(text, 'the table'), /OPTION/)
    insists(
      table === undefined || (table.bytes.length > 0 && table.bytes.length % 2 === 0),
      'a table without numbers',
    )
  },
}
