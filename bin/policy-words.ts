/** Policies as people write them on a command line. Called by the commands that set one. */
import type { TopologyPolicy } from '../lib/topology/schema.js'
import { EtherloomError } from '../lib/values/errors.js'
import { quote } from '../lib/values/quote.js'
import { scalar } from './command.js'

/** The policy that `delay=5ms loss=2%` states, with the keys of a topology file. */
export async function readPolicyWords(words: string[]): Promise<TopologyPolicy & { allowed: boolean }> {
  if (words.length === 1 && (words[0] === 'allowed' || words[0] === 'denied'))
    return { allowed: words[0] === 'allowed' }
  const ofTc = words.lastIndexOf('netem')
  if (ofTc >= 0 || words[0] === 'tc')
    throw refusal(`words of tc go into one of ours: netem=${quote(words.slice(ofTc + 1).join(' '))}`)
  const value = async (key: string, text: string): Promise<unknown> =>
    /^[{[]/.test(text) ? (await import('../lib/topology/yaml.js')).readYaml(text, quote(key)) : scalar(text)
  const given = new Map<string, unknown>()
  for (const word of words) {
    const [, key, text] = /^([^=]+)=(.*)$/s.exec(word) ?? []
    if (key === undefined || text === undefined)
      throw refusal(`${quote(word)} must be key=value, such as delay=5ms`)
    if (given.has(key)) throw refusal(`${quote(key)} is given twice; leave one of the two out`)
    given.set(key, await value(key, text))
  }
  const { checkPolicy } = await import('../lib/topology/check.js')
  const checked = checkPolicy(Object.fromEntries(given))
  if ('policy' in checked) return { allowed: true, ...checked.policy }
  throw refusal(checked.problems.map(({ message }) => message))
}

const refusal = (message: string | readonly string[]): EtherloomError =>
  new EtherloomError('ERR_ETHERLOOM_OPTION', message)
