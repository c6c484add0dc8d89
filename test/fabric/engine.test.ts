/** What an engine's workers run on: their Io, and how they wait. */
import { expect } from 'chai'
import { Engine, Hub, type EngineOptions } from '../../lib/index.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { numbered } from '../helpers/frames.js'

describe('Engine', () => {
  const closes = closing()

  it('reads and writes by io_uring where that works, and by epoll where it is told to', function () {
    expect(closes(new Engine({ io: 'epoll' })).io).to.equal('epoll')
    expect(closes(new Engine({ clock: 'virtual' })).io).to.equal('virtual')
    let uring: Engine
    try {
      uring = closes(new Engine({ io: 'io_uring' }))
    } catch (error) {
      expect((error as Error).message).to.contain('Linux 6.4 or later')
      expect(closes(new Engine()).io).to.equal('epoll')
      this.skip() // this kernel or container refuses io_uring
    }
    expect(uring.io).to.equal('io_uring')
    expect(closes(new Engine()).io).to.equal('io_uring')
  })

  for (const busyPoll of [true, { spinLast: '50us' }] as EngineOptions['busyPoll'][])
    it(`passes every frame in order with busyPoll ${JSON.stringify(busyPoll)}`, async () => {
      const hub = closes(new Hub({ engine: closes(new Engine({ busyPoll: busyPoll! })) }))
      const [left, right] = await join(hub, 'left', 'right')
      await hub.path(left, right).allow({ delay: '2ms' })
      left.send(numbered(100))
      const frames = await receive(right, 100)
      expect(frames.map(({ tag }) => tag)).to.deep.equal(Array.from({ length: 100 }, (_, index) => index))
    })

  it('refuses what it does not know', async () => {
    const wrong = async (options: unknown) =>
      (await refusal(() => new Engine(options as EngineOptions))).message
    expect(await wrong({ io: 'iouring' })).to.contain("did you mean 'io_uring'?")
    expect(await wrong({ busyPoll: '50us' })).to.contain("{ spinLast: '50us' }")
    expect(await wrong({ busyPoll: { spinlast: '50us' } })).to.contain('spinLast')
    expect(await wrong({ busyPoll: {} })).to.contain('spinLast')
  })
})
