/** Writes the pages of this folder: `npm run docs:control`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pages } from './pages.js'

for (const [file, text] of pages()) writeFileSync(join(import.meta.dirname, file), text)
