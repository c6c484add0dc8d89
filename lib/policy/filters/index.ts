/** Filters in either form that users write them in, compiled for the addon. Called by every option named `filter`. */
import { addon } from '../../binding.js'
import { EtherloomError } from '../../values/errors.js'
import { record, shaped, single, text, type Rule } from '../../values/options.js'
import { compileMatch, type Match } from './match.js'

export type { Match }

/** A pcap-filter(7) expression, which needs libpcap (Debian's libpcap0.8), or a match object, which needs nothing. */
export type FilterSource = string | Match

const words = single('a pcap-filter expression', { type: 'string' }, (value) =>
  typeof value === 'string' && value !== '' ? value : undefined,
)
const expects = 'a pcap-filter expression or a match object'

/** @internal A rule for an option that is a filter, which it compiles. */
export const filterRule = (): Rule<Uint8Array | undefined> =>
  shaped((value) => (value === undefined ? undefined : compileFilter(value as FilterSource)), {
    description:
      "What may pass: a pcap-filter expression ('not ip6') or a match object ({ etherType: arp }).",
    expects,
    form: { kind: 'either', branches: [words, record(text(), (value) => value)] },
  })

/**
 * The program of a filter, verified: 8 bytes per instruction, struct sock_filter in little-endian.
 *
 * @throws EtherloomError ERR_ETHERLOOM_FILTER in libpcap's words for a bad expression, with what to install where
 *   there is no libpcap, and for everything that `compileMatch` refuses.
 */
export function compileFilter(source: FilterSource): Uint8Array {
  if (typeof source !== 'string') return compileMatch(source)
  try {
    const program = addon.compileExpression(source)
    addon.verifyFilter(program)
    return program
  } catch (cause) {
    throw new EtherloomError('ERR_ETHERLOOM_FILTER', (cause as Error).message, { cause })
  }
}
