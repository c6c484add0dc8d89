/**
 * The foreign formats, and what reads their files. A new format is a module and an entry in `formats`.
 * Called by load.ts, which meets foreign files where a topology file is expected, and by `etherloom import`.
 */
import path from 'node:path'
import { EtherloomError } from '../../values/errors.js'
import { checkTopology } from '../check.js'
import type { FileProblem } from '../file-problem.js'
import type { Topology } from '../schema.js'
import type { ConversionOptions, ForeignFormat, SourceFile } from './format.js'
import { miniworld } from './miniworld.js'
import { tmesh } from './tmesh.js'

/** By the word that `etherloom import --WORD` has for them. */
export const formats = { tmesh, miniworld } satisfies Record<string, ForeignFormat>

export type FormatName = keyof typeof formats

/** Files of a foreign format as a topology, with what is wrong with them and what became of the rest. */
export interface Imported {
  topology?: Topology
  problems: FileProblem[]
  notes: FileProblem[]
}

/** A key of that name at the beginning of a line of YAML, or somewhere in JSON. */
const ourOwn = /(?:^|[{,])\s*["']?fabrics["']?\s*:/m

/**
 * The format that a text is in by its content: none for a topology file, and for what nothing recognises. More than one
 * is for the caller to refuse, with `ambiguity`.
 */
export function recognise(text: string): (FormatName | 'topology')[] {
  const foreign = (Object.keys(formats) as FormatName[]).filter((name) => formats[name].recognises(text))
  return ourOwn.test(text) && foreign.length > 0 ? ['topology', ...foreign] : foreign
}

/** The sentence about a file that could be several things. */
export function ambiguity(could: readonly (FormatName | 'topology')[]): string {
  const titles = could.map((name) => (name === 'topology' ? 'a topology file' : formats[name].title))
  const ways = could.flatMap((name) => (name === 'topology' ? [] : `'etherloom import --${name}'`))
  return `this could be ${titles.join(' or ')}; turn it into a topology file with ${ways.join(' or ')}`
}

/** @throws EtherloomError ERR_ETHERLOOM_OPTION when there are options, which this file leaves no room for */
export function refuseOptions(file: string, options: ConversionOptions): void {
  const [first] = Object.keys(options)
  if (first === undefined) return
  throw new EtherloomError(
    'ERR_ETHERLOOM_OPTION',
    `${file} is no scenario of MiniWorld, so '--${first}' has no use`,
    {
      hint: 'leave it out',
    },
  )
}

/** Reads files of one format. What comes of them is checked as a topology file is. */
export async function importFiles(
  name: FormatName,
  files: readonly SourceFile[],
  options: ConversionOptions = {},
): Promise<Imported> {
  if (name !== 'miniworld') refuseOptions(files[0]?.file ?? '', options)
  const { topology, problems, notes } = await formats[name].convert(files, options)
  if (topology === undefined || problems.length > 0) return { problems, notes }
  const file = files[0]?.file ?? '.'
  const checked = checkTopology(topology, path.dirname(file))
  if ('topology' in checked) return { topology: checked.topology, problems: [], notes }
  const unplaced = checked.problems.map(({ message, place }) => ({
    file,
    line: 1,
    column: 1,
    message: `the topology made of this is wrong at ${place.join('.')}: ${message}`,
  }))
  return { problems: unplaced, notes }
}
