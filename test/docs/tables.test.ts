/** The tables of options in docs/reference/ say what is declared, all of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { pagesWithTables } from '../../docs/tables.js'
import { declared, shapeOf } from '../../lib/values/options.js'
import { fabricKinds } from '../../lib/fabrics/index.js'
import { portKinds } from '../../lib/ports/index.js'
import { linkModels } from '../../lib/world/models/index.js'
import { movements } from '../../lib/world/movements/index.js'

const read = (file: string): string => readFileSync(`docs/reference/${file}`, 'utf8')

describe('the tables of options in docs/reference/', () => {
  it("are as 'npm run docs:write' writes them", () => {
    for (const [file, text] of pagesWithTables()) expect(read(file), file).to.equal(text)
  })

  it('have every key of every kind that topology files know', () => {
    const page = read('topology-files.md')
    const rows = (keys: object, before = ''): string[] =>
      Object.keys(keys).map((key) => `| \`${before}${key}\` |`)
    for (const { options, numbered } of portKinds)
      for (const row of [...rows(options), ...rows(numbered?.options ?? {}, 'wires.*.')])
        expect(page).to.include(row)
    for (const { key, options } of fabricKinds)
      for (const row of rows(options))
        expect(page, key).to.include(`With \`kind: ${key}\``).and.to.include(row)
    for (const { key, options } of linkModels)
      for (const row of rows(options, `model.${key}.`)) expect(page).to.include(row)
    for (const { options } of movements)
      for (const row of rows(options, 'movement.')) expect(page).to.include(row)
  })

  it('are of options that each refuse what is none of their values, by name', () => {
    const readByOthers = ['attach', 'cwd', 'env'] // of spawn
    for (const [owner, rules] of declared)
      for (const [option, rule] of Object.entries(rules))
        if (owner !== 'spawn' || !readByOthers.includes(option))
          expect(() => rule(Symbol.iterator, `option '${option}'`), `${option} of ${owner}`).to.throw(
            new RegExp(`${option}|match`),
          )
  })

  it('are there for every class, with what each of its options is for', () => {
    const pages = readdirSync('docs/reference')
      .filter((name) => name.endsWith('.md'))
      .map(read)
      .join('\n')
    for (const [owner, rules] of declared) {
      for (const [option, rule] of Object.entries(rules))
        expect(shapeOf(rule).description, `${option} of ${owner}`).to.match(/^[A-Z].*\.$/)
      if (/^[A-Z]\w+Port(\.pair)?$/.test(owner)) expect(pages).to.include(`<!-- options: ${owner} -->`)
    }
  })
})
