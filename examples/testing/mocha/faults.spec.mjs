// npx mocha examples/testing/mocha/faults.spec.mjs
import { expect, use } from 'chai'
import { etherloomChai, lab, numberedFrame } from 'etherloom/testing'

use(etherloomChai)
const file = new URL('../network.yaml', import.meta.url).pathname

describe('a bad line', () => {
  it('delays by 10 ms, exactly', async () => {
    const net = await lab(file, { seed: 7 })
    await net.path('red', 'green').allow({ delay: '10ms' })
    const sent = net.port('red').send(numberedFrame(1))
    await expect(sent).toArriveWithin('10ms', net.port('green'))
    expect(net.port('green')).toHaveReached(numberedFrame(1))
  })

  it('loses a tenth, and each frame is accounted for', async () => {
    const net = await lab(file, { seed: 7 })
    net.port('red').send(Array.from({ length: 1000 }, (_, number) => numberedFrame(number)))
    net.advance('1s')
    expect(net.path('red', 'green')).toLose({ from: '8%', to: '12%' }, { reason: 'loss' })
    expect(net).toConserveFrames()
  })
})
