// NODE_OPTIONS=--experimental-vm-modules npx jest
import { etherloomMatchers, lab, numberedFrame } from 'etherloom/testing'

expect.extend(etherloomMatchers)
const file = new URL('../network.yaml', import.meta.url).pathname

test('a frame takes 10 ms, exactly', async () => {
  const net = await lab(file, { seed: 7 })
  await net.path('red', 'green').allow({ delay: '10ms' })
  const sent = net.port('red').send(numberedFrame(1))
  await expect(sent).toArriveWithin('10ms', net.port('green'))
  expect(net.port('green')).toHaveReached(numberedFrame(1))
})

test('a tenth of the frames is lost, and each is accounted for', async () => {
  const net = await lab(file, { seed: 7 })
  net.port('red').send(Array.from({ length: 1000 }, (_, number) => numberedFrame(number)))
  net.advance('1s')
  expect(net.path('red', 'green')).toLose({ from: '8%', to: '12%' }, { reason: 'loss' })
  expect(net).toConserveFrames()
})
