/** Tables of delays in the format of iproute2; the numbers of one, written or listed, are the same table. */
import { listedDelayTable, parseDelayTable } from '../../../lib/policy/lines/delay-tables.js'
import { policyReadsAgain } from '../again.js'
import { insists, refusedOr, type Target } from '../target.js'

export const target: Target = {
  words: ['32767', '-32768', '32768', '0', ' ', '\n', '#', '-', '+', '0x10', '1e3', '\t', '\r'],
  seeds: ['# a table\n0 1 -1 8192\n', '-32768\n32767\n'],
  async read(input) {
    const text = input.toString()
    const table = await refusedOr(text, () => parseDelayTable(text, 'the table'), /OPTION/)
    if (!table) return
    const { bytes, key } = table
    insists(bytes.length > 0 && bytes.length % 2 === 0, 'a table without numbers')
    const values = [...new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)]
    insists(parseDelayTable(values.join('\n'), 'the table').key === key, 'written, it reads as another table')
    insists(listedDelayTable(values, 'the table').key === key, 'its numbers are another table')
    if (values.length <= 64)
      await policyReadsAgain({ delay: '10ms', jitter: '1ms', distribution: { table: values } })
  },
}
