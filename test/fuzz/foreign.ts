/** Targets of foreign formats, which all are read in one way; what is made of them is written and read again. */
import { atPlace } from '../../lib/topology/file-problem.js'
import { importFiles } from '../../lib/topology/import/index.js'
import { readsAgain } from './again.js'
import { insists, refusedOr, sentence, type Target } from './target.js'

export const foreign = (key: string, { words, seeds }: Pick<Target, 'words' | 'seeds'>): Target => ({
  words,
  seeds,
  together: 4,
  async read(input) {
    const text = input.toString()
    const found = await refusedOr(text, () => importFiles(key, [{ file: 'file', text }]), /OPTION|TOPOLOGY/)
    if (!found) return
    const lines = text.split('\n').length
    for (const problem of [...found.problems, ...found.notes]) {
      const { line, column, message } = problem
      sentence(atPlace(problem), text)
      insists(line >= 1 && line <= lines && column >= 1, `at ${line}:${column}: ${message}`)
    }
    insists((found.topology === undefined) === found.problems.length > 0, 'neither a topology nor a problem')
    if (found.topology) await readsAgain(found.topology)
  },
})
