// Checks that the imports under lib/ keep the rooms of ARCHITECTURE.md; run by lint.mjs. Imports of types count.
//   - a file imports from its own room and from rooms before it in the list;
//   - no file imports itself by way of others.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { Stop, filesUnder, inRoot, main } from './tools.mjs'

const rooms = [
  'values',
  'binding.ts',
  'policy',
  'engine',
  'capture',
  'gateway',
  'containers',
  'ports',
  'timeline',
  'fabrics',
  'world',
  'topology',
  'ubridge',
  'control',
  'testing',
  'index.ts',
]
const roomOf = (file) => rooms.indexOf(file.split('/')[1])

/** The files of lib/ that a file imports, with the lines on which it says so. */
function importsOf(file) {
  const text = readFileSync(inRoot(file), 'utf8')
  return [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)'(\.[^']+)'/g)].map((found) => ({
    line: text.slice(0, found.index).split('\n').length,
    target: path.posix.join(path.posix.dirname(file), found[1]).replace(/\.js$/, '.ts'),
  }))
}

await main(() => {
  const files = filesUnder('lib').filter((file) => file.endsWith('.ts'))
  const imports = new Map(files.map((file) => [file, importsOf(file)]))
  const complaints = files.flatMap((file) => {
    if (roomOf(file) < 0) return [`${file}: is in no room; add it to scripts/check-imports.mjs, in its place`]
    return imports.get(file).flatMap(({ line, target }) => {
      const wrong = !existsSync(inRoot(target))
        ? 'is no file'
        : roomOf(target) > roomOf(file)
          ? `${rooms[roomOf(file)]} does not know ${rooms[roomOf(target)]}`
          : undefined
      return wrong ? [`${file}:${line}: ${target}: ${wrong}`] : []
    })
  })

  // Depth first: a file that is met again while it is still on the way there closes a circle.
  const done = new Set()
  const way = []
  const visit = (file) => {
    if (done.has(file)) return
    const at = way.indexOf(file)
    if (at >= 0) {
      complaints.push(`a circle: ${[...way.slice(at), file].join(' → ')}`)
      return
    }
    way.push(file)
    for (const { target } of imports.get(file) ?? []) visit(target)
    way.pop()
    done.add(file)
  }
  for (const file of files) visit(file)
  if (complaints.length > 0) throw new Stop(complaints.join('\n'))
})
