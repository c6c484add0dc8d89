/** What a YAML document says, as topologies need it: keys that are names, places of mistakes, and text that reads the same. */
import type * as yaml from 'yaml'
import type { Document } from 'yaml'
import { EtherloomError } from '../values/errors.js'
import type { Problem } from '../values/problem.js'
import { quote, shorten } from '../values/quote.js'
import { limits } from '../values/limits.js'
import { formatCount } from '../values/units.js'

type Yaml = typeof yaml

/** A mistake in the text of a document. */
export interface Misplaced {
  offset: number
  message: string
}

const tooDeep = `lists and mappings may be ${limits.yamlDepth} deep within each other, and here are more`

/** A text as a document without aliases, with what the parser says of it; `placeOf` gives the line and column of an offset, from 1. */
export function parse(yaml: Yaml, text: string, { uniqueKeys }: { uniqueKeys: boolean }) {
  const lineCounter = new yaml.LineCounter()
  const document: Document = yaml.parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys })
  const misplaced = ({ pos, message }: { pos: number[]; message: string }): Misplaced => ({
    offset: pos[0] ?? 0,
    message: message.startsWith('Maximum call stack') ? tooDeep : shorten(message.replace(/;.*/s, ''), 120),
  })
  const errors = document.errors.map(misplaced)
  return {
    document,
    errors: errors.length > 0 ? errors : replaceAliases(yaml, document),
    warnings: document.warnings.map(misplaced),
    placeOf: (offset: number): { line: number; column: number } => {
      const { line, col } = lineCounter.linePos(offset)
      return { line: Math.max(line, 1), column: Math.max(col, 1) }
    },
  }
}

/** What a short text says, such as a value on a command line. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export async function readYaml(text: string, subject: string): Promise<unknown> {
  const yaml = await import('yaml')
  const { document, errors, warnings } = parse(yaml, text, { uniqueKeys: true })
  const found = [...errors, ...warnings, ...nameKeys(yaml, document)]
  if (found[0]) throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject}: ${found[0].message}`)
  return document.toJS()
}

/**
 * Makes every key the word that it is written as: `1`, `null` and `true` are names like others there. Takes out those that
 * cannot be names, and returns them. What stands under a key that is there twice is joined, so that both can be looked at.
 */
export function nameKeys(yaml: Yaml, document: Document): Misplaced[] {
  const found: Misplaced[] = []
  const nameOf = (key: unknown): string | undefined => {
    if (!yaml.isScalar(key)) return undefined
    if (typeof key.value !== 'string') key.value = key.source ?? String(key.value)
    return String(key.value)
  }
  yaml.visit(document, {
    Map: (_key, map) => {
      const known = new Map<string, yaml.Pair>()
      map.items = map.items.filter((pair) => {
        const { key } = pair
        const name = nameOf(key)
        const first = known.get(name ?? '')
        if (first) join(yaml, first.value, pair.value)
        const message = first ? 'Map keys must be unique' : whyNoName(name)
        if (message === undefined) known.set(name ?? '', pair)
        else found.push({ offset: startOf(yaml, key), message })
        return message === undefined
      })
    },
  })
  return found
}

/**
 * Puts what stands under merge keys of YAML 1.1, `<<: *common`, in their mappings, of which own keys come first, and then those
 * of the first of several. Returns what is no mapping there. What was put in keeps its place in the text.
 */
export function mergeKeys(yaml: Yaml, document: Document): Misplaced[] {
  const found: Misplaced[] = []
  const isMerge = ({ key }: yaml.Pair): boolean =>
    yaml.isScalar(key) && key.value === '<<' && key.type === 'PLAIN'
  const merge = (map: yaml.YAMLMap): void => {
    const merged = map.items.filter(isMerge)
    if (merged.length === 0) return
    map.items = map.items.filter((pair) => !isMerge(pair))
    const known = new Set(map.items.map(({ key }) => String(key)))
    for (const { key, value } of merged)
      for (const each of yaml.isSeq(value) ? value.items : [value]) {
        if (!yaml.isMap(each)) {
          found.push({ offset: startOf(yaml, key), message: "'<<' takes a mapping, or a list of them" })
          continue
        }
        merge(each)
        const more = each.items.filter((pair) => !known.has(String(pair.key)))
        for (const pair of more) known.add(String(pair.key))
        map.items.push(...more)
      }
  }
  yaml.visit(document, { Map: (_key, map) => merge(map) })
  return found
}

function whyNoName(word: string | undefined): string | undefined {
  if (word === undefined) return 'a key must be one word'
  if (word === '') return 'a key is missing before the colon'
  return word === '__proto__' ? "'__proto__' cannot be a name, take another" : undefined
}

/** Puts what the other has into the one, where both are mappings, or lists. */
function join(yaml: Yaml, one: unknown, other: unknown): void {
  if ((yaml.isMap(one) && yaml.isMap(other)) || (yaml.isSeq(one) && yaml.isSeq(other)))
    one.items.push(...(other.items as never[]))
}

const startOf = (yaml: Yaml, node: unknown): number => (yaml.isNode(node) ? (node.range?.[0] ?? 0) : 0)

