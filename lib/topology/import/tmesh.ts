/** The machine descriptions of TME, as they are typed at tmesh. */
import type { Conversion, ForeignFormat, SourceFile } from './format.js'

/** `NAME: tme/...` or `NAME at NAME: tme/...`: no YAML and no JSON says it. */
const creation = /^\s*(?:connect\s+)?[\w."/-]+(?:\s[^:#]*)?:\s*(?:t|n)me\/\w/m

export const tmesh: ForeignFormat = {
  title: 'a tmesh file',
  recognises: (text) => creation.test(text),
  convert,
}

async function convert(files: readonly SourceFile[]): Promise<Conversion> {
  const problems = files.map(({ file }) => ({ file, line: 1, column: 1, message: 'not read yet' }))
  return Promise.resolve({ problems, notes: [] })
}
