/** Every link of every page leads to something that is there, and every page can be found by links. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { decisions } from '../../docs/decisions/contents.js'
import { anchorsOf, linksOf, pages, slug, wrongWith } from '../../docs/links.js'

describe('the links of all pages', () => {
  it('lead to files and headings that are there', () => {
    const wrong = pages().flatMap((page) =>
      linksOf(page).flatMap((link) => {
        const words = wrongWith(link)
        return words === undefined ? [] : [`${page}:${link.line}: ${words}`]
      }),
    )
    expect(wrong.join('\n')).to.equal('')
  })

  it('lead from the README to every page', () => {
    const all = new Set(pages())
    const found = new Set(['README.md'])
    for (const page of found) for (const { target } of linksOf(page)) if (all.has(target)) found.add(target)
    expect([...all].filter((page) => !found.has(page))).to.deep.equal([])
  })

  it("lead to every decision from a list that 'npm run docs:write' writes", () => {
    expect(readFileSync('docs/decisions/README.md', 'utf8')).to.equal(decisions())
  })

  it('are found in text and HTML, and not in code', () => {
    const text =
      'A [b](c.md#d), `[no](n.md)`, <img src="./e.svg">\n\n```md\n[no](n.md)\n```\n[f](https://example.org) [g](#h)\n'
    expect(linksOf('x/a.md', text).map(({ line, target, anchor }) => [line, target, anchor])).to.deep.equal([
      [1, 'x/c.md', 'd'],
      [1, 'x/e.svg', ''],
      [6, 'x/a.md', 'h'],
    ])
    expect(
      wrongWith({ page: 'README.md', line: 1, text: '#q', target: 'README.md', anchor: 'q' }),
    ).to.include('no heading #q')
    expect(wrongWith({ page: 'README.md', line: 1, text: 'q.md', target: 'q.md', anchor: '' })).to.include(
      'no q.md',
    )
  })

  it('name headings as GitHub does', () => {
    expect(slug('`rate`, overhead & queue: 5 ms')).to.equal('rate-overhead--queue-5-ms')
    expect([...anchorsOf('# A `b`\n## A b\n```\n# no\n```\n')]).to.deep.equal(['a-b', 'a-b-1'])
  })
})
