/**
 * The pages of reference/api/, from the docstrings of lib/: one for each class and interface, and README.md with all else. `npm run
 * docs:write` writes them, and a test says when they are stale. What they show and what must have a docstring is in typedoc.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * All pages, by their file names. Reads all of lib/ in a process of its own, which takes ten seconds of a processor.
 * @throws {Error} with typedoc's words, where a class, function or method has no docstring, or a link in one leads nowhere
 */
export function apiPages(): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'etherloom-api-'))
  try {
    const typedoc = join(import.meta.dirname, '../node_modules/typedoc/bin/typedoc')
    execFileSync(process.execPath, [typedoc, '--out', folder, '--logLevel', 'Warn'], { stdio: 'pipe' })
    return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
