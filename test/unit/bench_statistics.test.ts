/** The arithmetic of the benchmark: summaries, and ratios within rounds. */
import { expect } from 'chai'
import { ratios, summarise } from '../../bench/statistics.js'

describe('bench statistics', () => {
  it('summarises by the middle value, whatever the order', () => {
    expect(summarise([5, 1, 100])).to.deep.equal({ median: 5, min: 1, max: 100 })
  })

  it('takes the mean of the two middle values of an even number', () => {
    expect(summarise([4, 1, 2, 100])).to.deep.equal({ median: 3, min: 1, max: 100 })
  })

  it('orders numbers as numbers', () => {
    expect(summarise([10, 9, 100])).to.deep.equal({ median: 10, min: 9, max: 100 })
  })

  it('has nothing to say about nothing', () => {
    expect(summarise([])).to.deep.equal({ median: NaN, min: NaN, max: NaN })
  })

  it('leaves the values as they are', () => {
    const values = [3, 1, 2]
    summarise(values)
    expect(values).to.deep.equal([3, 1, 2])
  })

  it('divides within a round, so that a slow round slows both', () => {
    const [fast, slow] = [1, 0.1]
    expect(ratios([20 * fast, 20 * slow], [10 * fast, 10 * slow])).to.deep.equal([2, 2])
  })

  it('knows no ratio for a round that the other has not', () => {
    expect(ratios([1, 2], [2])).to.deep.equal([0.5, NaN])
  })
})
