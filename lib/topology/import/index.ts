/**
 * The foreign formats, a line for each, and what reads their files. A program adds its own with `foreignFormats.add`.
 * Called by load.ts, which meets foreign files where a topology file is expected, and by `etherloom import`.
 */
import path from 'node:path'
import { EtherloomError } from '../../values/errors.js'
import { asOptions, readOptions } from '../../values/options.js'
import { Registry } from '../../values/registry.js'
import type { Checked } from '../check.js'
import { noText, type FileProblem } from '../file-problem.js'
import type { Topology } from '../schema.js'
import { containerlab } from './containerlab.js'
import { core } from './core.js'
import type { ConversionOptions, ForeignFormat, SourceFile } from './format.js'
import { gns3 } from './gns3.js'
import { miniworld } from './miniworld.js'
import { tmesh } from './tmesh.js'

/** Every format of other programs that can be read, by its word; `add` adds another. */
export const foreignFormats = new Registry<ForeignFormat>('foreign format', [
  tmesh,
  miniworld,
  containerlab,
  gns3,
  core,
])

/** Files of a foreign format as a topology, with what is wrong with them and what became of the rest. */
export interface Imported {
  topology?: Topology
  problems: FileProblem[]
  notes: FileProblem[]
}

/** A key of that name at the beginning of a line of YAML, or somewhere in JSON. */
const ourOwn = /(?:^[^\S\n]*|[{,]\s*)["']?fabrics["']?\s*:/m

/**
 * What a text is by the ending of its file's name, or by its content: the key of its format, 'topology', or nothing that is
 * known, which is left to those who read topology files. More than one is for the caller to refuse, with `ambiguity`.
 */
export function recognise(text: string, file = ''): string[] {
  const named = [...foreignFormats].find(({ endings = [] }) =>
    endings.some((ending) => file.endsWith(ending)),
  )
  if (named) return [named.key]
  const foreign = [...foreignFormats].filter((format) => format.recognises(text)).map(({ key }) => key)
  return ourOwn.test(text) && foreign.length > 0 ? ['topology', ...foreign] : foreign
}

/** The sentence about a file that could be several things. */
export function ambiguity(could: readonly string[]): string {
  const formats = could.flatMap((key) => foreignFormats.find(key) ?? [])
  const titles = [
    ...(could.includes('topology') ? ['a topology file'] : []),
    ...formats.map(({ title }) => title),
  ]
  const ways = formats.map(({ key }) => `'etherloom import --${key}'`)
  return `this could be ${titles.join(' or ')}; turn it into a topology file with ${ways.join(' or ')}`
}

/** @throws EtherloomError ERR_ETHERLOOM_OPTION for options that a file of this format, or of ours, leaves no room for */
export function refuseOptions(file: string, options: ConversionOptions, format?: ForeignFormat): void {
  const beside = Object.keys(asOptions('the conversion of a file', options)).find(
    (name) => !Object.hasOwn(format?.options ?? {}, name),
  )
  if (beside === undefined) return
  const theirs = [...foreignFormats].filter(({ options }) => Object.hasOwn(options, beside))
  const titles = theirs.map(({ title }) => title.replace(/^an? /, '')).join(' or ')
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${file} is no ${titles}, so '--${beside}' has no use`, {
    hint: 'leave it out',
  })
}

/**
 * Reads files of one format. What comes of them is checked as a topology file is.
 *
 * @throws EtherloomError ERR_ETHERLOOM_NAME for a format that is unknown; ERR_ETHERLOOM_OPTION
 */
export async function importFiles(
  key: string,
  files: readonly SourceFile[],
  options: ConversionOptions = {},
): Promise<Imported> {
  const format = foreignFormats.get(key)
  const { file } = files[0] ?? { file: '.' }
  refuseOptions(file, options, format)
  const binary = files.flatMap((each) => noText(each) ?? [])
  if (binary.length > 0) return { problems: binary, notes: [] }
  const given = readOptions(format.title, options, format.options)
  const { topology, problems, notes } = await format.convert(files, given)
  if (topology === undefined || problems.length > 0) return { problems, notes }
  const { checkTopology } = await import('../check.js')
  const checked = checkTopology(topology, path.dirname(file))
  const unplaced = (found: Checked['problems'], where: string): FileProblem[] =>
    found.map(({ message, place }) => ({
      file,
      line: 1,
      column: 1,
      message: `${where} ${place.join('.')}: ${message}`,
    }))
  if ('topology' in checked) {
    const more = unplaced(checked.warnings, 'in the topology made of this, at')
    return { topology: checked.topology, problems: [], notes: [...notes, ...more] }
  }
  return { problems: unplaced(checked.problems, 'the topology made of this is wrong at'), notes }
}
