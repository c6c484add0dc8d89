// Takes away the declarations in dist/ that no program can come to: only what an entry point of the package exports, and what
// that refers to, can be imported. Started by build-lib.mjs as a program of its own.
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

import { filesUnder, inRoot, main } from './tools.mjs'

/** The declarations that a file has to do with, itself included, relative to the checkout. */
function reachedFrom(file, seen) {
  if (seen.has(file)) return
  seen.add(file)
  for (const { fileName } of ts.preProcessFile(readFileSync(inRoot(file), 'utf8')).importedFiles) {
    const declarations = path.join(path.dirname(file), fileName.replace(/\.[jt]s$/, '.d.ts'))
    if (fileName.startsWith('.')) reachedFrom(declarations, seen)
  }
}

await main(() => {
  const { exports } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'))
  const reached = new Set()
  for (const { types } of Object.values(exports)) if (types) reachedFrom(path.normalize(types), reached)
  for (const file of filesUnder('dist/lib'))
    if (file.endsWith('.d.ts') && !reached.has(file)) rmSync(inRoot(file))
})
