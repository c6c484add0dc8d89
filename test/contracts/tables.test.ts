/** The tables that both halves hold: the same names, in the same order. */
import { expect } from 'chai'
import { addon } from '../../lib/binding.js'
import { engineEvents } from '../../lib/engine/engine.js'
import { stormTraffic } from '../../lib/fabrics/storm.js'
import { impairments } from '../../lib/policy/impairments/index.js'
import { dropReasons } from '../../lib/values/stats.js'

describe('Tables of both halves', () => {
  it('name the same drop reasons', () => {
    expect(addon.dropReasons).to.deep.equal(Object.keys(dropReasons))
  })

  it('name the same events', () => {
    expect(addon.events).to.deep.equal([...engineEvents])
  })

  it('name the same kinds of traffic', () => {
    expect(addon.traffic).to.deep.equal([...stormTraffic])
  })

  it('name the same impairments', () => {
    expect(addon.impairments).to.deep.equal(Object.keys(impairments))
  })
})
