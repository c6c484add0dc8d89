/** `etherloom export`: prints a topology as a file of another program. */
import { basename, extname } from 'node:path'
import { EtherloomError } from '../../lib/values/errors.js'
import { action, instanceCommand, withInstance, type ExitCode, type InstanceFlags } from '../command.js'
import { printJson, printNotes, printText } from '../output.js'

interface ExportFlags extends InstanceFlags {
  containerlab?: boolean
}

export const exportForeign = instanceCommand(
  'export',
  'print a running instance, or a topology file, as a file of another program',
)
  .argument('[file]', 'topology file, or a file that import takes (default: the running instance)')
  .option('--containerlab', 'as a file of containerlab; what that cannot say stands in comments')
  .action(action(print))

async function print(file: string | undefined, options: ExportFlags): Promise<ExitCode> {
  if (!options.containerlab)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'of which program the file shall be is not said', {
      hint: "say --containerlab; a topology file of ours is what 'etherloom show topology' prints",
    })
  const { writeContainerlab } = await import('../../lib/topology/containerlab.js')
  const { topology, name } = await given(file, options)
  const { text, notes } = await writeContainerlab(topology, name)
  if (options.json) printJson({ text, notes })
  else printText(text)
  return 0
}

async function given(file: string | undefined, options: InstanceFlags) {
  if (file === undefined)
    return withInstance(options, async (instance) => ({
      topology: await instance.call('export', {}),
      name: (await instance.call('info', {})).name,
    }))
  if (options.name !== undefined)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', "a file and '--name' exclude each other", {
      hint: 'give the file, or the name of the running instance',
    })
  const { loadTopology } = await import('../../lib/topology/load.js')
  const topology = await loadTopology(file, (note) => {
    printNotes([note])
  })
  return { topology, name: basename(file, extname(file)).replace(/[^A-Za-z0-9_-]+/g, '-') }
}
