/** The soak's own parts: that programs are those of their seeds, that sums which are off are found, and the shrinker. */
import { expect } from 'chai'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FabricStats, PathStats } from '../../lib/index.js'
import { counted } from '../../lib/values/counter.js'
import { noPathStats, readPortStats } from '../../lib/values/stats.js'
import { bounds, faultsWhenQuiet, growth, imbalances, shrunkCounters, type Sample } from '../soak/checks.js'
import { generate } from '../soak/generate.js'
import { Interpreter } from '../soak/interpret.js'
import { shrink } from '../soak/shrink.js'

/** A fabric with one path and one port, to which it leads. */
function snapshot(path: Partial<PathStats>, transmitted: bigint): FabricStats {
  const none = noPathStats()
  const port = readPortStats(new BigUint64Array(0))
  const account = { ...none, offered: 10n, delivered: 7n, dropped: { ...none.dropped, loss: 3n }, ...path }
  return counted({
    ports: { b: { ...port, transmitted: { ...port.transmitted, frames: transmitted } } },
    paths: [{ from: 'a', to: 'b', allowed: true, ...account }],
  })
}

describe('The soak', () => {
  it('writes the same program for the same seed, and another for another', () => {
    const wishes = { clock: 'real', taps: true } as const
    expect(generate(7, wishes)).to.deep.equal(generate(7, wishes))
    expect(generate(7, wishes)).to.not.deep.equal(generate(8, wishes))
    expect(JSON.parse(JSON.stringify(generate(7, wishes)))).to.deep.equal(generate(7, wishes))
  })

  it('finds nothing in sums that are whole', () => {
    expect(imbalances(snapshot({}, 7n))).to.deep.equal([])
    expect(faultsWhenQuiet(snapshot({}, 7n), false)).to.deep.equal([])
    expect(faultsWhenQuiet(snapshot({}, 9n), true), 'a port has left').to.deep.equal([])
  })

  for (const counter of ['offered', 'duplicated', 'delivered', 'waiting', 'inFlight'] as const)
    it(`finds a path whose '${counter}' is off by one`, () => {
      const off = snapshot({}, 7n)
      off.paths[0]![counter] += 1n
      expect(imbalances(off)).to.have.length(1)
      expect(imbalances(off)[0]).to.match(/^a > b: offered/)
    })

  it('finds a drop that is not counted, one frame too many that was transmitted, and frames that never arrive', () => {
    const off = snapshot({}, 7n)
    off.paths[0]!.dropped.loss -= 1n
    expect(imbalances(off)).to.have.length(1)
    expect(faultsWhenQuiet(snapshot({}, 8n), false)).to.deep.equal([
      'the ports transmitted 8 frames, and their paths delivered 7',
    ])
    expect(faultsWhenQuiet(snapshot({ delivered: 6n, inFlight: 1n }, 6n), false)).to.deep.equal([
      '1 frames wait or are under way for ever',
    ])
  })

  it('finds a counter that falls', () => {
    expect(shrunkCounters(snapshot({}, 7n), snapshot({ offered: 9n, delivered: 7n }, 7n))).to.deep.equal([
      'a > b: offered fell from 10 to 9',
    ])
  })

  it('judges growth by medians of thirds, behind the warm-up', () => {
    const samples = (rss: (round: number) => number): Sample[] =>
      Array.from({ length: 100 }, (_, round) => ({ rss: rss(round), descriptors: 20, threads: 10 }))
    expect(growth(samples(() => 1e8).slice(0, 20)), 'too few').to.equal(undefined)
    expect(growth(samples((round) => (round < 20 ? 0 : 1e8)))).to.deep.equal([])
    expect(growth(samples((round) => (round % 30 === 0 ? 1e9 : 1e8)))).to.deep.equal([])
    const grown = growth(samples((round) => round * (bounds.rss / 40)))
    expect(grown).to.have.length(1)
    expect(grown?.[0]).to.match(/^rss grew from/)
  })

  it('shrinks a list to what fails, in its order', async () => {
    let asked = 0
    const list = Array.from({ length: 64 }, (_, index) => index)
    const fails = (shorter: readonly number[]) => {
      asked++
      return Promise.resolve(shorter.includes(50) && shorter.includes(3))
    }
    expect(await shrink(list, fails)).to.deep.equal([3, 50])
    expect(asked).to.be.below(80)
    expect(await shrink(list, () => Promise.resolve(false))).to.deep.equal(list)
    expect(await shrink(list, () => Promise.resolve(true))).to.deep.equal([])
    const none = await shrink(list, fails, () => true)
    expect(none, 'when there is no time').to.deep.equal(list)
  })

  it('runs any part of a program, and tells what was refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-soak-test-'))
    try {
      const program = generate(3, { clock: 'virtual', taps: false, workers: 1 })
      for (const part of [
        program.steps,
        program.steps.slice(10),
        program.steps.filter((_, at) => at % 2 === 0),
      ])
        expect((await new Interpreter({ ...program, steps: part }, folder).run()).failure).to.equal(undefined)
      const wrong = new Interpreter(
        {
          clock: 'virtual',
          engines: [{}],
          seed: 1,
          steps: [
            { do: 'fabric', kind: 'hub', name: 'hub', engine: 0, forwarding: 'allow' },
            { do: 'sink', end: { fabric: 'hub', port: 'a' }, options: { vlan: { access: 10 } } },
          ],
        },
        folder,
      )
      const outcome = await wrong.run()
      expect(outcome.failure).to.match(/^step 'sink' failed: EtherloomError: .*vlan/)
      expect(readdirSync(folder)).to.deep.equal([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
