/** The keys of a policy, as the help of `etherloom path` lists them. Loaded for this help alone. */
import type { Help } from 'commander'
import { policyGroups } from '../lib/policy/policy.js'
import { meaningInWords, valueInWords } from '../lib/values/in-words.js'
import { shapeOf, type Rule } from '../lib/values/options.js'

/** A mapping by its keys, of which a table in the documentation has more. */
function value(rule: Rule<unknown>): string {
  const { form } = shapeOf(rule)
  return form.kind === 'mapping' ? `{ ${Object.keys(form.keys).join(', ')} }` : valueInWords(rule)
}

export function policyHelp(help: Help): string {
  const keys = Object.values(policyGroups).flatMap((rules) => Object.keys(rules))
  const width = Math.max(...keys.map((key) => key.length + 1))
  const row = ([key, rule]: [string, Rule<unknown>]): string => {
    const meaning = meaningInWords(rule, (text) => text)
    return help.formatItem(`${key}=`, width, `${meaning} Value: ${value(rule)}.`, help)
  }
  const groups = Object.entries(policyGroups).map(
    ([title, rules]) => `${title}:\n${Object.entries(rules).map(row).join('\n')}`,
  )
  const rest = "A value with { or [ is YAML: 'reorder={ rate: 1%, burst: 3 }'."
  return `\n${[...groups, help.boxWrap(rest, help.helpWidth ?? 80)].join('\n\n')}\n`
}
