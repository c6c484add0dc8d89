// What a failing test leaves, in every runner alike: run by runners.test.ts.
import { lab, numberedFrame } from 'etherloom/testing'

const own = process.env.VITEST ? 'vitest' : globalThis.describe ? undefined : 'node:test'
const api = own ? await import(own) : globalThis
const { describe, it } = api
const [before, after] = [api.before ?? api.beforeAll, api.after ?? api.afterAll]
const topology = {
  fabrics: {
    lab: {
      kind: 'hub',
      ports: { a: { memory: {} }, b: { memory: {} } },
      paths: [{ from: 'a', to: 'b', loss: '50%' }],
    },
  },
}
const made = []
const make = async (options) => {
  const net = await lab(topology, options)
  made.push(net)
  return net
}

describe('labs', () => {
  let long
  before(async () => {
    long = await make(own && { test: false }) // these two have no word of a block's end there
  })
  after(() => own && long.close())
  it('pass', async () => {
    await make()
    long.advance('1ms')
  })
  it("fail 'so'", async () => {
    long.advance('1ms')
    const net = await make()
    net.port('a').send(Array.from({ length: 32 }, (_, number) => numberedFrame(number)))
    net.advance('1ms')
    console.log(
      `arrived ${net.seed} ${net
        .port('b')
        .arrivals.map(({ frame }) => frame[17])
        .join()}`,
    )
    await net.close()
    throw new Error('on purpose')
  })
  it('find the lab of the test before closed', () => {
    console.log(`order ${made.at(-1).engine.closed && !long.engine.closed}`)
  })
})
after(() => console.log(`closed ${made.filter((net) => net.engine.closed).length} of ${made.length}`))
