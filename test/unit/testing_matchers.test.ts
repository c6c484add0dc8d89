import { expect } from 'chai'
import { assertLab, lab, numberedFrame } from '../../lib/testing/index.js'
import { closing } from '../helpers/fabric.js'

describe('Matchers', () => {
  const closes = closing()
  const make = async (loss: number) =>
    closes(
      await lab(
        {
          fabrics: {
            w: {
              kind: 'wire',
              ports: { a: { memory: {} }, b: { memory: {} } },
              paths: [{ from: 'a', to: 'b', delay: '10ms', loss }],
            },
          },
        },
        { test: false, seed: 1 },
      ),
    )

  it('hold at the exact instant, and not a nanosecond before', async () => {
    const net = await make(0)
    await assertLab.toArriveWithin(net.port('a').send(numberedFrame(1)), '10ms', net.port('b'))
    await assertLab.not.toArriveWithin(net.port('a').send(numberedFrame(2)), '9999999ns', net.port('b'))
    assertLab.not.toHaveReached(net.port('b'), numberedFrame(2))
  })

  it('say what was lost, and why', async () => {
    const net = await make(1)
    net.port('a').send([numberedFrame(1), numberedFrame(2)])
    net.advance('1s')
    assertLab.toConserveFrames(net)
    assertLab.toLose(net.path('a', 'b'), 2, { reason: 'loss' })
    assertLab.toLose(net, { from: '100%' })
    expect(() => assertLab.toLose(net, 1)).to.throw(
      "expected 1 frames to be lost, but 2 of 2 were: 2 by 'loss'",
    )
  })
})
