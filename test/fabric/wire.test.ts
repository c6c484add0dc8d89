/** Wires: two ports and no more. */
import { expect } from 'chai'
import { Engine, MemoryPort, Wire } from '../../lib/index.js'
import { closing, join, tags } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, station } from '../helpers/frames.js'

describe('Wire', () => {
  const closes = closing()
  const makeWire = () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    return { engine, wire: new Wire({ engine, name: 'w' }) }
  }

  it('carries everything from each end to the other and looks at no address', async () => {
    const { engine, wire } = makeWire()
    const [a, b] = await join(wire, 'a', 'b')
    a.send(frame({ to: station(1), from: station(1), tag: 1 }))
    a.send(frame({ to: '01:80:c2:00:00:00', from: '01:00:00:00:00:01', tag: 2 }))
    b.send(frame({ to: station(1), from: station(1), tag: 3 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([1, 2])
    expect(tags(a)).to.deep.equal([3])
  })

  it('refuses a third port and takes another one after a detach', async () => {
    const { engine, wire } = makeWire()
    const [a, b] = await join(wire, 'a', 'b')
    const c = new MemoryPort({ name: 'c' })
    const error = await refusal(wire.attach(c))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
    expect(error.message).to.equal("wire 'w' has both its ports; a hub joins more than two")
    expect(c.state).to.equal('detached')

    await wire.detach(a)
    await wire.attach(c)
    c.send(frame({ tag: 4 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([4])
  })

  it('is cut and mended in one direction', async () => {
    const { engine, wire } = makeWire()
    const [a, b] = await join(wire, 'a', 'b')
    await wire.path(a, b).deny()
    a.send(frame({ tag: 1 }))
    b.send(frame({ tag: 2 }))
    engine.advance('0s')
    await wire.path(a, b).allow()
    a.send(frame({ tag: 3 }))
    engine.advance('0s')
    expect(tags(a)).to.deep.equal([2])
    expect(tags(b)).to.deep.equal([3])
  })
})
