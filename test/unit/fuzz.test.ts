/** The fuzz targets of test/fuzz/: what they begin with and what was found once is taken as it should be, and a slip is found. */
import { expect } from 'chai'
import { stored, targetNamed, targetNames } from '../fuzz/corpus.js'
import { fuzz, tryInput } from '../fuzz/fuzzer.js'
import { Wrong, type Target } from '../fuzz/target.js'

describe('the fuzz target', function () {
  this.timeout(60_000)

  for (const name of targetNames)
    it(`${name} takes what is stored`, async () => {
      const target = await targetNamed(name)
      const inputs = [...stored(name).inputs, ...target.seeds.map((each) => Buffer.from(each))]
      expect(inputs).to.have.length.above(1)
      try {
        for (const input of inputs)
          expect(await tryInput(target, input), JSON.stringify(input.toString())).to.equal(undefined)
      } finally {
        await target.close?.()
      }
    })

  it('finds a slip behind words that must come first, and makes the input small', async () => {
    const toy: Target = {
      words: ['open', 'sesame', 'close'],
      seeds: ['nothing yet, and some more of that'],
      read: (input) => {
        const text = input.toString()
        if (text.includes('sesame') && text.includes('open')) throw new Wrong('the door is open')
      },
    }
    let left = 20_000
    const { found } = await fuzz(toy, [], { seed: 1, until: () => left-- <= 0, before: () => undefined })
    expect(found?.problem).to.contain('the door is open')
    expect(found?.input.toString()).to.match(/^(opensesame|sesameopen)$/)
  })
})
