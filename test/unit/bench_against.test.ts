/** How two builds are compared, from rounds that were made up. */
import { expect } from 'chai'
import { againstToText, heldAgainst } from '../../bench/against.js'
import type { Case, Figure, Peer } from '../../bench/case.js'
import type { Report } from '../../bench/report.js'
import { medianInterval } from '../../bench/statistics.js'

const peer = (name: string): Peer => ({
  name,
  unavailable: () => Promise.resolve(undefined),
  start: () => Promise.reject(new Error('made up')),
})

function report(own: number[], other: number[], better: 'more' | 'less'): Report {
  const peers = [peer('this build'), peer('the other')] as const
  const [first, second]: [Figure, Figure] = [
    { name: 'speed', unit: 'frames/s', digits: 0, better },
    { name: 'beside', unit: 's', digits: 0 },
  ]
  const subject: Case = {
    name: 'a-case',
    what: 'what it compares',
    measure: { figures: [first, second], sample: () => Promise.reject(new Error('made up')) },
    peers,
    goals: [],
  }
  const results = [own, other].map((figures, index) => ({
    peer: peers[index] as Peer,
    missing: undefined,
    failure: undefined,
    runs: figures.map((figure) => ({ figures: [figure, 1], statement: undefined })),
  }))
  return {
    setup: { seconds: 1, machine: { load: 0 } as Report['setup']['machine'] },
    rounds: own.length,
    results: [{ case: subject, peers: results as unknown as Report['results'][0]['peers'] }],
    judged: true,
  }
}

describe('bench --against', () => {
  it('judges the median of the ratios within rounds, and refuses what is below 0.97', () => {
    expect(heldAgainst(report([97, 300, 97], [100, 300, 100], 'more'))).to.equal(true)
    expect(heldAgainst(report([96, 300, 96], [100, 300, 100], 'more'))).to.equal(false)
  })

  it('turns costs round: above 1 is better there, too', () => {
    expect(againstToText(report([50], [100], 'less'))).to.contain('2.000')
    expect(heldAgainst(report([104], [100], 'less'))).to.equal(false)
  })

  it('leaves out figures that do not say which way is better', () => {
    expect(againstToText(report([1], [1], 'more')))
      .to.contain('speed')
      .and.not.to.contain('beside')
  })

  it('gives the interval of the median by rank, as tables of the sign test have it', () => {
    const ranks = (count: number) => medianInterval(Array.from({ length: count }, (_, index) => index + 1))
    expect(ranks(6)).to.deep.equal({ low: 1, high: 6 })
    expect(ranks(9)).to.deep.equal({ low: 2, high: 8 })
    expect(ranks(15)).to.deep.equal({ low: 4, high: 12 })
    expect(ranks(25)).to.deep.equal({ low: 8, high: 18 })
    expect(ranks(3)).to.deep.equal({ low: 1, high: 3 })
  })
})
