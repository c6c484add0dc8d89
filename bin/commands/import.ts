/** `etherloom import`: prints files of a foreign format as a topology file, and what became of the rest on stderr. */
import { EtherloomError } from '../../lib/values/errors.js'
import { oneOf } from '../../lib/values/options.js'
import { ambiguity, formats, importFiles, recognise } from '../../lib/topology/import/index.js'
import type { FormatName } from '../../lib/topology/import/index.js'
import { machineKinds, type ConversionOptions, type SourceFile } from '../../lib/topology/import/format.js'
import { readTopologyFile, topologyError, writeYaml } from '../../lib/topology/load.js'
import { printJson, printNotes } from '../output.js'

/** What the user says beside the files, as it stands on the command line. */
export interface ConversionWords {
  config?: string
  machines?: string
}

/** One flag per format, and `--json`. */
export type ImportOptions = Partial<Record<FormatName, boolean>> & ConversionWords & { json?: boolean }

export async function importForeign(paths: string[], options: ImportOptions): Promise<number> {
  const files = await Promise.all(paths.map(async (file) => ({ file, text: await readTopologyFile(file) })))
  const { topology, problems, notes } = await importFiles(
    formatOf(files, options),
    files,
    await readConversion(options),
  )
  if (topology === undefined) {
    if (!options.json) printNotes(notes)
    throw topologyError(problems)
  }
  if (options.json) printJson({ topology, notes })
  else {
    process.stdout.write(await writeYaml(topology))
    printNotes(notes)
  }
  return 0
}

/** Reads the file that the options name. @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_TOPOLOGY */
export async function readConversion({ config, machines }: ConversionWords): Promise<ConversionOptions> {
  const kind = oneOf(machineKinds)(machines, "'--machines'")
  return {
    ...(config !== undefined && { config: { file: config, text: await readTopologyFile(config) } }),
    ...(kind !== undefined && { machines: kind }),
  }
}

/** The format that is asked for, or that the files show. */
function formatOf(files: SourceFile[], options: ImportOptions): FormatName {
  const words = Object.keys(formats) as FormatName[]
  const asked = words.filter((word) => options[word])
  if (asked.length > 1)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `--${asked.join(' and --')} exclude each other`)
  if (asked[0] !== undefined) return asked[0]
  const found = files.map(({ file, text }) => {
    const could = recognise(text)
    const [format] = could
    if (could.length > 1) throw topologyError([{ file, line: 1, column: 1, message: ambiguity(could) }])
    if (format === undefined || format === 'topology')
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${file} is of no foreign format that is known`, {
        hint: `if it is, say of which: ${words.map((word) => `--${word}`).join(', ')}`,
      })
    return format
  })
  const [first = 'tmesh', ...others] = new Set(found)
  if (others.length > 0)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'the files are of different formats', {
      hint: 'import them one by one',
    })
  return first
}