/** Makes the scalars at places of problems the words that they are written as, and returns those words by their places. */
export function quoteScalars(
  yaml: Yaml,
  document: Document,
  problems: readonly Problem[],
): Map<string, string> {
  const words = new Map<string, string>()
  for (const { place, at } of problems) {
    const node = at === 'value' ? document.getIn(place, true) : undefined
    if (!yaml.isScalar(node) || typeof node.value === 'string' || !node.source) continue
    node.value = node.source
    words.set(place.join('\0'), node.source)
  }
  return words
}

/**
 * Puts what they stand for in the place of all aliases, in one pass, and returns what is wrong with them: no anchor before
 * them, or their own anchor around them, which the parser lets pass, and more values than they may come to. So is what is
 * nested too deeply.
 */
function replaceAliases(yaml: Yaml, document: Document): Misplaced[] {
  const found: Misplaced[] = []
  const anchors = new Map<string, yaml.Node>()
  /** How many values a node with an anchor has, and how deep they are; nothing while the pass is within it. */
  const extents = new Map<yaml.Node, { values: number; height: number }>()
  let aliased = 0
  let size = 0
  let deepest = 0
  const complain = (alias: yaml.Alias, message: string): yaml.Alias => {
    found.push({ offset: startOf(yaml, alias), message })
    return alias
  }
  const replace = (alias: yaml.Alias, depth: number): yaml.Node => {
    const node = anchors.get(alias.source)
    if (node === undefined) return complain(alias, `no anchor ${quote(alias.source)} before this alias`)
    const extent = extents.get(node)
    if (extent === undefined)
      return complain(alias, `alias ${quote(alias.source)} stands for what it is a part of`)
    const { values, height } = extent
    deepest = Math.max(deepest, depth + height)
    if (depth + height > limits.yamlDepth) return complain(alias, tooDeep)
    const before = aliased
    aliased += values
    size += values
    if (aliased <= limits.aliasedValues) return node
    if (before > limits.aliasedValues) return alias
    return complain(
      alias,
      `aliases may stand for ${formatCount(limits.aliasedValues)} values in all, and with this one they stand for ${formatCount(aliased)}`,
    )
  }
  const pass = <Node>(node: Node, depth: number): Node => {
    if (yaml.isAlias(node)) return replace(node, depth) as Node
    if (yaml.isPair(node)) {
      node.key = pass(node.key, depth)
      node.value = pass(node.value, depth)
    }
    if (!yaml.isScalar(node) && !yaml.isCollection(node)) return node
    const [before, deepestBefore] = [size++, deepest]
    deepest = depth
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    if (yaml.isCollection(node) && depth === limits.yamlDepth)
      found.push({ offset: startOf(yaml, node), message: tooDeep })
    else if (yaml.isCollection(node)) node.items = node.items.map((item) => pass(item, depth + 1))
    if (node.anchor !== undefined) extents.set(node, { values: size - before, height: deepest - depth })
    deepest = Math.max(deepest, deepestBefore)
    return node
  }
  document.contents = pass(document.contents, 0)
  return found
}

/** @internal Where in the text the key or the value at a place begins. */
export function offsetOf(yaml: Yaml, document: Document, { place, at }: Problem): number {
  let key: unknown = document.contents
  let value: unknown = document.contents
  for (const step of place) {
    if (yaml.isMap(value)) {
      const pair = value.items.find(({ key }) => String(key) === String(step))
      key = pair?.key
      value = pair?.value ?? key
    } else if (yaml.isSeq(value) && typeof step === 'number') {
      value = value.items[step]
      key = value
    }
  }
  return startOf(yaml, at === 'key' ? key : value)
}

/**
 * A topology, or what else YAML can hold, as YAML text. Words that readers of YAML 1.1 (PyYAML, Ruby, Ansible) would take for
 * something else, such as `no`, `on` and `52:54:00:12:34:56`, stand in quotes, so that they read what readers of 1.2 do.
 */
export async function writeYaml(value: unknown): Promise<string> {
  const yaml = await import('yaml')
  const document = new yaml.Document(value, { aliasDuplicateObjects: false })
  const known = new Map<string, boolean>()
  const isWord = (text: string): boolean => {
    const plain: unknown = /^[\w.:+~<=-]*$/.test(text)
      ? yaml.parse(text, { version: '1.1', logLevel: 'error' })
      : text
    return plain === text
  }
  yaml.visit(document, {
    Scalar: (_key, scalar) => {
      const { value: text } = scalar
      if (typeof text !== 'string') return
      // The package writes a line that begins or ends with blanks as another in a block.
      if (text.includes('\n') && /^[ \t]|[ \t]$/m.test(text)) scalar.type = 'QUOTE_DOUBLE'
      if (text.length > 40) return
      if (!known.has(text)) known.set(text, isWord(text))
      if (!known.get(text)) scalar.type = 'QUOTE_DOUBLE'
    },
  })
  // Nor does it fold all lines as they were.
  return document.toString({ doubleQuotedMinMultiLineLength: Infinity, lineWidth: 0 })
}
