/** The option validator: defaults, refusals, and the words that it suggests. */
import { expect } from 'chai'
import {
  flag,
  integer,
  list,
  nearest,
  oneOf,
  optional,
  probability,
  readOptions,
  required,
  seed,
  text,
} from '../../lib/values/options.js'
import { parseDuration } from '../../lib/values/units.js'

const rules = {
  name: text({ max: 15 }),
  mtu: integer(68, 65_521, { unit: 'bytes' }),
  up: flag(true),
  direction: oneOf(['in', 'out', 'both'], 'in'),
  loss: probability(0),
  delay: optional(parseDuration, 0n),
  seed: seed(),
  addresses: list(text()),
}
const read = (given: unknown): unknown => readOptions('TapPort', given, rules)

describe('options', () => {
  it('fills in what is absent, and leaves out what has no default', () => {
    const nothing = { up: true, direction: 'in', loss: 0, delay: 0n, addresses: [] }
    expect(read(undefined)).to.deep.equal(nothing)
    expect(read({})).to.deep.equal(nothing)
    expect(read({ mtu: undefined, up: undefined })).to.deep.equal(nothing)
  })

  it('returns what is given', () => {
    const given = {
      name: 'tap0',
      mtu: 65_521,
      up: false,
      direction: 'both',
      loss: 1,
      delay: '2ms',
      seed: 2n ** 64n - 1n,
      addresses: ['10.0.0.1/24'],
    }
    expect(read(given)).to.deep.equal({ ...given, delay: 2_000_000n })
  })

  const refused: [string, unknown, RegExp][] = [
    ['name', '', /^option 'name' of TapPort must be text of 1 to 15 characters, not ''$/],
    ['name', 'a-name-too-long-by-far', /1 to 15 characters/],
    ['name', 7, /not 7$/],
    ['name', null, /not null$/],
    ['mtu', 67, /a whole number from 68 to 65521 bytes, not 67$/],
    ['mtu', 65_522, /from 68 to 65521 bytes/],
    ['mtu', 1500.5, /not 1500.5$/],
    ['mtu', '1500', /not '1500'$/],
    ['mtu', Number.NaN, /not NaN$/],
    ['up', 'yes', /must be true or false, not 'yes'/],
    ['direction', 'bth', /one of 'in', 'out', 'both', not 'bth'; did you mean 'both'\?/],
    ['direction', [], /not a list$/],
    ['loss', 1.01, /a probability from 0 to 1 or from '0%' to '100%', not 1.01/],
    ['loss', -0.1, /a probability from 0 to 1/],
    ['delay', '2mss', /^option 'delay' of TapPort must be a duration.*did you mean '2ms'\?/],
    ['seed', -1, /from 0 to 2\^64 - 1/],
    ['seed', 2n ** 64n, /not 18446744073709551616n/],
    ['seed', 2 ** 53, /a bigint above 2\^53 - 1/],
    ['addresses', '10.0.0.1/24', /must be a list/],
    ['addresses', ['10.0.0.1/24', 5], /^entry 2 of option 'addresses' of TapPort must be text/],
    ['addresses', [undefined], /entry 1 of option 'addresses' of TapPort is required/],
  ]
  for (const [option, value, message] of refused)
    it(`refuses ${option}: ${typeof value} ${String(value)}`, () => {
      expect(() => read({ [option]: value }))
        .to.throw(message)
        .with.property('code', 'ERR_ETHERLOOM_OPTION')
    })

  it('refuses a key it does not know and names the nearest', () => {
    expect(() => read({ adresses: [] }))
      .to.throw("unknown option 'adresses' of TapPort; did you mean 'addresses'?")
      .with.property('code', 'ERR_ETHERLOOM_UNKNOWN_OPTION')
    expect(() => read({ zzzzzz: 1 })).to.throw(/^unknown option 'zzzzzz' of TapPort$/)
    expect(() => read({ constructor: 1 })).to.throw(/unknown option 'constructor'/)
  })

  it('refuses options that are no object', () => {
    for (const given of [null, 5, 'tap0', []])
      expect(() => read(given)).to.throw(/options of TapPort must be an object/)
  })

  it('takes the holes of a list for entries that are missing, and bytes for no options', () => {
    const holes: string[] = []
    holes[1] = 'b'
    expect(() => read({ addresses: holes })).to.throw("entry 1 of option 'addresses' of TapPort is required")
    expect(() => read(new Uint8Array(8))).to.throw('options of TapPort must be an object')
  })

  it('insists on what is required', () => {
    expect(() => readOptions('PacketPort', {}, { interface: required(text()) })).to.throw(
      "option 'interface' of PacketPort is required",
    )
    expect(readOptions('PacketPort', { interface: 'eth0' }, { interface: required(text()) })).to.deep.equal({
      interface: 'eth0',
    })
  })

  it('finds the nearest word, if it is near', () => {
    const words = ['delay', 'jitter', 'loss', 'rate', 'MTU']
    expect(nearest('delai', words)).to.equal('delay')
    expect(nearest('Loss', words)).to.equal('loss')
    expect(nearest('mtu', words)).to.equal('MTU')
    expect(nearest('duplicate', words)).to.equal(undefined)
    expect(nearest('x', words)).to.equal(undefined)
    expect(nearest('mtu', ['mtx', 'Mtu'])).to.equal('Mtu')
    expect(nearest('loss', ['loss']), 'another one').to.equal(undefined)
  })
})
