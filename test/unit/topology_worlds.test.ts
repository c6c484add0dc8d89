/** Networks with worlds, of patch ports, which need no privilege: steps, hooks, and going over to another topology. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkReports } from '../../lib/topology/links-report.js'
import { Network } from '../../lib/topology/network.js'
import { reports } from '../../lib/topology/report.js'
import type { Topology, TopologyWorld } from '../../lib/topology/schema.js'
import { nicPlan, wireNameOf } from '../../lib/topology/worlds.js'
import { Hub } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, until } from '../helpers/fabric.js'

const names = ['a', 'b', 'c'] as const

/** A hub for worlds, each of whose ports is patched to another hub. */
const aired = (worlds: Record<string, object>, paths: object[] = []): Topology => {
  const ports = (peer: string) =>
    Object.fromEntries(names.map((name) => [name, { patch: `${peer}.${name}` }]))
  return {
    seed: 7,
    fabrics: {
      air: { kind: 'hub', forwarding: 'deny', ports: ports('ground'), paths },
      ground: { kind: 'hub', forwarding: 'deny', ports: ports('air') },
    },
    worlds,
  } as unknown as Topology
}

/** First a and b are 1 metre apart, then b and c, then nobody. */
const matrices = [[1, -1, -1], [-1, -1, 1], [-1, -1, -1]].map(([ab, ac, bc]) => [[0, ab, ac], [ab, 0, bc], [ac, bc, 0]]) // prettier-ignore
const world: object = { fabric: 'air', movement: { matrices }, step: 'manual' }
const linked = (network: Network): string[] => reports.links(network).map(({ ports }) => ports.join(' '))

