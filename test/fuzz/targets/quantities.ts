/** Times, rates, sizes and addresses: what is written back reads as the same. */
import * as etherloom from '../../../lib/index.js'
import { insists, refusedOr, type Target } from '../target.js'

export const target: Target = {
  words: [
    'ms',
    'us',
    'µs',
    'ns',
    's',
    'min',
    'h',
    'bit',
    'kbit',
    'Mbit',
    'Gbit',
    'B',
    'kB',
    'KiB',
    'MiB',
    'GiB',
    'frames',
    '.',
    ' ',
    '0',
    '9',
  ],
  seeds: ['1.5ms', '10Mbit', '64KiB', '50frames', '0s', '0.000000001s', '1024GiB'],
  async read(input) {
    const text = input.toString()
    const read = async <T>(parse: (text: string) => T, format: (value: T) => string): Promise<void> => {
      const value = await refusedOr(text, () => parse(text), /OPTION/)
      if (value !== undefined)
        insists(parse(format(value)) === value, `${format(value)} is not ${String(value)}`)
    }
    await read(etherloom.parseDuration, etherloom.formatDuration)
    await read(etherloom.parseRate, etherloom.formatRate)
    await read(etherloom.parseSize, etherloom.formatSize)
    await refusedOr(text, () => etherloom.parseQueueLimit(text), /OPTION/)
  },
}
