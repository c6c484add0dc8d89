/**
 * The tables of options in the pages of reference/, from the declarations: `npm run docs:write` puts them between their marks, and a test
 * says when they are stale. A mark is a comment, `<!-- options: TapPort -->`; what follows up to `<!-- end -->` is written.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import '../lib/index.js' // whose classes declare their options
import { offeredRule } from '../lib/capture/capture.js'
import { gatewayRule } from '../lib/gateway/options.js'
import { matchRules } from '../lib/policy/filters/match.js'
import { entryKeys } from '../lib/timeline/entries.js'
import { topologyRule } from '../lib/topology/schema.js'
import { hubRules, wireRules } from '../lib/world/options.js'
import { meaningInWords, valueInWords } from '../lib/values/in-words.js'
import { declared, shapeOf, wordsOf, type Form, type Rule, type Rules } from '../lib/values/options.js'
import { table } from './reference/control/pages.js'

/** What stands at a mark. */
const sections: Readonly<Record<string, () => string>> = {
  match: () => tableOf(matchRules),
  gateway: () => tableOf(formOf(gatewayRule, 'mapping').keys),
  capture: () => tableOf({ ...declared.get('a capture'), offered: offeredRule }),
  'World of a fabric': () => tableOf(hubRules),
  'World of wires': () => tableOf(wireRules),
  'topology files': topologyFiles,
}

const marks = /(<!-- options: (.+?) -->\n)[^]*?(<!-- end -->)/g

/** The pages that have marks, as they should be, by their file names. */
export function pagesWithTables(): Map<string, string> {
  const folder = join(import.meta.dirname, 'reference')
  const pages = readdirSync(folder).filter((name) => name.endsWith('.md'))
  return new Map(
    pages.flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8')
      return text.includes('<!-- options: ') ? [[name, withTables(text)] as const] : []
    }),
  )
}

function withTables(text: string): string {
  return text.replace(marks, (_, start: string, name: string, end: string) => {
    const rules = declared.get(name)
    const section = sections[name] ?? (rules && (() => tableOf(rules)))
    if (!section) throw new Error(`nothing declares the options of '${name}'`)
    return `${start}\n${section()}\n${end}`
  })
}

/** What a topology file can say, kind by kind. */
function topologyFiles(): string {
  const file = formOf(topologyRule(), 'mapping').keys
  const fabrics = branchesOf(each(file.fabrics))
  const [{ ports, listen, paths, timeline } = {}] = fabrics
  const worlds = branchesOf(each(file.worlds))
  const apart = new Set([file.fabrics, file.worlds, ports, listen, paths, timeline])
  const path = branchesOf(entry(paths))
  const between = Object.fromEntries(path.flatMap((keys) => Object.entries(keys)).filter(([key]) => isEnd(key)))
  const policy = Object.fromEntries(Object.entries(path[0] ?? {}).filter(([key]) => !isEnd(key)))
  const ends = { ...between, port: ruleAt(entry(timeline), 'port') }
  return [
    heading('The file', tableOf(file, apart)),
    kinds('A fabric', fabrics, apart),
    kinds('A port', branchesOf(each(ports)), apart),
    kinds('What a fabric listens for', branchesOf(listen), apart),
    heading('A path', tableOf(between)),
    heading('A policy', tableOf(policy)),
    heading('An entry of a timeline: its paths, or ports', tableOf(ends)),
    heading('and a policy from a time on', tableOf(entryKeys.change)),
    heading('or a ramp', tableOf({ ramp: ruleAt(entry(timeline), 'ramp'), ...entryKeys.ramp }, new Set(), 0)),
    heading('or outages', tableOf(entryKeys.flap)),
    heading('or a carrier', tableOf(entryKeys.carrier)),
    kinds('A world', worlds, apart),
  ].join('\n')
}

const isEnd = (key: string): boolean => ['between', 'from', 'to'].includes(key)

/** What all shapes have, and then what each has beyond. */
function kinds(title: string, shapes: readonly Rules[], apart: ReadonlySet<Rule<unknown> | undefined>): string {
  const [first = {}, ...others] = shapes
  const common = Object.entries(first).filter(([key, rule]) => others.every((keys) => keys[key] === rule))
  const names = new Set(common.map(([key]) => key))
  const own = shapes.map((keys) => {
    const entries = Object.entries(keys).filter(([key]) => !names.has(key))
    const [key, rule] = entries[0] ?? ['', undefined]
    const [word] = rule ? wordsOf(rule) : []
    const title = word === undefined ? `\`${key}\`` : `\`${key}: ${word}\``
    return `With ${title}:\n\n${tableOf(Object.fromEntries(entries), apart)}`
  })
  return heading(title, [tableOf(Object.fromEntries(common), apart), ...own].join('\n'))
}

/** A row for each option, and for each key of those that are mappings. */
function tableOf(rules: Rules, apart: ReadonlySet<Rule<unknown> | undefined> = new Set(), depth = 4): string {
  const rows = new Map<string, string[]>()
  const add = (keys: Rules, before: string, left: number): void => {
    for (const [key, rule] of Object.entries(keys)) {
      const label = before + key
      if (!rows.has(label)) rows.set(label, [`\`${label}\``, valueInWords(rule), meaningInWords(rule, (value) => `\`${value}\``)])
      if (!apart.has(rule) && left > 0)
        for (const [inside, keys] of mappingsIn(rule)) add(keys, `${label}.${inside}`, left - 1)
    }
  }
  add(rules, '', depth)
  return table(['option', 'value', 'meaning'], [...rows.values()].map((cells) => cells.map(escape)))
}

const escape = (cell: string): string => cell.replaceAll('|', '\\|')

/** The keys of the mappings that a value can be, or has, each with what stands between. */
function mappingsIn(rule: Rule<unknown>): [between: string, keys: Rules][] {
  const { form } = shapeOf(rule)
  switch (form.kind) {
    case 'value':
      return []
    case 'mapping':
      return [['', form.keys]]
    case 'record':
      return mappingsIn(form.each).map(([between, keys]) => [`*.${between}`, keys])
    case 'list':
      return mappingsIn(form.entry)
    case 'either':
      return form.branches.flatMap(mappingsIn)
  }
}

const heading = (title: string, text: string): string => `**${title}**\n\n${text}`

function formOf<Kind extends Form['kind']>(rule: Rule<unknown> | undefined, kind: Kind): Extract<Form, { kind: Kind }> {
  const { form } = shapeOf(rule as Rule<unknown>)
  if (form.kind !== kind) throw new Error(`a ${form.kind} where a ${kind} was expected`)
  return form as Extract<Form, { kind: Kind }>
}

const each = (rule: Rule<unknown> | undefined): Rule<unknown> => formOf(rule, 'record').each
const entry = (rule: Rule<unknown> | undefined): Rule<unknown> => formOf(rule, 'list').entry
/** The shapes of a mapping, also where there may be a list of such. */
const branchesOf = (rule: Rule<unknown> | undefined): Rules[] =>
  formOf(rule, 'either').branches.flatMap((branch) => {
    const { form } = shapeOf(branch)
    return form.kind === 'mapping' ? [form.keys] : []
  })

/** The rule of a key in the first shape that has it. */
const ruleAt = (rule: Rule<unknown>, key: string): Rule<unknown> =>
  branchesOf(rule).find((keys) => Object.hasOwn(keys, key))?.[key] as Rule<unknown>
