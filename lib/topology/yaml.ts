/** What a YAML document says, as topologies need it: keys that are names, places of mistakes, and text that reads the same. */
import type * as yaml from 'yaml'
import type { Document } from 'yaml'
import type { Problem } from '../values/problem.js'

type Yaml = typeof yaml

/**
 * Makes every key the word that it is written as: `1`, `null` and `true` are names like others there. Returns the keys that
 * cannot be names.
 */
export function nameKeys(yaml: Yaml, document: Document): { pos: [number]; message: string }[] {
  const found: { pos: [number]; message: string }[] = []
  yaml.visit(document, {
    Pair: (_key, { key }) => {
      const named = yaml.isAlias(key) ? key.resolve(document) : key
      const refuse = (message: string): void => {
        found.push({ pos: [yaml.isNode(key) ? (key.range?.[0] ?? 0) : 0], message })
      }
      if (!yaml.isScalar(named)) {
        refuse('a key must be one word')
        return
      }
      if (typeof named.value !== 'string') named.value = named.source ?? String(named.value)
      if (named.value === '__proto__') refuse("'__proto__' cannot be a name, take another")
      if (named.value === '') refuse('a key is missing before the colon')
    },
  })
  return found
}

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
export function danglingAliases(yaml: Yaml, document: Document): { pos: [number]; message: string }[] {
  const found: { pos: [number]; message: string }[] = []
  yaml.visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) === undefined)
        found.push({ pos: [alias.range?.[0] ?? 0], message: `no anchor '${alias.source}' before this alias` })
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
  const node = at === 'key' ? key : value
  return yaml.isNode(node) ? (node.range?.[0] ?? 0) : 0
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
