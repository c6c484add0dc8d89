/** Times, rates, sizes, addresses and subnets: what is written back reads as the same. */
import { parseSubnet, toNumber, toText } from '../../../lib/gateway/subnet.js'
import * as etherloom from '../../../lib/index.js'
import { interfaceAddress, isIPv4Prefix, parseMac, readAddress } from '../../../lib/values/addresses.js'
import { isDeepStrictEqual } from 'node:util'
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
    ':',
    '/',
    'f',
    '255',
  ],
  seeds: [
    ...['1.5ms', '10Mbit', '64KiB', '50frames', '0s', '0.000000001s', '1024GiB'],
    ...['02:00:00:00:00:01', 'fF:0a:90:Ab:cd:EF', '10.0.77.1/24', '255.255.255.255/0', 'fd00::1/64'],
  ],
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
    const limit = await refusedOr(text, () => etherloom.parseQueueLimit(text), /OPTION/)
    if (limit) {
      const [[unit, value]] = Object.entries(limit) as [[string, number | bigint]]
      const written =
        unit === 'frames'
          ? `${value}frames`
          : unit === 'bytes'
            ? etherloom.formatSize(value)
            : etherloom.formatDuration(value as bigint)
      insists(isDeepStrictEqual(etherloom.parseQueueLimit(written), limit), `${written} is another limit`)
    }
    await read(
      (text) => BigInt(`0x${Buffer.from(parseMac(text)).toString('hex')}`),
      (mac) => readAddress(mac).address,
    )
    const address = await refusedOr(text, () => interfaceAddress()(text, 'the address'), /OPTION/)
    if (address === undefined || !isIPv4Prefix(address)) return
    const subnet = parseSubnet(address)
    const written = `${toText(subnet.address)}/${subnet.bits}`
    insists(isDeepStrictEqual(parseSubnet(written), subnet), `${written} is another address`)
    insists(toNumber(toText(subnet.address)) === subnet.address, `${written} is another number`)
  },
}
