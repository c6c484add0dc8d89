// The site of all pages: `npm run docs`. The pages lie where they are read in the repository; this says how they are arranged.
// A link leads where it leads there: README.md of a folder is its first page, and files that are no pages go along.
import { cpSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { defineConfig } from 'vitepress'
import { linkedFiles, slug, titleOf } from '../../links.ts'

const root = path.resolve(import.meta.dirname, '../../..')

const first = (link) => link.replace(/(^|\/)README\.md(?=$|#)/, '$1index.md')

const entry = (file) => ({ text: titleOf(readFileSync(path.join(root, file), 'utf8')), link: `/${first(file)}` })

/** The pages of a folder, by their titles; its first page is where the heading leads. */
function group(text, folder, { collapsed = false, order = (a, b) => a.text.localeCompare(b.text, 'en') } = {}) {
  const names = readdirSync(path.join(root, folder)).filter((name) => name.endsWith('.md'))
  const items = names.filter((name) => name !== 'README.md').map((name) => entry(`${folder}/${name}`))
  const link = names.includes('README.md') && `/${folder}/index.md`
  return { text, items: items.sort(order), collapsed, ...(link && { link }) }
}

const byNumber = (a, b) => (a.link < b.link ? -1 : 1)

export default defineConfig({
  title: 'etherloom',
  description: 'Userspace Ethernet for Linux',
  lang: 'en',
  srcDir: root,
  srcExclude: ['build/**', 'test/**', 'node_modules/**', 'prebuilds/**', 'coverage/**'],
  outDir: 'dist',
  cacheDir: 'dist/.cache',
  rewrites: (page) => first(page),
  markdown: {
    anchor: { slugify: slug },
    config(markdown) {
      // Pages are no templates: {{ }} is what it looks like.
      for (const kind of ['text', 'code_inline']) {
        const render = markdown.renderer.rules[kind]
        markdown.renderer.rules[kind] = (...given) => render(...given).replaceAll('{{', '&#123;&#123;')
      }
      markdown.core.ruler.push('first pages', ({ tokens }) => {
        for (const { children } of tokens)
          for (const token of children ?? [])
            if (token.type === 'link_open') token.attrSet('href', first(token.attrGet('href')))
      })
    },
  },
  buildEnd({ outDir }) {
    for (const file of linkedFiles()) cpSync(path.join(root, file), path.join(outDir, file))
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guides', link: '/docs/index.md' },
      { text: 'Classes', link: '/docs/reference/api/index.md' },
      { text: 'Changes', link: '/CHANGELOG.md' },
    ],
    sidebar: [
      { text: 'Beginning', items: [{ text: 'etherloom', link: '/index.md' }, entry('docs/README.md')] },
      group('Guides', 'docs/guides'),
      group('Reference', 'docs/reference'),
      group('Control methods', 'docs/reference/control', { collapsed: true }),
      group('Classes and interfaces', 'docs/reference/api', { collapsed: true }),
      group('Those of etherloom/testing', 'docs/reference/api-testing', { collapsed: true }),
      {
        text: 'The project',
        items: ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/README.md'].map(entry),
      },
      group('Decisions', 'docs/decisions', { collapsed: true, order: byNumber }),
    ],
  },
})
