/** docs/reference/api/ says what the docstrings say. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { apiPages } from '../../docs/api.js'

describe('the pages of classes and interfaces', () => {
  it("are as 'npm run docs:write' writes them", function () {
    this.timeout('2m') // all of lib/ is read and its types are found out
    const pages = apiPages()
    expect(readdirSync('docs/reference/api')).to.have.members([...pages.keys()])
    for (const [file, text] of pages)
      expect(readFileSync(`docs/reference/api/${file}`, 'utf8'), file).to.equal(text)
  })
})