describe('a network with worlds', () => {
  const keep = closing()
  const up = async (topology: Topology): Promise<Network> => keep(await Network.up(topology))

  it('takes steps of one of them, or of all that move, each by one before the next', async () => {
    const still = { fabric: 'ground', nodes: ['a'] }
    const network = await up(aired({ one: world, two: { ...world, fabric: 'ground' }, still }))
    const took = async (...words: Parameters<Network['step']>) =>
      (await network.step(...words)).map(({ world, step, up, down }) => `${world} ${step} +${up} -${down}`)
    expect(await took()).to.deep.equal(['one 1 +1 -0', 'two 1 +1 -0'])
    expect(await took(1, 'two')).to.deep.equal(['two 2 +1 -1'])
    expect(await took(2)).to.deep.equal(['one 2 +1 -1', 'two 3 +0 -1', 'one 3 +0 -1', 'two 4 +0 -0'])
    expect((await refusal(network.step(1, 'on'))).message).to.equal(
      "no world 'on'; did you mean 'one'?; the worlds are one, two, still",
    )
  })

  it('says what to do where nothing moves', async () => {
    const none = await up(aired({}))
    expect((await refusal(none.step())).message).to.equal(
      "this topology has no worlds; add 'worlds' to its file",
    )
    const still = await up(aired({ still: { fabric: 'air' } }))
    expect((await refusal(still.step())).message).to.equal(
      "no world of this topology moves; give one a 'movement' in its file",
    )
  })

  it('takes the first step itself where steps are not manual, tells of each, and reports what holds', async () => {
    const network = await up(aired({ park: { ...world, step: '10ms', model: 'exponential' } }))
    expect(linked(network)).to.deep.equal(['a b'])
    const [step] = (await once(network, 'world:step')) as [{ world: string; step: number; links: object[] }]
    expect([step.world, step.step]).to.deep.equal(['park', 2])
    expect(step.links).to.have.length(2)
    expect(reports.worlds(network)[0]).to.include({ world: 'park', nodes: 3, running: true })
  })

  it('runs a hook after each step, and tells when it fails, with the step taken all the same', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-hook-'))
    try {
      const file = join(folder, 'steps')
      const hook = `echo "$ETHERLOOM_WORLD $ETHERLOOM_STEP $(cat)" >> ${file}; test $ETHERLOOM_STEP -lt 2`
      const network = await up(aired({ park: { ...world, hook } }))
      await network.step()
      expect((await refusal(network.step())).message).to.equal(
        `the hook after step 2 failed (code 1); try it by hand: ${hook}`,
      )
      expect(linked(network)).to.deep.equal(['b c'])
      const lines = readFileSync(file, 'utf8').trim().split('\n')
      const told = lines.map(
        (line) => JSON.parse(line.slice('park 1 '.length)) as { links: { state: string }[] },
      )
      expect(lines.map((line) => line.slice(0, 7))).to.deep.equal(['park 1 ', 'park 2 '])
      expect(told[0]).to.include({ world: 'park', step: 1, up: 1, down: 0, changed: 0 })
      expect(told[1]!.links.map(({ state }) => state).sort()).to.deep.equal(['down', 'up'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('tells of hooks that fail after automatic steps, and goes on', async () => {
    const network = await up(aired({ park: { ...world, step: '5ms', hook: 'test $ETHERLOOM_STEP = 1' } }))
    const [{ world: name, error }] = (await once(network, 'world:error')) as [{ world: string; error: Error }]
    expect([name, error.message]).to.satisfy(
      ([park, message]: [string, string]) =>
        park === 'park' && message.startsWith('the hook after step 2 failed'),
    )
    await until(() => network.worlds.get('park')!.steps > 3)
  })

  describe('going over to another topology', () => {
    it('lets a world go on that is the same, whatever changes beside it', async () => {
      const network = await up(aired({ park: world }))
      await network.step()
      const park = network.worlds.get('park')
      const { steps } = await network.apply(aired({ park: world, other: { fabric: 'ground' } }))
      expect(steps).to.deep.equal(['begin world other'])
      expect(network.worlds.get('park')).to.equal(park)
      expect(linked(network)).to.deep.equal(['a b'])
      expect((await network.step())[0]!.step).to.equal(2)
    })

    it('begins one anew that differs', async () => {
      const network = await up(aired({ park: world }))
      await network.step(2)
      const { steps } = await network.apply(aired({ park: { ...world, model: 'exponential' } }))
      expect(steps).to.deep.equal(['end world park', 'begin world park'])
      expect(linked(network)).to.deep.equal([])
      const [step] = await network.step()
      expect([step!.step, step!.links[0]!.policy!.delay, linked(network)]).to.deep.equal([1, '1ms', ['a b']])
    })

    it('ends one whose port is replaced, and one that is gone', async () => {
      const network = await up(aired({ park: world }))
      await network.step()
      const limited = aired({ park: world })
      Object.assign(limited.fabrics.air!.ports.a!, { delay: '1ms' })
      expect((await network.apply(limited)).steps).to.deep.equal(['configure port air.a'])
      expect(linked(network)).to.deep.equal(['a b'])
      Object.assign(limited.fabrics.air!.ports.a!, { group: 'red' })
      expect((await network.apply(limited)).steps).to.include.members(['end world park', 'begin world park'])
      expect(linked(network)).to.deep.equal([])
      await network.step()
      expect((await network.apply(aired({}))).steps).to.include('end world park')
      expect([network.worlds.size, reports.links(network)]).to.deep.equal([0, []])
      expect(network.fabrics.get('air')!.path('a', 'b').policy.allowed).to.equal(false)
      expect(network.export()).to.not.have.property('worlds')
    })

    it("gives its pairs back what 'paths' says of them", async () => {
      const paths = [{ from: 'a', to: 'b', delay: '5ms' }, { from: 'b', to: 'c', loss: 0.5 }] // prettier-ignore
      const network = await up(aired({ park: world }, paths))
      const policyOf = (from: string, to: string) => network.fabrics.get('air')!.path(from, to).policy
      await network.step() // a and b are linked, b and c never were
      expect(policyOf('a', 'b')).to.not.have.property('delay')
      await network.apply(aired({}, paths))
      expect(policyOf('a', 'b')).to.include({ allowed: true, delay: '5ms' })
      expect(policyOf('b', 'a').allowed).to.equal(false)
      expect(policyOf('b', 'c')).to.include({ allowed: true, loss: 0.5 })
    })

    it('is left with the world it had when the new one cannot be reached', async () => {
      const network = await up(aired({ park: world }))
      await network.step()
      const broken = aired({})
      Object.assign(broken.fabrics.ground!.ports, { x: { packet: 'no-such-device' } })
      await refusal(network.apply(broken))
      expect([...network.worlds.keys()]).to.deep.equal(['park'])
      expect((await network.step())[0]).to.include({ step: 1, up: 1 })
      expect(linked(network)).to.deep.equal(['a b'])
    })
  })

  it('reports two nodes that are linked in two worlds once, as MiniWorld does', async () => {
    const network = await up(aired({ one: world, two: { ...world, fabric: 'ground' } }))
    await network.step()
    expect(linkReports.connections(network)).to.deep.equal({ a: ['b'] })
  })

  describe('of wires', () => {
    it('names wires and interfaces by patterns', () => {
      expect(wireNameOf('br_%05d_%05d', ['1', '12'])).to.equal('br_00001_00012')
      expect(wireNameOf('%s to %s', ['%s', 'two'])).to.equal('%s to two')
      const nic = { host: 'h', interface: 'eth%i', name: 'tap_1_%x', macs: ['02:00:00:00:00:01'] }
      expect(nicPlan('1', nic, 1)).to.deep.equal({
        name: 'tap_1_1',
        plan: { host: 'h', interface: 'eth0', addresses: [], mac: '02:00:00:00:00:01' },
      })
      expect(nicPlan('1', nic, 10)).to.deep.equal({
        name: 'tap_1_a',
        plan: { host: 'h', interface: 'eth9', addresses: [] },
      })
    })

    it('refuses a wire with the name of a fabric', async () => {
      const wires = { 1: { packet: 'none1_%d' }, 2: { packet: 'none2_%d' } }
      const movement = { matrix: [[0, 1], [1, 0]] } // prettier-ignore
      const named: object = { wires, wireNames: 'a%s%sr', movement, step: 'manual' } satisfies TopologyWorld
      const topology = aired({ lan: named })
      Object.assign(topology.fabrics, { a12r: { kind: 'hub', ports: {} } })
      const network = await up(topology)
      expect((await refusal(network.step())).message).to.equal(
        "there is a fabric 'a12r' already, which the wire would be called too; rename the fabric, or give the world 'wireNames'",
      )
      expect(network.fabrics.get('a12r')).to.be.instanceOf(Hub)
    })
  })
})
