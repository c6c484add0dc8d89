/** `etherloom validate`: checks a topology file. */
import { inspectTopology, loadTopology, readTopologyFile } from '../../lib/topology/load.js'
import { printJson, printLine, printNotes } from '../output.js'

export async function validate(file: string, { json }: { json?: boolean }): Promise<number> {
  if (!json) {
    const { fabrics, hosts } = await loadTopology(file, (note) => printNotes([note]))
    const count = (things: object | undefined, word: string): string => {
      const number = Object.keys(things ?? {}).length
      return `${number} ${word}${number === 1 ? '' : 's'}`
    }
    printLine(`${file}: ${count(fabrics, 'fabric')}, ${count(hosts, 'host')}: valid`)
    return 0
  }
  const { problems, notes } = await inspectTopology(await readTopologyFile(file), file)
  printJson({ file, valid: problems.length === 0, problems, notes })
  return problems.length === 0 ? 0 : 1
}
