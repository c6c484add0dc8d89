/** `etherloom validate`: checks a topology file. */
import { action, command, type ExitCode, type Flags } from '../command.js'
import { counted, printJson, printLine, printNotes } from '../output.js'

export const validate = command('validate', 'check a topology file without running it')
  .argument('<file>', 'topology file, YAML or JSON, or a file that import takes')
  .action(action(check))

async function check(file: string, { json }: Flags): Promise<ExitCode> {
  const { inspectTopology, loadTopology, readTopologyFile } = await import('../../lib/topology/load.js')
  if (!json) {
    const { fabrics, hosts = {} } = await loadTopology(file, (note) => printNotes([note]))
    const [ofFabrics, ofHosts] = [Object.keys(fabrics).length, Object.keys(hosts).length]
    printLine(`${file}: ${counted(ofFabrics, 'fabric')}, ${counted(ofHosts, 'host')}: valid`)
    return 0
  }
  const { problems, notes } = await inspectTopology(await readTopologyFile(file), file)
  printJson({ file, valid: problems.length === 0, problems, notes })
  return problems.length === 0 ? 0 : 1
}
