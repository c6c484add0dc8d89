/** VLANs of a switch: which frame passes which port, with which tag, and where it is counted. */
import { expect } from 'chai'
import { Engine, MemoryPort, Hub, PatchPort, Switch, Wire, type VlanOptions } from '../../lib/index.js'
import { closing, dropped, expectBalance, take } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, station, type FrameWords } from '../helpers/frames.js'

/** How a frame arrives: `untagged`, or the priority and VLAN of its tag. */
function tagOn(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint16(12) !== 0x8100) return 'untagged'
  const control = view.getUint16(14)
  return `${control & 0xfff}${control >> 13 === 0 ? '' : ` priority ${control >> 13}`}`
}

const ports = {
  red1: { access: 10 },
  red2: { access: 10 },
  blue: { access: 20 },
  some: { trunk: [10, 30] },
  all: { trunk: 'all', native: 20 },
  usual: undefined,
} as const satisfies Record<string, VlanOptions | undefined>

type Name = keyof typeof ports
const names = Object.keys(ports) as Name[]

describe('VLANs', () => {
  const closes = closing()

  const makeSwitch = async (given: Record<string, VlanOptions | undefined> = ports) => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    const bridge = new Switch({ engine })
    const made = new Map<string, MemoryPort>()
    for (const [name, vlan] of Object.entries(given)) {
      const port = new MemoryPort({ name, frameLimit: 9000 })
      await bridge.attach(port, vlan && { vlan })
      made.set(name, port)
    }
    const at = (name: string): MemoryPort => made.get(name)!
    /** Sends a frame and says where it came out, and how. */
    const pass = (from: string, bytes: Uint8Array): Record<string, string> => {
      at(from).send(bytes)
      engine.advance('0s')
      return Object.fromEntries(
        [...made].flatMap(([name, port]) => take(port).map((got) => [name, tagOn(got.bytes)] as const)),
      )
    }
    return { engine, bridge, at, pass }
  }
  const withPriority = (bytes: Uint8Array, priority: number): Uint8Array => {
    new DataView(bytes.buffer).setUint8(14, (priority << 5) | bytes[14]!)
    return bytes
  }

  const table: [from: Name, sent: number | undefined, got: Partial<Record<Name, string>>][] = [
    ['red1', undefined, { red2: 'untagged', some: '10', all: '10' }],
    ['red1', 10, { red2: 'untagged', some: '10', all: '10' }],
    ['red1', 20, {}],
    ['red1', 4095, {}],
    ['blue', undefined, { all: 'untagged' }],
    ['some', undefined, {}],
    ['some', 10, { red1: 'untagged', red2: 'untagged', all: '10' }],
    ['some', 20, {}],
    ['some', 30, { all: '30' }],
    ['all', undefined, { blue: 'untagged' }],
    ['all', 20, { blue: 'untagged' }],
    ['all', 10, { red1: 'untagged', red2: 'untagged', some: '10' }],
    ['all', 1, { usual: 'untagged' }],
    ['all', 30, { some: '30' }],
    ['all', 4095, {}],
    ['usual', undefined, { all: '1' }],
    ['usual', 10, {}],
  ]
  for (const [from, sent, got] of table)
    it(`a frame ${sent === undefined ? 'without a tag' : `of VLAN ${sent}`} from '${from}'`, async () => {
      const { pass, at } = await makeSwitch()
      const words: FrameWords = sent === undefined ? {} : { vlan: sent }
      expect(pass(from, frame(words))).to.deep.equal(got)
      const refused = Object.keys(got).length === 0
      expect(dropped(at(from).stats().dropped)).to.deep.equal(refused ? { vlan: 1 } : {})
    })

  it("a tag of priority alone belongs to the port's own VLAN, and its priority goes on", async () => {
    const { pass } = await makeSwitch()
    const urgent = () => withPriority(frame({ vlan: 0 }), 5)
    expect(pass('red1', urgent())).to.deep.equal({
      red2: 'untagged',
      some: '10 priority 5',
      all: '10 priority 5',
    })
    expect(pass('all', urgent())).to.deep.equal({ blue: 'untagged' })
    expect(pass('some', urgent()), 'no VLAN of its own').to.deep.equal({})
    expect(pass('red1', frame({ vlan: 0 }))).to.deep.include({ red2: 'untagged', some: '10' })
    expect(pass('some', withPriority(frame({ vlan: 30 }), 7))).to.deep.equal({ all: '30 priority 7' })
  })

  it('moves a port to other VLANs, and forgets what was learned from it, and no more', async () => {
    const { bridge, pass } = await makeSwitch()
    pass('red1', frame({ from: station(1) }))
    pass('blue', frame({ from: station(2) }))
    await bridge.configure('red1', { vlan: { access: 20 } })
    bridge.engine.advance('1ms')
    expect(bridge.addresses().map(({ port, vlan }) => [port, vlan])).to.deep.equal([['blue', 20]])
    expect(pass('red1', frame({ from: station(1) }))).to.deep.equal({ blue: 'untagged', all: 'untagged' })
    expect(pass('red2', frame())).to.deep.equal({ some: '10', all: '10' })
    await bridge.configure('red1', { vlan: { trunk: [10], native: 20 }, delay: '0s' })
    expect(pass('red2', frame())).to.deep.equal({ red1: '10', some: '10', all: '10' })
    await bridge.configure('red1', { delay: '0s' })
    expect(pass('red2', frame()), 'stays where it is').to.deep.equal({ red1: '10', some: '10', all: '10' })
  })

  it('puts the first port of a switch into a VLAN while frames pass, which then holds for all', async () => {
    const { bridge, pass } = await makeSwitch({ a: undefined, b: undefined, c: undefined })
    expect(pass('a', frame({ vlan: 7 }))).to.deep.equal({ b: '7', c: '7' })
    await bridge.configure('a', { vlan: { access: 7 } })
    expect(pass('a', frame())).to.deep.equal({})
    expect(pass('b', frame())).to.deep.equal({ c: 'untagged' })
    expect(pass('b', frame({ vlan: 7 }))).to.deep.equal({})
    await bridge.configure('c', { vlan: { access: 7 } })
    expect(pass('a', frame())).to.deep.equal({ c: 'untagged' })
    await bridge.detach('a')
    await bridge.detach('c')
  })

  it('changes nothing but the tag', async () => {
    const { engine, at } = await makeSwitch()
    for (const length of [18, 60, 1518, 1919, 8996]) {
      const bytes = frame({ length }).map((byte, index) => (index < 18 ? byte : index & 0xff))
      at('red1').send(bytes)
      engine.advance('0s')
      const [untagged, tagged] = [take(at('red2'))[0]!.bytes, take(at('some'))[0]!.bytes]
      const tag = Uint8Array.of(0x81, 0, 0, 10)
      const whole = Uint8Array.from([...bytes.subarray(0, 12), ...tag, ...bytes.subarray(12)])
      expect(untagged, `${length} bytes`).to.deep.equal(bytes)
      expect(tagged, `${length} bytes`).to.deep.equal(whole)
      take(at('all'))
      at('some').send(whole)
      engine.advance('0s')
      expect(take(at('red1'))[0]!.bytes, `${length} bytes back`).to.deep.equal(bytes)
      for (const name of names) take(at(name))
    }
  })

  it('learns a station in its VLAN, whichever way its frames came', async () => {
    const { pass, bridge } = await makeSwitch()
    pass('red1', frame({ from: station(1) }))
    pass('blue', frame({ from: station(1) }))
    pass('all', frame({ from: station(2), vlan: 10 }))
    pass('red1', frame({ from: station(9), vlan: 20 }))
    expect(bridge.addresses().map(({ address, vlan, port }) => [address, vlan, port])).to.deep.equal([
      [station(1), 10, 'red1'],
      [station(2), 10, 'all'],
      [station(1), 20, 'blue'],
    ])
    expect(pass('some', frame({ to: station(1), from: station(3), vlan: 10 }))).to.deep.equal({
      red1: 'untagged',
    })
    expect(pass('all', frame({ to: station(1), from: station(3) }))).to.deep.equal({ blue: 'untagged' })
    expect(pass('red2', frame({ to: station(2), from: station(4) }))).to.deep.equal({ all: '10' })
  })

  it('drops what is malformed: the type of a tag with none behind it', async () => {
    const { pass, at } = await makeSwitch()
    expect(pass('red1', frame({ vlan: 10, length: 22 }).subarray(0, 16))).to.deep.equal({})
    expect(dropped(at('red1').stats().dropped)).to.deep.equal({ vlan: 1 })
  })

  it("a tag of 802.1ad is payload, under the VLAN's own", async () => {
    const { pass, at, engine } = await makeSwitch()
    const provider = frame({ vlan: 7 })
    provider[12] = 0x88
    provider[13] = 0xa8
    at('red1').send(provider)
    engine.advance('0s')
    expect(take(at('red2'))[0]!.bytes).to.deep.equal(provider)
    expect(tagOn(take(at('some'))[0]!.bytes)).to.equal('10')
    take(at('all'))
    expect(pass('some', provider)).to.deep.equal({})
  })

  it('a path sees frames as they leave its to-port, and the numbers add up', async () => {
    const { bridge, at, engine, pass } = await makeSwitch()
    const tagged = 'vlan 10'
    for (const to of ['red2', 'some', 'all'])
      await bridge.path('red1', to).allow({ filter: to === 'all' ? `not ${tagged}` : tagged })
    expect(pass('red1', frame())).to.deep.equal({ some: '10' })
    await bridge.path('red1', 'some').allow({ rate: '1Mbit', delay: '3ms' })
    at('red1').send(frame({ length: 121 }))
    engine.advance('1s')
    expect(take(at('some')).length).to.equal(1)
    const stats = bridge.path('red1', 'some').stats()
    expect(stats.deliveredBytes, '64 and 125 bytes').to.equal(189n)
    for (const path of bridge.stats().paths) expectBalance(path, path.to)
  })

  it('keeps the order of the frames of a VLAN, from a burst of several', async () => {
    const { at, engine } = await makeSwitch()
    const vlans = [10, 20, 30, undefined, 10, 1, 10]
    const burst = Array.from({ length: 700 }, (_, tag) => {
      const vlan = vlans[tag % vlans.length]
      return frame({ tag, ...(vlan !== undefined && { vlan }) })
    })
    at('all').send(burst)
    engine.advance('0s')
    const tagsAt = (name: Name) => take(at(name)).map(({ tag }) => tag)
    const sent = (...wanted: (number | undefined)[]) =>
      burst.flatMap((_, tag) => (wanted.includes(vlans[tag % vlans.length]) ? [tag] : []))
    expect(tagsAt('red1')).to.deep.equal(sent(10))
    expect(tagsAt('blue')).to.deep.equal(sent(20, undefined))
    expect(tagsAt('some')).to.deep.equal(sent(10, 30))
    expect(tagsAt('usual')).to.deep.equal(sent(1))
  })

  it('loses and counts what it finds no buffer for', async () => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1, memory: '1MiB' }))
    const bridge = new Switch({ engine })
    const from = await bridge.attach(new MemoryPort({ name: 'from' }), { vlan: { access: 10 } })
    const to = await bridge.attach(new MemoryPort({ name: 'to' }), { vlan: { trunk: [10] } })
    const beside = await bridge.attach(new MemoryPort({ name: 'beside' }), { vlan: { access: 10 } })
    await bridge.path(from, to).allow()
    await bridge.path(from, beside).allow({ delay: '1s' })
    for (let burst = 0; burst < 10; burst++) {
      from.send(Array.from({ length: 100 }, () => frame()))
      engine.advance('0s')
    }
    const toTrunk = bridge.path(from, to).stats()
    expectBalance(toTrunk, 'to the trunk')
    expect(Number(toTrunk.dropped['no-buffer'])).to.be.above(0)
    expect(Number(toTrunk.delivered) + Number(toTrunk.dropped['no-buffer'])).to.equal(Number(toTrunk.offered))
    engine.advance('2s')
    expect(take(to)).to.have.length(Number(toTrunk.delivered))
    expectBalance(bridge.path(from, beside).stats(), 'beside')
  })

  it('joins switches through a patch between trunks', async () => {
    const { engine, bridge, at } = await makeSwitch()
    const far = new Switch({ engine })
    const [near, other] = PatchPort.pair()
    await bridge.attach(near, { vlan: { trunk: 'all' } })
    await far.attach(other, { vlan: { trunk: [10] } })
    const red = await far.attach(new MemoryPort({ name: 'red' }), { vlan: { access: 10 } })
    const blue = await far.attach(new MemoryPort({ name: 'blue' }), { vlan: { access: 20 } })
    at('red1').send(frame({ tag: 1 }))
    at('blue').send(frame({ tag: 2 }))
    engine.advance('0s')
    const got = take(red)
    expect(got.map(({ tag }) => tag)).to.deep.equal([1])
    expect(tagOn(got[0]!.bytes)).to.equal('untagged')
    expect(take(blue)).to.deep.equal([])
    expect(dropped(other.stats().dropped), 'VLAN 20 is not on that trunk').to.deep.equal({ vlan: 1 })
  })

  it('passes tags as they are while no port has VLANs, and learns anew when the first comes or the last goes', async () => {
    const { bridge, pass, at } = await makeSwitch({ a: undefined, b: undefined })
    expect(pass('a', frame({ vlan: 10, from: station(1) }))).to.deep.equal({ b: '10' })
    const first = new MemoryPort({ name: 'first' })
    await bridge.attach(first, { vlan: { access: 10 } })
    expect(bridge.addresses()).to.deep.equal([])
    expect(pass('a', frame({ vlan: 10 }))).to.deep.equal({})
    expect(dropped(at('a').stats().dropped)).to.deep.equal({ vlan: 1 })
    expect(pass('a', frame())).to.deep.equal({ b: 'untagged' })
    expect(bridge.addresses().map(({ vlan }) => vlan)).to.deep.equal([1])
    expect(take(first)).to.deep.equal([])
    await bridge.detach(first)
    expect(pass('a', frame({ vlan: 10, from: station(1) }))).to.deep.equal({ b: '10' })
    expect(bridge.addresses().map(({ vlan }) => vlan)).to.deep.equal([10])
  })

  it('holds for one attachment', async () => {
    const { bridge, pass, at } = await makeSwitch()
    const port = at('blue')
    await bridge.detach(port)
    await bridge.attach(port, { vlan: { access: 10 } })
    expect(pass('blue', frame())).to.deep.include({ red1: 'untagged' })
    await bridge.detach(port)
    await bridge.attach(port)
    expect(pass('blue', frame())).to.deep.include({ usual: 'untagged' })
  })

  it('gives the same frames for any number of workers', async () => {
    const run = async (workers: number) => {
      const engine = closes(new Engine({ clock: 'virtual', seed: 1, workers }))
      const bridge = new Switch({ engine })
      const made = []
      for (const name of names) {
        const vlan = ports[name]
        made.push(await bridge.attach(new MemoryPort({ name }), vlan && { vlan }))
      }
      for (let round = 0; round < 20; round++) {
        for (const [index, port] of made.entries())
          for (const vlan of [undefined, 10, 20])
            port.send(frame({ from: station(index), tag: round, ...(vlan !== undefined && { vlan }) }))
        engine.advance('1ms')
      }
      return made.map((port) => take(port).map(({ at, bytes }) => [at, Buffer.from(bytes).toString('hex')]))
    }
    expect(await run(3)).to.deep.equal(await run(1))
  })

  describe('are refused', () => {
    const attach = async (vlan: unknown, fabric = new Switch({ engine: engine() })) =>
      refusal(fabric.attach(new MemoryPort({ name: 'p' }), { vlan } as never))
    const engine = () => closes(new Engine({ clock: 'virtual' }))

    for (const [vlan, message] of [
      [10, /'vlan'.*access: 10.*trunk: 'all'.*not 10/],
      [{}, /either 'access' or 'trunk'/],
      [{ access: 10, trunk: 'all' }, /either 'access' or 'trunk'/],
      [{ access: 10, native: 1 }, /no 'native' with 'access'/],
      [{ access: 0 }, /'access'.*1 to 4094, not 0/],
      [{ access: 4095 }, /1 to 4094/],
      [{ access: '10' }, /'access'/],
      [{ trunk: [] }, /'trunk'.*list of VLANs.*'all'/],
      [{ trunk: 'al' }, /'trunk'.*'all'/],
      [{ trunk: [10, 4095] }, /entry 2.*'trunk'.*1 to 4094/],
      [{ trunk: 'all', native: 0 }, /'native'.*1 to 4094/],
    ] as const)
      it(JSON.stringify(vlan), async () => {
        const error = await attach(vlan)
        expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
        expect(error.message).to.match(message)
      })

    it('after attaching, with a word about the way', async () => {
      const bridge = new Switch({ engine: engine() })
      await bridge.attach(new MemoryPort({ name: 'p' }))
      expect((await refusal(bridge.configure('p', { group: 'g' }))).message).to.match(
        /'group'.*until the port is detached; detach 'p' and attach it again/,
      )
      const hub = new Hub({ engine: engine() })
      await hub.attach(new MemoryPort({ name: 'p' }))
      expect((await refusal(hub.configure('p', { vlan: { access: 10 } }))).message).to.match(/'vlan'/)
    })

    it('an unknown word', async () => {
      const error = await attach({ acces: 10 })
      expect(error.code).to.equal('ERR_ETHERLOOM_UNKNOWN_OPTION')
      expect(error.message).to.match(/did you mean 'access'/)
    })

    it('on a hub and on a wire, with nothing attached', async () => {
      for (const fabric of [
        new Hub({ engine: engine(), name: 'h' }),
        new Wire({ engine: engine(), name: 'w' }),
      ]) {
        const error = await attach({ access: 10 }, fabric as never)
        expect(error.message).to.match(/'vlan' of attach is for ports of a switch; '[hw]' is a (hub|wire)/)
        expect(fabric.ports.size).to.equal(0)
      }
    })
  })
})
