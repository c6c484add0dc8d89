/**
 * Lines of ubridge's console: their words are those of a second reader, a letter at a time; a filter of them is a policy or is
 * refused in a sentence; and whatever an answer quotes, it is lines that a client can tell apart. No command is carried out.
 */
import { readPolicy } from '../../../lib/policy/policy.js'
import { EtherloomError } from '../../../lib/values/errors.js'
import { policyOf, readFilter } from '../../../lib/ubridge/filters.js'
import { wordsOf } from '../../../lib/ubridge/lexer.js'
import { Refusal, reply } from '../../../lib/ubridge/replies.js'
import { insists, sentence, type Target } from '../target.js'

/** The words of a line, or undefined where a quotation does not end. */
function read(line: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < line.length; at++) {
    const letter = line[at]!
    if (word === undefined && letter === '"') {
      const end = line.indexOf('"', at + 1)
      if (end < 0) return undefined
      if (end > at + 1) words.push(line.slice(at + 1, end))
      at = end
    } else if (letter === '#' || letter === '!') break
    else if (' \t\r\v\f'.includes(letter)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + letter
  }
  if (word !== undefined) words.push(word)
  return words
}

/** What a reader comes to, or its refusal, which is one line. */
function refusedOr<T>(line: string, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof EtherloomError)) throw error
    const code = error instanceof Refusal ? error.code : 206
    const said = reply(code, error.message, [error.message])
    insists(
      /^101 [^\r\n]*\r\n2\d\d-[^\r\n]*\r\n$/.test(said),
      `an answer of other lines: ${JSON.stringify(said)}`,
    )
    sentence(said.replaceAll('\r\n', '\n').trimEnd(), line)
    return undefined
  }
}

export const target: Target = {
  words: [
    ...['"', ' ', '#', '!', '\t', '\r', '\n', '""', 'bridge', 'add_packet_filter', 'filter0'],
    ...['frequency_drop', 'packet_loss', 'delay', 'corrupt', 'bpf', '-1', '0', '100', '3600000', 'EN10MB'],
    ...['"icmp and host 10.0.0.1"', 'or', 'not', '(', ')', 'mark', '__proto__'],
  ],
  seeds: [
    'bridge add_packet_filter b filter0 delay 40 10\nbridge add_packet_filter b filter1 packet_loss 2',
    'bridge add_packet_filter b f bpf "icmp or (tcp and port 80)" EN10MB # why',
    'bridge start_capture "b b" "/tmp/a b.pcap" C_HDLC',
    'bridge add_packet_filter b f bpf ""\nbridge add_packet_filter b g frequency_drop -1 ! all',
    'a"b"c "d"e "f',
  ],
  read(input) {
    for (const line of input.toString().split('\n')) {
      const words = refusedOr(line, () => wordsOf(line))
      const other = read(line)
      insists(JSON.stringify(words) === JSON.stringify(other), `words: ${JSON.stringify([words, other])}`)
      const [module, command, , name = '', type = '', ...more] = words ?? []
      if (module !== 'bridge' || command !== 'add_packet_filter') continue
      const policy = refusedOr(line, () => policyOf([readFilter(name, type, more)]))
      if (policy) refusedOr(line, () => readPolicy({ allowed: true, ...policy }))
    }
  },
}
