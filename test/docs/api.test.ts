/** The pages from docstrings say what those say, and whatever is exported has one. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { apiPages, entries } from '../../docs/api.js'

describe('the pages of classes and interfaces', () => {
  for (const entry of entries)
    it(`of ${entry.name} are as 'npm run docs:write' writes them, and miss no docstring`, async function () {
      this.timeout('2m') // all of lib/ is read and its types are found out
      const pages = await apiPages(entry)
      const folder = `docs/${entry.folder}`
      expect(readdirSync(folder)).to.have.members([...pages.keys()])
      for (const [file, text] of pages) expect(readFileSync(`${folder}/${file}`, 'utf8'), file).to.equal(text)
    })
})
