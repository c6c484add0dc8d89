/** The list of decisions: `npm run docs:write` writes it, and a test says when it is stale. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { titleOf } from '../links.js'

/** README.md of this folder. */
export function decisions(): string {
  const files = readdirSync(import.meta.dirname).filter((name) => /^\d+-.*\.md$/.test(name))
  const entries = files.sort().map((name) => {
    const title = titleOf(readFileSync(join(import.meta.dirname, name), 'utf8'))
    return `- [${title}](${name})\n`
  })
  return `# Decisions

Why it is built the way it is: each decision that shapes more than one file, with what spoke against it. Numbers that are missing
were decisions that no longer hold.

${entries.join('')}`
}
