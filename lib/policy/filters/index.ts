/** The forms that users write filters in, compiled for the addon. Called by every option named `filter`. */
import { addon } from '../../binding.js'
import { EtherloomError } from '../../values/errors.js'
import { limits } from '../../values/limits.js'
import { isMapping, list, record, shaped, single, text, type Rule } from '../../values/options.js'
import { shorten } from '../../values/quote.js'
import { formatCount } from '../../values/units.js'
import { Registry, type Keyed } from '../../values/registry.js'
import { compileMatch, type Match } from './match.js'
import { refuseNames } from './names.js'

export type { Match }

/** A pcap-filter(7) expression without names of hosts, which needs libpcap (Debian's libpcap0.8), or a match object, which needs nothing. */
export type FilterSource = string | Match

/** A form of filters. */
export interface FilterKind<Source = unknown> extends Keyed {
  /** What it is, for those who check files and complete them. */
  readonly rule: Rule<unknown>
  /** Whether a filter is of this form. */
  takes(source: unknown): boolean
  /** Its program: 8 bytes per instruction, struct sock_filter in little-endian. @throws EtherloomError */
  compile(source: Source): Uint8Array
}

const expression: FilterKind<string> = {
  key: 'expression',
  rule: single('a pcap-filter expression', { type: 'string' }, (value) =>
    typeof value === 'string' && value !== '' ? value : undefined,
  ),
  takes: (source) => typeof source === 'string',
  compile: compileExpression,
}

const match: FilterKind<Match> = {
  key: 'match',
  rule: record(text(), (value) => value),
  takes: isMapping,
  compile: compileMatch,
}

/** The forms of filters. A program adds its own with `filterKinds.add`; of those that take a filter, the last one reads it. */
export const filterKinds = new Registry<FilterKind>('filter kind', [expression, match])

const expects = 'a pcap-filter expression or a match object'

/** Their rules, as branches of a rule that takes any of them. */
const forms = (): Rule<unknown>[] => [...filterKinds].map(({ rule }) => rule)

/** @internal A rule for an option that is a filter, which it compiles. */
export const filterRule = (): Rule<Uint8Array | undefined> =>
  shaped((value) => (value === undefined ? undefined : compileFilter(value as FilterSource)), {
    description:
      "What may pass: a pcap-filter expression ('not ip6') or a match object ({ etherType: arp }).",
    expects,
    strict: true,
    form: {
      kind: 'either',
      get branches() {
        return forms()
      },
    },
  })

/** @internal A rule for an option that is one filter or several, each of which it compiles by itself. */
export function filtersRule(): Rule<Uint8Array[] | undefined> {
  const one = filterRule()
  const several = list(one, {
    min: 1,
    max: limits.filters,
    expects: `a list of 1 to ${limits.filters} filters`,
  })
  return shaped(
    (value, subject) => {
      if (value === undefined) return undefined
      return several(Array.isArray(value) ? value : [value], subject)
    },
    {
      expects: `${expects}, or a list of 1 to ${limits.filters} of them`,
      strict: true,
      form: {
        kind: 'either',
        get branches() {
          return [...forms(), several]
        },
      },
    },
  )
}

/**
 * The program of a filter, verified: 8 bytes per instruction, struct sock_filter in little-endian.
 *
 * @throws EtherloomError ERR_ETHERLOOM_FILTER in libpcap's words for a bad expression, with what to install where
 *   there is no libpcap, and for everything that `compileMatch` refuses.
 */
export function compileFilter(source: FilterSource): Uint8Array {
  const kind = [...filterKinds].findLast((kind) => kind.takes(source))
  return kind ? kind.compile(source) : compileMatch(source as Match) // which says what is wrong with it
}

function compileExpression(source: string): Uint8Array {
  if (source.length > limits.filterExpression)
    throw new EtherloomError(
      'ERR_ETHERLOOM_FILTER',
      `a filter expression may have ${formatCount(limits.filterExpression)} characters, not ${formatCount(source.length)}`,
      { hint: 'write a match object, such as { any: [{ port: 80 }, { port: [8000, 8999] }] }' },
    )
  refuseNames(source)
  try {
    const program = addon.compileExpression(source)
    addon.verifyFilter(program)
    return program
  } catch (cause) {
    const message = (cause as Error).message.replace(source, () => shorten(source, 60))
    throw new EtherloomError('ERR_ETHERLOOM_FILTER', message, { cause })
  }
}
