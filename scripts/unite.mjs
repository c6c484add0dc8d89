// For binding.gyp: makes of each folder of sources one file that includes them all, and prints the names of those files:
// `node scripts/unite.mjs FOLDER...`, folders with native/ in front. What headers say is then read once a folder and not
// once a file, which is most of what compiling took (decision 0044).
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const united = 'build/united'

const written = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

mkdirSync(united, { recursive: true })
for (const folder of process.argv.slice(2)) {
  const sources = readdirSync(folder).filter((name) => name.endsWith('.cpp'))
  if (sources.length === 0) continue
  const within = path.relative('native', folder)
  const text = sources
    .sort()
    .map((name) => `#include "${path.join(within, name)}"\n`)
    .join('')
  const file = path.join(united, `${within.replaceAll('/', '_')}.cpp`)
  // Make goes by its time: it must not be newer than what it says.
  if (written(file) !== text) writeFileSync(file, text)
  console.log(file)
}
