/**
 * The pages from the docstrings of lib/, a folder for each entry of the package: a page for each class and interface, and README.md with
 * all else. `npm run docs:write` writes them, and a test says when they are stale. What they show and what must have a docstring is in
 * typedoc.json and docstrings.mjs.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** What users import, and the folder in docs/ that has its pages. */
export const entries = [
  { name: 'etherloom', source: 'lib/index.ts', folder: 'reference/api' },
  { name: 'etherloom/testing', source: 'lib/testing/index.ts', folder: 'reference/api-testing' },
] as const

/**
 * All pages of an entry, by their file names. Reads all of lib/ in a process of its own, which takes ten seconds of a processor.
 * @throws {Error} with typedoc's words, where something exported has no docstring, or a link in one leads nowhere
 */
export async function apiPages({ name, source }: (typeof entries)[number]): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'etherloom-api-'))
  try {
    const typedoc = join(import.meta.dirname, '../node_modules/typedoc/bin/typedoc')
    const words = ['--entryPoints', source, '--name', `API of ${name}`, '--out', folder, '--logLevel', 'Warn']
    await promisify(execFile)(process.execPath, [typedoc, ...words])
    return new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
