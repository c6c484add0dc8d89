/** What a YAML document says, as topologies need it: keys that are names, places of mistakes, and text that reads the same. */
import type * as yaml from 'yaml'
import type { Document } from 'yaml'
import { EtherloomError } from '../values/errors.js'
import type { Problem } from '../values/problem.js'
import { quote, shorten } from '../values/quote.js'

type Yaml = typeof yaml

/** A mistake in the text of a document. */
export interface Misplaced {
  offset: number
  message: string
}

/** A text as a document, with what the parser says of it; `placeOf` gives the line and column of an offset, from 1. */
export function parse(yaml: Yaml, text: string, { uniqueKeys }: { uniqueKeys: boolean }) {
  const lineCounter = new yaml.LineCounter()
  const document: Document = yaml.parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys })
  const misplaced = ({ pos, message }: { pos: number[]; message: string }): Misplaced => ({
    offset: pos[0] ?? 0,
    message: shorten(message.replace(/;.*/s, ''), 120),
  })
  return {
    document,
    errors: document.errors.map(misplaced),
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
  const found = [...errors, ...danglingAliases(yaml, document), ...warnings, ...nameKeys(yaml, document)]
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
    const named = yaml.isAlias(key) ? key.resolve(document) : key
    if (!yaml.isScalar(named)) return undefined
    if (typeof named.value !== 'string') named.value = named.source ?? String(named.value)
    return String(named.value)
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

/** Aliases without an anchor, which the parser itself lets pass. */
export function danglingAliases(yaml: Yaml, document: Document): Misplaced[] {
  const found: Misplaced[] = []
  yaml.visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) === undefined)
        found.push({
          offset: startOf(yaml, alias),
          message: `no anchor ${quote(alias.source)} before this alias`,
        })
    },
  })
  return found
}

/** @internal Where in the text the key or the value at a place begins. */
export function offsetOf(yaml: Yaml, document: Document, { place, at }: Problem): number {
  let key: unknown = document.contents
  let value: unknown = document.contents
  for (const step of place) {
    if (yaml.isAlias(value)) value = value.resolve(document)
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
      if (typeof text !== 'string' || text.length > 40) return
      if (!known.has(text)) known.set(text, isWord(text))
      if (!known.get(text)) scalar.type = 'QUOTE_DOUBLE'
    },
  })
  return document.toString()
}
