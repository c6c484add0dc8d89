/** Match objects, as JSON; what compiles runs on a frame without an error, and means the same in a file. */
import { runFilter } from '../../helpers/bpf.js'
import { frame } from '../../helpers/frames.js'
import { compileFilter, type Match } from '../../../lib/policy/filters/index.js'
import { policyReadsAgain } from '../again.js'
import { refusedOr, type Target } from '../target.js'

const frames = [
  frame(),
  frame({ vlan: 5 }),
  new Uint8Array(14),
  Uint8Array.from({ length: 80 }, (_, at) => (at === 12 ? 8 : at === 13 ? 0 : at === 14 ? 0x45 : at)),
  Uint8Array.from({ length: 90 }, (_, at) => (at === 12 ? 0x86 : at === 13 ? 0xdd : at === 14 ? 0x60 : at)),
]

export const target: Target = {
  words: [
    '"etherType"',
    '"arp"',
    '"any"',
    '"all"',
    '"not"',
    '"port"',
    '"sourcePort"',
    '"protocol"',
    '"tcp"',
    '"source"',
    '"destination"',
    '"vlan"',
    '"length"',
    '"bytes"',
    '"at"',
    '"ip"',
    '"10.0.0.0/8"',
    '"fe80::/10"',
    '"02:00:00:00:00:01"',
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    'null',
    'true',
    '-1',
    '65535',
  ],
  seeds: [
    '{"any":[{"port":80},{"port":[8000,8999]}]}',
    '{"etherType":"arp"}',
    '{"not":{"source":"10.0.0.0/8","protocol":"tcp"}}',
    '{"all":[{"vlan":5},{"destination":"fe80::/10"}]}',
    '{"sourceMac":"02:00:00:00:00:01","length":[60,100]}',
  ],
  async read(input) {
    let source: unknown
    try {
      source = JSON.parse(input.toString())
    } catch {
      return
    }
    if (typeof source === 'string') return // an expression
    const program = await refusedOr(
      input.toString(),
      () => compileFilter(source as never),
      /FILTER|OPTION|NAME/,
    )
    if (!program) return
    for (const each of frames) runFilter(program, each)
    await policyReadsAgain({ filter: source as Match })
  },
}
