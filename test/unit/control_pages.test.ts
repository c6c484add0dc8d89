/** docs/reference/control/ says what the methods are declared to be. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { pages } from '../../docs/reference/control/pages.js'

describe('the pages of the control methods', () => {
  it("are as 'npm run docs:write' writes them", () => {
    for (const [file, text] of pages())
      expect(readFileSync(`docs/reference/control/${file}`, 'utf8'), file).to.equal(text)
    const there = readdirSync('docs/reference/control').filter((file) => file.endsWith('.md'))
    expect(there).to.have.members([...pages().keys()])
  })
})
