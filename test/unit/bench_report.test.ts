/** What the benchmark concludes and prints, from rounds that were made up. */
import { expect } from 'chai'
import type { Case, Peer } from '../../bench/case.js'
import { succeeded, toJson, toMarkdown, toText, type Report } from '../../bench/report.js'

const peer = (name: string): Peer => ({
  name,
  unavailable: () => Promise.resolve(undefined),
  start: () => Promise.reject(new Error('made up')),
})

/** Rounds of (frames per second, megabytes). */
function report(
  own: [number, number][],
  other: [number, number][] | { missing: string } | { failure: string },
  goals: Case['goals'],
): Report {
  const peers = [peer('ours'), peer('theirs')] as const
  const runs = (rounds: [number, number][]) => rounds.map((figures) => ({ figures, statement: undefined }))
  const subject: Case = {
    name: 'a-case',
    what: 'what it compares',
    measure: {
      figures: [
        { name: 'forwarded', unit: 'frames/s', digits: 0 },
        { name: 'resident', unit: 'MB', digits: 0 },
      ],
      sample: () => Promise.reject(new Error('made up')),
      doubt: ([, resident = NaN]) => (resident > 1000 ? 'it swapped' : undefined),
    },
    peers,
    goals,
  }
  const theirs = Array.isArray(other) ? { runs: runs(other) } : { runs: [], ...other }
  return {
    setup: {
      seconds: 1,
      machine: {
        processor: 'Made Up 3000',
        cores: 2,
        virtual: false,
        memoryGiB: 4,
        kernel: '6.1',
        node: '20',
        compiler: 'gcc',
        load: 0,
        generatorCore: 1,
        forwarderCore: 0,
        caveat: undefined,
      },
    },
    rounds: own.length,
    results: [
      {
        case: subject,
        peers: [
          { peer: peers[0], missing: undefined, failure: undefined, runs: runs(own) },
          { peer: peers[1], missing: undefined, failure: undefined, ...theirs },
        ],
      },
    ],
    judged: true,
  }
}

const rounds: [number, number][] = [
  [300, 50],
  [100, 50],
  [200, 50],
]
const halves: [number, number][] = rounds.map(([forwarded, resident]) => [forwarded / 2, resident])

describe('bench report', () => {
  it('judges the median of the ratios within rounds', () => {
    const result = (atLeast: number) => succeeded(report(rounds, halves, [{ ratioTo: 'theirs', atLeast }]))
    expect(result(2)).to.equal(true)
    expect(result(2.01)).to.equal(false)
  })

  it('judges upper bounds, and ratios of another figure', () => {
    expect(succeeded(report(rounds, halves, [{ figure: 'resident', atMost: 50 }]))).to.equal(true)
    expect(succeeded(report(rounds, halves, [{ figure: 'resident', atMost: 49 }]))).to.equal(false)
    const beside = { ratioTo: 'theirs', figure: 'resident' }
    expect(succeeded(report(rounds, halves, [{ ...beside, atMost: 1 }]))).to.equal(true)
    expect(succeeded(report(rounds, halves, [{ ...beside, atMost: 0.9 }]))).to.equal(false)
  })

  it('does not meet a goal beside a peer that is not there, and names it', () => {
    const without = report(rounds, { missing: 'not installed' }, [{ ratioTo: 'theirs', atLeast: 1 }])
    expect(succeeded(without)).to.equal(false)
    expect(toText(without)).to.contain('skipped (not installed): theirs')
    expect(succeeded({ ...without, judged: false })).to.equal(true)
  })

  it('fails where a run failed, although nothing is judged', () => {
    const failed = report(rounds, { failure: 'it crashed' }, [])
    expect(succeeded({ ...failed, judged: false })).to.equal(false)
    expect(toText(failed)).to.contain('FAILED (it crashed): theirs')
  })

  it('names what is to be doubted', () => {
    const swapped: [number, number][] = [[100, 2000]]
    expect(toText(report(swapped, swapped, []))).to.contain('in doubt (it swapped): ours; theirs')
  })

  it('refuses a goal that nobody measures', () => {
    const aimless = report(rounds, halves, [{ figure: 'beauty', atLeast: 1 }])
    expect(() => succeeded(aimless)).to.throw('beauty')
    expect(() => succeeded(report(rounds, halves, [{ ratioTo: 'nobody', atLeast: 1 }]))).to.throw('nobody')
  })

  it('has a row for each peer in one table, as Markdown', () => {
    const lines = toMarkdown(report(rounds, halves, [{ ratioTo: 'theirs', atLeast: 3 }])).split('\n')
    const cells = lines.filter((line) => line.startsWith('|')).map((line) => line.split('|').length)
    expect(cells).to.have.length(4) // head, rule, two peers
    expect(new Set(cells)).to.have.property('size', 1)
    expect(lines[3]).to.match(/theirs.*\| 100 \| 50 \| 150 \|.*\| 2.00 \| 2.00 \| 2.00 \| ≥ 3 \| NO \|/)
  })

  it('keeps every round in JSON', () => {
    const { cases } = JSON.parse(toJson(report(rounds, halves, []))) as {
      cases: { peers: { name: string; runs: { figures: number[] }[] }[] }[]
    }
    expect(cases[0]?.peers[1]?.runs.map(({ figures }) => figures[0])).to.deep.equal([150, 50, 100])
  })
})
