// Draws the pictures of these pages anew: `npm run plots [-- NAME...]`. Those of impairments come from runs on the virtual clock with a
// fixed seed, and journey from a list, so the same code draws the same files. `up` is of a real run and drawn when it is named.

import { mkdir, writeFile } from 'node:fs/promises'
import { toSvg } from './chart.js'
import { journey } from './journey.js'
import { plots } from './plots.js'
import { drawUp } from './up.js'

/** Each as SVG, by its name. */
const pictures: Record<string, () => string | Promise<string>> = {
  ...Object.fromEntries(Object.entries(plots).map(([name, draw]) => [name, async () => toSvg(await draw())])),
  journey,
  up: drawUp,
}

const folder = new URL('./', import.meta.url)
const asked = process.argv.slice(2)
const unknown = asked.find((name) => !Object.hasOwn(pictures, name))
if (unknown !== undefined) {
  console.error(`no plot '${unknown}'; there are ${Object.keys(pictures).join(', ')}`)
  process.exit(2)
}
await mkdir(folder, { recursive: true })
for (const [name, draw] of Object.entries(pictures)) {
  if (asked.length > 0 ? !asked.includes(name) : name === 'up') continue
  await writeFile(new URL(`${name}.svg`, folder), await draw())
  console.log(`docs/plots/${name}.svg`)
}
