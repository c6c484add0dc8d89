// For binding.gyp: makes of each folder of sources one file that includes them all, and prints the names of these files:
// `node scripts/unite.mjs PATH... [-FILE...]`. What headers say is then read once a folder and not once a file, which is
// most of what compiling took (decision 0044). A path can also be a file, for itself; one with - in front is left out.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const united = 'build/united'

/** Make goes by a file's time, so one that says the same already is not touched. */
function write(file, text) {
  try {
    if (readFileSync(file, 'utf8') === text) return
  } catch {
    mkdirSync(path.dirname(file), { recursive: true })
  }
  writeFileSync(file, text)
}

const given = process.argv.slice(2)
const leftOut = given.filter((word) => word.startsWith('-')).map((word) => word.slice(1))

for (const place of given.filter((word) => !word.startsWith('-'))) {
  if (place.endsWith('.cpp')) {
    console.log(place)
    continue
  }
  const sources = readdirSync(place)
    .map((name) => path.join(place, name))
    .filter((name) => name.endsWith('.cpp') && !leftOut.includes(name))
  if (sources.length === 0) continue
  const file = path.join(united, `${path.relative('native', place).replaceAll('/', '_')}.cpp`)
  const lines = sources.sort().map((name) => `#include "${path.relative('native', name)}"\n`)
  write(file, lines.join(''))
  console.log(file)
}
