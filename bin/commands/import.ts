/** `etherloom import`: prints files of a foreign format as a topology file, and what became of the rest on stderr. */
import { EtherloomError } from '../../lib/values/errors.js'
import { ambiguity, foreignFormats, importFiles, recognise } from '../../lib/topology/import/index.js'
import type { SourceFile } from '../../lib/topology/import/format.js'
import { action, command, type ExitCode, type Flags } from '../command.js'
import { addConversion, readConversion } from '../conversion.js'
import { printJson, printNotes, printText } from '../output.js'

const importCommand = addConversion(
  command(
    'import',
    'print files of another program as a topology file, and what became of the rest on stderr',
  ).argument('<file...>', 'files of another program; several are parts of one network'),
)
for (const { key, title } of foreignFormats) importCommand.option(`--${key}`, `each of them is ${title}`)

export const importForeign = importCommand.action(action(convert))

async function convert(paths: string[], options: Flags): Promise<ExitCode> {
  const [{ readTopologyFile }, { topologyError }] = await Promise.all([
    import('../../lib/topology/load.js'),
    import('../../lib/topology/file-problem.js'),
  ])
  const files = await Promise.all(paths.map(async (file) => ({ file, text: await readTopologyFile(file) })))
  const { topology, problems, notes } = await importFiles(
    await formatOf(files, options),
    files,
    await readConversion(options),
  )
  if (topology === undefined) {
    if (!options.json) printNotes(notes)
    throw topologyError(problems)
  }
  if (options.json) printJson({ topology, notes })
  else {
    printText(await (await import('../../lib/topology/yaml.js')).writeYaml(topology))
    printNotes(notes)
  }
  return 0
}

/** The format that is asked for, or that the files show. */
async function formatOf(files: SourceFile[], options: object): Promise<string> {
  const { topologyError } = await import('../../lib/topology/file-problem.js')
  const words = foreignFormats.keys
  const asked = words.filter((word) => Object.hasOwn(options, word))
  if (asked.length > 1)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `--${asked.join(' and --')} exclude each other`)
  if (asked[0] !== undefined) return asked[0]
  const found = files.map(({ file, text }) => {
    const could = recognise(text, file)
    const [format] = could
    if (could.length > 1) throw topologyError([{ file, line: 1, column: 1, message: ambiguity(could) }])
    if (format === undefined)
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${file} is of no foreign format that is known`, {
        hint: `if it is, say of which: ${words.map((word) => `--${word}`).join(', ')}`,
      })
    return format
  })
  const [first = '', ...others] = new Set(found)
  if (others.length > 0)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'the files are of different formats', {
      hint: 'import them one by one',
    })
  return first
}
