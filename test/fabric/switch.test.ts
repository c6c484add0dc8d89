/** Switches: learning, moves, ageing, the bounded table, reserved addresses, VLANs. */
import { expect } from 'chai'
import { Engine, Switch, type SwitchOptions } from '../../lib/index.js'
import { closing, dropped, join, tags } from '../helpers/fabric.js'
import { frame, station } from '../helpers/frames.js'

describe('Switch', () => {
  const closes = closing()
  const makeSwitch = (options: SwitchOptions = {}) => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    return { engine, bridge: new Switch({ engine, ...options }) }
  }

  it('floods unknown unicast and sends known unicast to its port only', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    a.send(frame({ to: station(2), from: station(1), tag: 1 }))
    engine.advance('0s')
    b.send(frame({ to: station(1), from: station(2), tag: 2 }))
    engine.advance('0s')
    a.send(frame({ to: station(2), from: station(1), tag: 3 }))
    engine.advance('0s')
    expect([a, b, c].map(tags)).to.deep.equal([[2], [1, 3], [1]])
    expect(bridge.addresses().sort((x, y) => x.address.localeCompare(y.address))).to.deep.equal([
      { address: station(1), vlan: 0, port: 'a', age: '0s' },
      { address: station(2), vlan: 0, port: 'b', age: '0s' },
    ])
  })

  it('always floods broadcast and multicast', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    for (const to of ['ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '33:33:00:00:00:01']) {
      a.send(frame({ to, from: station(1) }))
      engine.advance('0s')
    }
    expect(tags(b)).to.have.length(3)
    expect(tags(c)).to.have.length(3)
  })

  it('drops what is addressed to a station on the port it came from', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b] = await join(bridge, 'a', 'b')
    a.send(frame({ from: station(1) }))
    engine.advance('0s')
    tags(b)
    a.send(frame({ to: station(1), from: station(3) }))
    engine.advance('0s')
    expect([a, b].map(tags)).to.deep.equal([[], []])
    expect(dropped(a.stats().dropped)).to.deep.equal({ 'not-for-us': 1 })
  })

  it('follows a station that moves, and says so', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    const moves: unknown[] = []
    bridge.on('address:moved', ({ address, vlan, from, to }) =>
      moves.push({ address, vlan, from: from?.name, to: to?.name }),
    )
    a.send(frame({ from: station(1), vlan: 7 }))
    engine.advance('1s')
    expect(moves).to.deep.equal([])
    b.send(frame({ from: station(1), vlan: 7 }))
    engine.advance('0s')
    expect(moves).to.deep.equal([{ address: station(1), vlan: 7, from: 'a', to: 'b' }])
    for (const port of [a, b, c]) tags(port)
    c.send(frame({ to: station(1), from: station(3), vlan: 7, tag: 5 }))
    engine.advance('0s')
    expect([a, b].map(tags)).to.deep.equal([[], [5]])
  })

  it('forgets a station after the ageing time, counted from its last frame', async () => {
    const { engine, bridge } = makeSwitch({ ageing: '10s' })
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    a.send(frame({ from: station(1) }))
    engine.advance('9s')
    a.send(frame({ from: station(1) }))
    engine.advance('0s')
    for (const port of [b, c]) tags(port)

    engine.advance('9999999999ns')
    expect(bridge.addresses().map(({ address, age }) => ({ address, age }))).to.deep.equal([
      { address: station(1), age: '9999999999ns' },
    ])
    b.send(frame({ to: station(1), from: station(2), tag: 1 }))
    engine.advance('1ns')
    b.send(frame({ to: station(1), from: station(2), tag: 2 }))
    engine.advance('0s')
    expect(tags(c), 'known a nanosecond before, unknown then').to.deep.equal([2])
    expect(bridge.addresses().map(({ address }) => address)).to.deep.equal([station(2)])
  })

  it('keeps an address for 300 s by default', async () => {
    const { engine, bridge } = makeSwitch()
    const [a] = await join(bridge, 'a', 'b')
    a.send(frame({ from: station(1) }))
    engine.advance('299999999999ns')
    expect(bridge.addresses()).to.have.length(1)
    engine.advance('1ns')
    expect(bridge.addresses()).to.have.length(0)
  })

  it('learns nothing with an ageing time of 0s', async () => {
    const { engine, bridge } = makeSwitch({ ageing: '0s' })
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    a.send(frame({ from: station(1) }))
    engine.advance('0s')
    b.send(frame({ to: station(1), from: station(2), tag: 9 }))
    engine.advance('0s')
    expect(tags(c)).to.deep.equal([0, 9])
    expect(bridge.addresses()).to.deep.equal([])
  })

  it('never holds more addresses than asked for, and evicts from the port that has most', async () => {
    const { engine, bridge } = makeSwitch({ addresses: 64 })
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    for (let number = 0; number < 10; number++) b.send(frame({ from: station(1000 + number) }))
    engine.advance('0s')
    for (let number = 0; number < 5000; number++) {
      a.send(frame({ from: station(2000 + number) }))
      if (number % 100 === 0) engine.advance('0s')
    }
    engine.advance('0s')
    const rows = bridge.addresses()
    expect(rows.length).to.be.within(32, 64)
    expect(rows.filter(({ port }) => port === 'b')).to.have.length(10)

    for (const port of [a, b]) tags(port)
    tags(c)
    c.send(frame({ to: station(1003), from: station(3), tag: 1 }))
    engine.advance('0s')
    expect([a, b].map(tags), 'b is still known').to.deep.equal([[], [1]])
  })

  it('keeps reserved addresses to itself unless asked to forward them', async () => {
    for (const forwardReserved of [false, true]) {
      const { engine, bridge } = makeSwitch({ forwardReserved })
      const [a, b] = await join(bridge, 'a', 'b')
      for (const last of ['00', '0e', '0f', '10'])
        a.send(frame({ to: `01:80:c2:00:00:${last}`, from: station(1), tag: Number.parseInt(last, 16) }))
      engine.advance('0s')
      expect(tags(b)).to.deep.equal(forwardReserved ? [0, 14, 15, 16] : [16])
      expect(dropped(a.stats().dropped)).to.deep.equal(forwardReserved ? {} : { reserved: 3 })
    }
  })

  it('does not learn a source with the group bit, and forwards its frames (S16)', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    a.send(frame({ from: '01:01:00:00:00:01', tag: 1 }))
    a.send(frame({ to: station(2), from: '01:01:00:00:00:01', tag: 2 }))
    engine.advance('0s')
    expect([b, c].map(tags)).to.deep.equal([
      [1, 2],
      [1, 2],
    ])
    expect(bridge.addresses()).to.deep.equal([])
  })

  it('learns per VLAN', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    a.send(frame({ from: station(1), vlan: 10 }))
    b.send(frame({ from: station(1), vlan: 20 }))
    engine.advance('0s')
    for (const port of [a, b, c]) tags(port)
    c.send(frame({ to: station(1), from: station(3), vlan: 10, tag: 10 }))
    c.send(frame({ to: station(1), from: station(3), vlan: 20, tag: 20 }))
    c.send(frame({ to: station(1), from: station(3), vlan: 30, tag: 30 }))
    engine.advance('0s')
    expect(tags(a)).to.deep.equal([10, 30])
    expect(tags(b)).to.deep.equal([20, 30])
  })

  it('delivers nothing over a denied path, even when the table points there', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    b.send(frame({ from: station(2) }))
    engine.advance('0s')
    for (const port of [a, b, c]) tags(port)
    await bridge.path(a, b).deny()
    a.send(frame({ to: station(2), from: station(1), tag: 1 }))
    engine.advance('0s')
    expect([b, c].map(tags)).to.deep.equal([[], []])
    expect(dropped(a.stats().dropped)).to.deep.equal({ unreachable: 1 })
  })

  it('forgets what it learned from a port that is detached', async () => {
    const { engine, bridge } = makeSwitch()
    const [a, b, c] = await join(bridge, 'a', 'b', 'c')
    a.send(frame({ from: station(1) }))
    engine.advance('0s')
    await bridge.detach(a)
    expect(bridge.addresses()).to.deep.equal([])
    tags(c)
    b.send(frame({ to: station(1), from: station(2), tag: 1 }))
    engine.advance('0s')
    expect(tags(c)).to.deep.equal([1])
  })
})
