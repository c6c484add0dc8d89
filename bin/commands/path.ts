/** `etherloom path` and `etherloom deny`: set the policy of a path of a running instance. */
import { ControlClient } from '../../lib/control/client.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { checkPolicy } from '../../lib/topology/check.js'
import { policyIn } from '../../lib/topology/files.js'
import type { TopologyPolicy } from '../../lib/topology/schema.js'
import { printJson, printLine } from '../output.js'

interface PathOptions {
  both?: boolean
  fabric?: string
  name?: string
  json?: boolean
}

export async function path(from: string, to: string, words: string[], options: PathOptions): Promise<number> {
  return change(from, to, { allowed: true, ...(await readPolicyWords(words)) }, options)
}

export async function deny(from: string, to: string, options: PathOptions): Promise<number> {
  return change(from, to, { allowed: false }, options)
}

async function change(
  from: string,
  to: string,
  policy: TopologyPolicy & { allowed: boolean },
  { both = false, fabric, name, json }: PathOptions,
): Promise<number> {
  const instance = await ControlClient.find(name)
  try {
    const applied = await instance.call('path', {
      from,
      to,
      both,
      policy,
      ...(fabric !== undefined && { fabric }),
    })
    if (json) printJson(applied)
    else printLine(`${applied.up} up, ${applied.down} down, ${applied.changed} changed`)
    return 0
  } finally {
    instance.close()
  }
}

/** The policy that `delay=5ms loss=2%` states, with the keys of a topology file. */
async function readPolicyWords(words: string[]): Promise<TopologyPolicy> {
  const { parse } = await import('yaml')
  const value = (text: string): unknown => (/^[{[]/.test(text) ? parse(text) : scalar(text))
  const entries = words.map((word): [string, unknown] => {
    const [, key, given] = /^([^=]+)=(.*)$/s.exec(word) ?? []
    if (key === undefined || given === undefined)
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `'${word}' must be key=value, such as delay=5ms`)
    return [key, value(given)]
  })
  const checked = checkPolicy(Object.fromEntries(entries))
  if ('policy' in checked) return policyIn('.', checked.policy)
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', checked.problems.map(({ message }) => message).join('\n'))
}

/** Numbers, true and false as YAML would read them; everything else that does not begin with a bracket is text. */
function scalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
