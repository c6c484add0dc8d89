/** Writes the pages and tables that follow from declarations: `npm run docs:write`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pages } from './reference/control/pages.js'
import { pagesWithTables } from './tables.js'

const write = (folder: string, files: Map<string, string>): void => {
  for (const [file, text] of files) writeFileSync(join(import.meta.dirname, folder, file), text)
}

write('reference/control', pages())
write('reference', pagesWithTables())
