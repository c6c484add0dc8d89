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

  it('wait for many frames that are lost, and leave others their turn', async () => {
    const net = await make(0.5)
    let turns = 0
    const other = setInterval(() => turns++, 1)
    const sent = net.port('a').send(Array.from({ length: 1000 }, (_, number) => numberedFrame(number)))
    try {
      await assertLab.not.toArriveWithin(sent, '1s', net.port('b'))
    } finally {
      clearInterval(other)
    }
    expect(turns).to.be.greaterThan(0)
    const { length } = net.port('b').arrivals
    await expectThrown(
      assertLab.toArriveWithin(sent, '1s', net.port('b')),
      `${1000 - length} of 1000 did not reach 'b' (the last to come took 10ms)`,
    )
  })

  it('ask an arrival for each of equal frames', async () => {
    const net = await make(0)
    const first = net.port('a').send(numberedFrame(1))
    await assertLab.toArriveWithin(first, '10ms', net.port('b'))
    const both = net.port('a').send([numberedFrame(1), numberedFrame(1)])
    await assertLab.toArriveWithin(both, '10ms', net.port('b'))
    const lost = { ...first, frames: [numberedFrame(1), ...both.frames, ...both.frames] }
    await expectThrown(assertLab.toArriveWithin(lost, '1s', net.port('b')), "2 of 5 did not reach 'b'")
  })

  it('know no share of no frames, and no arrival of none', async () => {
    const net = await make(0.5)
    for (const loss of [{ from: '40%', to: '60%' }, { to: '3%' }] as const)
      for (const asserts of [assertLab, assertLab.not])
        expect(() => asserts.toLose(net, loss)).to.throw("no frame's fate is known yet")
    assertLab.toLose(net, 0)
    await expectThrown(
      assertLab.toArriveWithin(net.port('a').send([]), '1s', net.port('b')),
      "what 'toArriveWithin' is said of must be one frame or more",
    )
  })

  it('say when it was, and where it was asked', async () => {
    const net = await make(0)
    const sent = net.port('a').send(numberedFrame(1))
    const { stack } = await expectThrown(
      assertLab.toArriveWithin(sent, '9ms', net.port('b')),
      "expected 1 frame from 'a' to reach 'b' within 9ms, but 1 of 1 did not reach 'b'",
    )
    expect(stack).to.match(/^AssertionError.*\n +at .*testing_matchers\.test/)
    expect(() => assertLab.toHaveReached(net.port('b'))).to.throw(
      "but 0 others did by 9ms of the lab's clock",
    )
    net.advance('1s')
    await expectThrown(
      assertLab.toArriveWithin(sent, '9ms', net.port('b')),
      "1 of 1 did not reach 'b' (the last to come took 10ms)",
    )
  })

  it('are of frames; a port says what else it was given', async () => {
    const port = (await make(0)).port('a')
    expect(() => port.send('hello' as never)).to.throw(
      "what a port sends must be a Uint8Array or a list of them, not 'hello'",
    )
    expect(() => port.send([numberedFrame(1), 5] as never)).to.throw(
      'frame 1 of what a port sends must be a Uint8Array, not 5',
    )
  })
})

async function expectThrown(asserted: Promise<void>, words: string): Promise<Error> {
  const error = await asserted.then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  )
  expect(error?.message).to.include(words)
  return error as Error
}
