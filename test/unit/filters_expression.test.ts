/** Both forms of a filter, compiled through the addon. */
import { expect } from 'chai'
import { addon } from '../../lib/binding.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { compileFilter, type FilterSource } from '../../lib/policy/filters/index.js'
import { runFilter } from '../helpers/bpf.js'

const arp = Uint8Array.from([...new Array<number>(12).fill(2), 0x08, 0x06, ...new Array<number>(46).fill(0)])
const ip = arp.with(13, 0x00)

describe('compileFilter', () => {
  for (const source of ['arp', { etherType: 'arp' }] satisfies FilterSource[])
    it(`compiles ${JSON.stringify(source)}`, () => {
      const program = compileFilter(source)
      expect(runFilter(program, arp)).to.equal(true)
      expect(runFilter(program, ip)).to.equal(false)
    })

  it('takes expressions of 1,000 characters', () => {
    expect(runFilter(compileFilter(`arp${' or arp'.repeat(142)}`.padEnd(1000)), arp)).to.equal(true)
  })

  it('makes programs of match objects that pass the native verifier', () => {
    const addresses = Array.from({ length: 700 }, (_, index) => ({
      sourceIp: `10.0.${index >> 8}.${index & 0xff}`,
    }))
    for (const match of [
      { any: addresses },
      { not: { port: 80 } },
      { vlan: 5, ip: 'fd00::/64' },
      { length: { max: 60 } },
    ])
      addon.verifyFilter(compileFilter(match))
  })

  const refusals: [source: unknown, message: RegExp][] = [
    ['tcp prot 80', /^the filter 'tcp prot 80' cannot be compiled: .*syntax error/],
    ['', /empty; leave the filter out/],
    [
      `arp${' or arp'.repeat(143)}`,
      /^a filter expression may have 1,000 characters, not 1,004; write a match object, such as/,
    ],
    ['ip6 protochain 6', /jumps out of the program/],
    [{ etherTyp: 'arp' }, /did you mean 'etherType'\?/],
    [5, /must be an object, not 5/],
  ]
  for (const [source, message] of refusals)
    it(`refuses ${JSON.stringify(source).slice(0, 60)}`, () => {
      expect(() => compileFilter(source as FilterSource))
        .to.throw(EtherloomError, message)
        .with.property('code', 'ERR_ETHERLOOM_FILTER')
    })
})
