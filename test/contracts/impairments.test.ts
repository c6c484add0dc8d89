/** What every impairment whose option is one probability does, whichever it is. A new one needs a line in `effects`. */
import { expect } from 'chai'
import { Engine, Hub, type PathStats, type PolicyOptions } from '../../lib/index.js'
import { closing, expectBalance, join, take, type Delivered } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, numbered } from '../helpers/frames.js'

type Name = 'duplicate' | 'loss' | 'corrupt'

/** The tags of the frames that an impairment has touched, seen from outside; and what it counts for each. */
const effects: Record<
  Name,
  { touched: (frames: Delivered[]) => number[]; counted: (path: PathStats) => bigint }
> = {
  duplicate: {
    touched: (frames) => frames.flatMap(({ tag }, at) => (frames[at + 1]?.tag === tag ? [tag] : [])),
    counted: (path) => path.duplicated,
  },
  loss: {
    touched: (frames) => {
      const seen = new Set(frames.map(({ tag }) => tag))
      return Array.from({ length: count }, (_, tag) => tag).filter((tag) => !seen.has(tag))
    },
    counted: (path) => path.dropped.loss,
  },
  corrupt: {
    // The tag may be what was hit: frames come in order, so their place tells them.
    touched: (frames) =>
      frames.flatMap(({ bytes }, place) =>
        Buffer.compare(bytes, frame({ tag: place })) === 0 ? [] : [place],
      ),
    counted: () => 0n,
  },
}
const count = 2000

for (const name of Object.keys(effects) as Name[]) {
  describe(`${name}: the contract of every impairment`, () => {
    const closes = closing()
    const run = async (policy: PolicyOptions) => {
      const engine = closes(new Engine({ clock: 'virtual', seed: 11 }))
      const hub = new Hub({ engine, name: 'hub' })
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow(policy)
      a.send(numbered(count))
      engine.advance('1s')
      const stats = hub.path(a, b).stats()
      expectBalance(stats, name)
      return { touched: effects[name].touched(take(b)), stats }
    }

    it('never happens at 0', async () => {
      const { touched, stats } = await run({ [name]: 0 })
      expect(touched).to.deep.equal([])
      expect(effects[name].counted(stats)).to.equal(0n)
    })

    it('always happens at 1', async () => {
      expect((await run({ [name]: 1 })).touched).to.deep.equal(Array.from({ length: count }, (_, tag) => tag))
    })

    it('happens as often as asked for, and is counted', async () => {
      const { touched, stats } = await run({ [name]: 0.3 })
      // 2000 draws at 0.3: 600 ± 20.5, four standard deviations.
      expect(touched.length).to.be.within(518, 682)
      if (name !== 'corrupt') expect(effects[name].counted(stats)).to.equal(BigInt(touched.length))
    })

    it('hits the same frames for the same seed, and others for another', async () => {
      const { touched } = await run({ [name]: 0.3, seed: 1 })
      expect((await run({ [name]: 0.3, seed: 1 })).touched).to.deep.equal(touched)
      expect((await run({ [name]: 0.3, seed: 2 })).touched).to.not.deep.equal(touched)
    })

    it('has a stream of its own: jitter, reordering and a rate beside it change nothing', async () => {
      const { touched } = await run({ [name]: 0.3 })
      const beside = await run({
        [name]: 0.3,
        delay: '1ms',
        jitter: '1ms',
        rate: '1Gbit',
        queue: '10000frames',
      })
      expect(beside.touched).to.deep.equal(touched)
    })

    it('is refused outside 0 to 1, and with what is no number', async () => {
      for (const wrong of [-0.001, 1.001, NaN, Infinity, -Infinity, '0.5', '150%', true, null, [0.5], 1n]) {
        const error = await refusal(run({ [name]: wrong }))
        expect(error.code, String(wrong)).to.equal('ERR_ETHERLOOM_OPTION')
        expect(error.message).to.contain(`option '${name}' of path policy must be a probability from 0 to 1`)
      }
    })
  })
}

describe('Impairments together', () => {
  const closes = closing()

  it('do not shift each other: what one hits does not depend on which others there are', async () => {
    const run = async (policy: PolicyOptions) => {
      const engine = closes(new Engine({ clock: 'virtual', seed: 3 }))
      const hub = new Hub({ engine, name: 'hub' })
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow(policy)
      a.send(numbered(count))
      engine.advance('0s')
      return take(b)
    }
    const lost = effects.loss.touched(await run({ loss: 0.2 }))
    const doubled = effects.duplicate.touched(await run({ duplicate: 0.2 }))
    const both = await run({ loss: 0.2, duplicate: 0.2 })
    expect(effects.loss.touched(both)).to.deep.equal(lost)
    expect(effects.duplicate.touched(both), 'a lost frame loses all its copies').to.deep.equal(
      doubled.filter((tag) => !lost.includes(tag)),
    )
  })
})
