/** Writes the pages and tables that follow from declarations: `npm run docs:write`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiPages, entries } from './api.js'
import { decisions } from './decisions/contents.js'
import { pages } from './reference/control/pages.js'
import { pagesWithTables } from './tables.js'

const inDocs = (...parts: string[]): string => join(import.meta.dirname, ...parts)

const write = (folder: string, files: Map<string, string>): void => {
  mkdirSync(inDocs(folder), { recursive: true })
  for (const [file, text] of files) writeFileSync(inDocs(folder, file), text)
}

write('reference/control', pages())
write('reference', pagesWithTables())
write('decisions', new Map([['README.md', decisions()]]))

for (const entry of entries) {
  const { folder } = entry
  const made = await apiPages(entry)
  write(folder, made)
  for (const file of readdirSync(inDocs(folder))) if (!made.has(file)) rmSync(inDocs(folder, file))
}
