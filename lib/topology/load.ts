/**
 * Reads topology files: YAML or JSON text becomes a checked topology, or a list of mistakes with line and column. So
 * does text of a foreign format (import/), which is recognised by its name or its content.
 * Called by the command line and by programs that keep their topology in a file.
 */
import path from 'node:path'
import { sameSysctl } from '../engine/sysctls.js'
import { quote, shorten } from '../values/quote.js'
import { anyText, callable, required } from '../values/options.js'
import { readGivenText } from '../values/files.js'
import { limits } from '../values/limits.js'
import { EtherloomError, locate } from '../values/errors.js'
import type { Place } from '../values/problem.js'
import type { Checked } from './check.js'
import { noText, topologyError, type FileProblem, type TakeNote } from './file-problem.js'
import type { ConversionOptions } from './import/format.js'
import { ambiguity, importFiles, recognise, refuseOptions } from './import/index.js'
import type { Topology } from './schema.js'
import { nameKeys, offsetOf, parse, quoteScalars, type Misplaced } from './yaml.js'

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

/** The text of a topology file, or of a pipe that a shell made. @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY when it cannot be read */
export async function readTopologyFile(file: string): Promise<string> {
  required(anyText)(file, 'the name of a topology file')
  return readGivenText(file, {
    subject: shorten(file, 255),
    most: limits.topologyFile,
    code: 'ERR_ETHERLOOM_TOPOLOGY',
    hint: 'give the path of a topology file',
    smaller: "leave comments out, or make several topologies of it, each with its own 'up'",
  })
}

/** The same for text that is already read; `file` is what messages call it. */
export async function parseTopology(
  text: string,
  file = 'topology',
  note: TakeNote = ignore,
  options: ConversionOptions = {},
): Promise<Topology> {
  required(anyText)(text, 'the text of a topology')
  required(anyText)(file, 'the name of a topology file')
  required(callable)(note, 'what takes notes')
  const { topology, problems, notes } = await inspectTopology(text, file, options)
  notes.forEach(note)
  if (topology !== undefined) return topology
  throw topologyError(problems)
}

/** Of topologies that were read, by their fabrics, which copies of them share: the text that says them. */
const sources = new WeakMap<object, { file: string; text: string }>()

/** @internal Where the file that a topology was read from says what is at a place; undefined where it is none of our own. */
async function placeIn(topology: Topology, place: Place): Promise<Omit<FileProblem, 'message'> | undefined> {
  const source = sources.get(topology.fabrics)
  if (source === undefined) return undefined
  const yaml = await import('yaml')
  const { document, placeOf } = parse(yaml, source.text, { uniqueKeys: false })
  return { file: source.file, ...placeOf(offsetOf(yaml, document, { place, at: 'key', message: '' })) }
}

/** @internal The error of what a topology could not become, with the line of its file where it is known which. */
export async function atItsLine(error: unknown, topology: Topology): Promise<unknown> {
  if (!(error instanceof EtherloomError) || error.place === undefined) return error
  const at = await placeIn(topology, asWritten(error.place, topology))
  return at === undefined ? error : locate(error, `${at.file}:${at.line}:${at.column}`)
}

/** Settings of hosts have in plans a name that may be written otherwise in the file. */
function asWritten(place: Place, { hosts }: Topology): Place {
  const [, host, part, name] = place
  if (part !== 'sysctls' || name === undefined) return place
  const names = Object.keys(hosts?.[`${host}`]?.sysctls ?? {})
  return [...place.slice(0, 3), names.find((each) => sameSysctl(each) === name) ?? name]
}

/** What came of a text: a topology or problems, and notes on what looks wrong, or on the lines of a foreign file. */
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
  const could = recognise(text, file)
  const [format] = could
  if (could.length > 1)
    return { problems: [{ file, line: 1, column: 1, message: ambiguity(could) }], notes: [] }
  if (format !== undefined) return importFiles(format, [{ file, text }], options)
  refuseOptions(file, options)
  return inspectOwn(text, file)
}

/** The same for a topology file of our own. */
async function inspectOwn(text: string, file: string): Promise<Inspected> {
  const binary = noText({ file, text })
  if (binary) return { problems: [binary], notes: [] }
  const [yaml, { checkTopology }] = await Promise.all([import('yaml'), import('./check.js')])
  const { document, errors, warnings, placeOf } = parse(yaml, text, { uniqueKeys: false })
  const atLines = (found: Misplaced[]): FileProblem[] =>
    found
      .sort((one, other) => one.offset - other.offset)
      .map(({ offset, message }) => ({ file, ...placeOf(offset), message }))
  const ofYaml = [...errors, ...warnings, ...nameKeys(yaml, document)]
  const report = (found: Misplaced[]): Inspected => ({ problems: atLines([...ofYaml, ...found]), notes: [] })
  if (errors.length > 0) return report([])
  const check = (): Checked => checkTopology(document.toJS(), path.dirname(file))
  const checked = check()
  if ('topology' in checked) {
    if (ofYaml.length > 0) return report([])
    const { topology, warnings } = checked
    sources.set(topology.fabrics, { file, text })
    const notes = warnings.map((each) => ({ ...each, offset: offsetOf(yaml, document, each) }))
    return { topology, problems: [], notes: atLines(notes) }
  }
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
            : `${message}; in quotes it is a word: ${quote(word)}`,
      }
    }),
  )
}
