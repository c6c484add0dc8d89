// node --test examples/testing/node-test/
import assert from 'node:assert'
import test from 'node:test'
import { assertLab, buildFrame, lab, numberedFrame } from 'etherloom/testing'

const file = new URL('../network.yaml', import.meta.url).pathname

test('a frame takes 10 ms, exactly', async () => {
  const net = await lab(file, { seed: 7 })
  await net.path('red', 'green').allow({ delay: '10ms' })
  const frame = buildFrame({
    ipv4: { from: '10.0.0.1', to: '10.0.0.2' },
    udp: { from: 5000, to: 7 },
    payload: 'hello',
  })
  const sent = net.port('red').send(frame)
  await assertLab.toArriveWithin(sent, '10ms', net.port('green'))
  assert.equal(net.port('green').arrivals[0].at - sent.at, 10_000_000n)
})

test('a tenth of the frames is lost, and each is accounted for', async () => {
  const net = await lab(file, { seed: 7 })
  net.port('red').send(Array.from({ length: 1000 }, (_, number) => numberedFrame(number)))
  net.advance('1s')
  assertLab.toLose(net.path('red', 'green'), { from: '8%', to: '12%' }, { reason: 'loss' })
  assertLab.toConserveFrames(net)
})
