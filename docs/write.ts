/** Writes the pages and tables that follow from declarations: `npm run docs:write`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiPages } from './api.js'
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

const api = apiPages()
write('reference/api', api)
for (const file of readdirSync(inDocs('reference/api'))) if (!api.has(file)) rmSync(inDocs('reference/api', file))
