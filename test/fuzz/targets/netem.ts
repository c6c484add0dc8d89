/** The words of tc netem; a file that has them means the same. */
import { parseNetem } from '../../../lib/policy/netem/parse.js'
import { readPolicy } from '../../../lib/policy/policy.js'
import { policyReadsAgain } from '../again.js'
import { refusedOr, type Target } from '../target.js'

export const target: Target = {
  words: [
    'delay ',
    '10ms ',
    '5ms ',
    '25% ',
    'distribution ',
    'normal ',
    'pareto ',
    'loss ',
    'random ',
    'state ',
    'gemodel ',
    'ecn ',
    'duplicate ',
    'corrupt ',
    'reorder ',
    'gap ',
    'rate ',
    '1mbit ',
    'slot ',
    'limit ',
    'seed ',
    '100us ',
    'packets ',
    'bytes ',
    '-1 ',
    '0 ',
    '1.5 ',
    '\t',
    '%',
  ],
  seeds: [
    'delay 10ms 5ms 25% distribution normal loss 1% duplicate 1% reorder 25% 50% gap 5 rate 1mbit 20 100 5',
    'loss gemodel 1% 10% 70% 0.1% ecn limit 1000',
    'loss state 1% 2% 3% 4% 5% slot 100us 200us packets 10 bytes 1000',
    'slot distribution normal 1ms 2ms seed 7 corrupt 0.1% 5%',
  ],
  async read(input) {
    const text = input.toString()
    await refusedOr(text, () => parseNetem(text, 'netem'), /OPTION/)
    const policy = await refusedOr(text, () => readPolicy({ allowed: true, netem: text }), /OPTION/)
    if (policy) await policyReadsAgain({ netem: text })
  },
}
