// Draws the plots of docs/reference/impairments.md anew from a run on the virtual clock: `npm run plots [NAME...]`. The seed is
// fixed, so the same code draws the same files.

import { mkdir, writeFile } from 'node:fs/promises'
import { toSvg } from './chart.js'
import { plots } from './plots.js'

const folder = new URL('./', import.meta.url)
const asked = process.argv.slice(2)
const unknown = asked.find((name) => !Object.hasOwn(plots, name))
if (unknown !== undefined) {
  console.error(`no plot '${unknown}'; there are ${Object.keys(plots).join(', ')}`)
  process.exit(2)
}
await mkdir(folder, { recursive: true })
for (const [name, draw] of Object.entries(plots)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  await writeFile(new URL(`${name}.svg`, folder), toSvg(await draw()))
  console.log(`docs/plots/${name}.svg`)
}
