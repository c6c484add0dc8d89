/**
 * Where the pages of the repository lead: a page is a Markdown file, README and all. Called by the test that finds links that lead
 * nowhere, and by the site.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')

/** Where pages are; what packages bring along is none of ours. */
const places = ['.', 'bench', 'docs', 'examples', 'test']

/** A link as it stands in a page. `target` is the file it means, from the root of the repository; `anchor` is without `#`. */
export interface Link {
  readonly page: string
  readonly line: number
  readonly text: string
  readonly target: string
  readonly anchor: string
}

/** The pages, by their places in the repository. */
export function pages(): string[] {
  const under = (folder: string): string[] =>
    readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const name = path.join(folder, entry.name)
      if (entry.isDirectory()) return folder === '.' || ['node_modules', 'dist'].includes(entry.name) ? [] : under(name)
      return entry.name.endsWith('.md') ? [name] : []
    })
  return places.filter((folder) => existsSync(path.join(root, folder))).flatMap(under)
}

/** The links of a page to other places of the repository, of Markdown and of HTML, pictures too. Code has none. */
export function linksOf(page: string, text = read(page)): Link[] {
  const lines = withoutCode(text).split('\n')
  return lines.flatMap((line, index) =>
    [...line.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)|(?:href|src|srcset)="([^"]+)"/g)].flatMap((match) => {
      const to = match[1] ?? match[2] ?? ''
      if (/^[a-z][a-z0-9+.-]*:/.test(to)) return []
      const [file = '', anchor = ''] = decodeURI(to).split('#', 2)
      const target = file === '' ? page : path.join(path.dirname(page), file)
      return [{ page, line: index + 1, text: to, target: target.replace(/\/$/, ''), anchor }]
    }),
  )
}

/** What is wrong with a link, in words; nothing where it leads somewhere. */
export function wrongWith({ target, anchor, text }: Link): string | undefined {
  const file = path.join(root, target)
  if (target.startsWith('..')) return `${text} leads out of the repository`
  if (!existsSync(file)) return `${text}: there is no ${target}`
  if (statSync(file).isDirectory()) return `${text} is a folder; say which page`
  if (anchor === '' || !target.endsWith('.md')) return undefined
  return anchorsOf(read(target)).has(anchor) ? undefined : `${text}: ${target} has no heading #${anchor}`
}

/** The files that pages link to and that are no pages. */
export function linkedFiles(): string[] {
  const files = pages().flatMap((page) => linksOf(page).map(({ target }) => target))
  return [...new Set(files)].filter((file) => !file.endsWith('.md') && existsSync(path.join(root, file))).sort()
}

/** The anchors of a page: its headings, of which equal ones are numbered, and what HTML names. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  const plain = withoutCode(text, false)
  for (const [, heading = ''] of plain.matchAll(/^ {0,3}#{1,6} +(.*?)[ #]*$/gm)) {
    const name = slug(textOf(heading))
    let anchor = name
    for (let number = 1; anchors.has(anchor); number++) anchor = `${name}-${number}`
    anchors.add(anchor)
  }
  for (const [, id = ''] of plain.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id)
  return anchors
}

/** The anchor of a heading, as GitHub makes it: lower case, spaces as hyphens, no punctuation. */
export const slug = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')

/** The first heading of a page, as plain text. */
export const titleOf = (text: string): string => textOf(/^# +(.*)$/m.exec(text)?.[1] ?? '')

const read = (page: string): string => readFileSync(path.join(root, page), 'utf8')

/** A heading without its marks. */
const textOf = (heading: string): string =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\\(.)/g, '$1')
    .replaceAll(/[`*]/g, '')

/** The same lines, those of code blocks empty, and, unless they are wanted, without what stands between backticks. */
function withoutCode(text: string, inline = true): string {
  const blocks = text.replace(/^( *)(```+|~~~+)[^\n]*\n[^]*?\n\1\2 *$/gm, (block) => block.replace(/[^\n]+/g, ''))
  return inline ? blocks.replace(/(`+)(?!`)[^\n]*?[^`]\1(?!`)/g, '') : blocks
}
