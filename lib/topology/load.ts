/**
 * Reads topology files: YAML or JSON text becomes a checked topology, or a list of mistakes with line and column. So
 * does text of a foreign format (import/), which is recognised by its content.
 * Called by the command line and by programs that keep their topology in a file.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type * as yaml from 'yaml'
import type { Document } from 'yaml'
import { EtherloomError } from '../values/errors.js'
import type { Problem } from '../values/problem.js'
import type { Checked } from './check.js'
import type { ConversionOptions } from './import/format.js'
import type { Topology } from './schema.js'

type Yaml = typeof yaml

/** One mistake in a file, or a note on what became of a line; line and column count from 1. */
export interface FileProblem {
  file: string
  line: number
  column: number
  message: string
}

/** Takes a note on a line of a foreign file: what of it is not in the topology, and what to do about that. */
export type TakeNote = (note: FileProblem) => void

const ignore: TakeNote = () => undefined

/**
 * Reads and checks a topology file (YAML 1.2, of which JSON is a part), or a file of a foreign format.
 *
 * @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY with one line `file:line:column: mistake` per mistake, or when the
 *   file cannot be read.
 */
export async function loadTopology(
  file: string,
  note: TakeNote = ignore,
  options: ConversionOptions = {},
): Promise<Topology> {
  return parseTopology(await readTopologyFile(file), file, note, options)
}

/** The text of a topology file. @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY when it cannot be read */
export async function readTopologyFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', `cannot read ${file} (${reason})`, {
      cause,
      hint: 'give the path of a topology file',
    })
  }
}

/** The same for text that is already read; `file` is what messages call it. */
export async function parseTopology(
  text: string,
  file = 'topology',
  note: TakeNote = ignore,
  options: ConversionOptions = {},
): Promise<Topology> {
  const { topology, problems, notes } = await inspectTopology(text, file, options)
  notes.forEach(note)
  if (topology !== undefined) return topology
  throw topologyError(problems)
}

/** @internal The error for mistakes in files: a line for each. */
export function topologyError(problems: readonly FileProblem[]): EtherloomError {
  return new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', problems.map(atPlace).join('\n'))
}

/** @internal A mistake or note as a line. */
export const atPlace = ({ file, line, column, message }: FileProblem): string =>
  `${file}:${line}:${column}: ${message}`

/** What came of a text: a topology or problems, and notes on the lines of a foreign file. */
export interface Inspected {
  topology?: Topology
  problems: FileProblem[]
  notes: FileProblem[]
}

/** Checks text and returns what is wrong with it instead of throwing, for tools that show the mistakes. */
export async function inspectTopology(
  text: string,
  file: string,
  options: ConversionOptions = {},
): Promise<Inspected> {
  const { ambiguity, importFiles, recognise, refuseOptions } = await import('./import/index.js')
  const could = recognise(text)
  const [format] = could
  if (could.length > 1)
    return { problems: [{ file, line: 1, column: 1, message: ambiguity(could) }], notes: [] }
  if (format !== undefined && format !== 'topology') return importFiles(format, [{ file, text }], options)
  refuseOptions(file, options)
  return { ...(await inspectOwn(text, file)), notes: [] }
}

/** The same for a topology file of our own. */
async function inspectOwn(text: string, file: string): Promise<Omit<Inspected, 'notes'>> {
  const [yaml, { checkTopology }] = await Promise.all([import('yaml'), import('./check.js')])
  const lineCounter = new yaml.LineCounter()
  const document = yaml.parseDocument(text, { lineCounter, prettyErrors: false })
  const report = (found: { offset: number; message: string }[]): { problems: FileProblem[] } => ({
    problems: found
      .sort((one, other) => one.offset - other.offset)
      .map(({ offset, message }) => {
        const { line, col } = lineCounter.linePos(offset)
        return { file, line: Math.max(line, 1), column: Math.max(col, 1), message }
      }),
  })
  const broken = [
    ...document.errors,
    ...document.warnings,
    ...danglingAliases(yaml, document),
    ...nameKeys(yaml, document),
  ]
  if (broken.length > 0)
    return report(broken.map(({ pos, message }) => ({ offset: pos[0], message: message.replace(/;.*/, '') })))
  const check = (): Checked => checkTopology(document.toJS(), path.dirname(file))
  const checked = check()
  if ('topology' in checked) return { topology: checked.topology, problems: [] }
  const located = checked.problems.map((problem) => ({
    offset: offsetOf(yaml, document, problem),
    place: problem.place.join('\0'),
    message: problem.message,
  }))
  // A word that YAML takes for something else is right in quotes if then there is nothing to say of it, and nothing new.
  const quoted = quoteScalars(yaml, document, checked.problems)
  const before = new Set(checked.problems.map(({ message }) => message))
  const left = quoted.size > 0 ? check().problems : []
  const isRight = quoted.size > 0 && left.every(({ message }) => before.has(message))
  const stays = new Set(left.map(({ place }) => place.join('\0')))
  return report(
    located.map(({ offset, place, message }) => {
      const word = quoted.get(place)
      return {
        offset,
        message:
          word === undefined || !isRight || stays.has(place)
            ? message
            : `${message}; in quotes it is a word: '${word}'`,
      }
    }),
  )
}

/**
 * Makes every key the word that it is written as: `1`, `null` and `true` are names like others there. Returns the keys that
 * cannot be names.
 */
function nameKeys(yaml: Yaml, document: Document): { pos: [number]; message: string }[] {
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
function quoteScalars(yaml: Yaml, document: Document, problems: readonly Problem[]): Map<string, string> {
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
function danglingAliases(yaml: Yaml, document: Document): { pos: [number]; message: string }[] {
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
