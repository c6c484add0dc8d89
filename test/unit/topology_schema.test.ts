/** The published JSON Schema: it is one, editors can use it, and it agrees with the checks. */
import { expect } from 'chai'
import { checkPolicy, checkTopology } from '../../lib/topology/check.js'
import { topologyJsonSchema } from '../../lib/topology/schema.js'

interface Node {
  $ref?: string
  $defs?: Record<string, Node>
  type?: string
  description?: string
  properties?: Record<string, Node>
  additionalProperties?: Node | false
  items?: Node
  anyOf?: Node[]
  pattern?: string
  enum?: string[]
  minimum?: number
  maximum?: number
}

const schema = topologyJsonSchema() as unknown as Node & { $schema: string }

/** A node, with what it refers to. */
const resolved = (node: Node): Node =>
  node.$ref === undefined ? node : resolved(schema.$defs?.[node.$ref.replace('#/$defs/', '')] as Node)

/** Every key that the schema knows, with the path that leads to it. */
function* keys(reference: Node, path = ''): Generator<[string, Node]> {
  const node = resolved(reference)
  for (const branch of node.anyOf ?? []) yield* keys(branch, path)
  for (const [key, value] of Object.entries(node.properties ?? {})) {
    yield [`${path}/${key}`, resolved(value)]
    yield* keys(value, `${path}/${key}`)
  }
  if (node.additionalProperties) yield* keys(node.additionalProperties, `${path}/*`)
  if (node.items) yield* keys(node.items, `${path}/-`)
}

describe('the JSON Schema of topology files', () => {
  it('says what it is', () => {
    expect(schema.$schema).to.equal('https://json-schema.org/draft/2020-12/schema')
    expect(JSON.parse(JSON.stringify(schema))).to.deep.equal(schema)
  })

  it('says each thing once, so that editors load it quickly', () => {
    expect(JSON.stringify(schema, null, 2).length).to.be.below(150_000)
  })

  it('describes every key', () => {
    const all = [...keys(schema)]
    expect(all.map(([path]) => path)).to.include.members([
      '/name',
      '/hosts/*/addresses',
      '/fabrics/*/ports/*/packet',
      '/fabrics/*/paths/-/delay',
      '/fabrics/*/ageing',
    ])
    for (const [path, { description }] of all) expect(description, path).to.match(/^[A-Z].*\.$/)
  })

  it('refuses unknown keys wherever keys are fixed', () => {
    const objects = function* (reference: Node): Generator<Node> {
      const node = resolved(reference)
      if (node.properties) yield node
      for (const branch of node.anyOf ?? []) yield* objects(branch)
      for (const value of Object.values(node.properties ?? {})) yield* objects(value)
      if (node.additionalProperties) yield* objects(node.additionalProperties)
      if (node.items) yield* objects(node.items)
    }
    for (const { additionalProperties } of objects(schema)) expect(additionalProperties).to.equal(false)
  })

  it('states the ranges and patterns that the checks have', () => {
    const valid = (port: object): boolean =>
      checkTopology({ fabrics: { a: { kind: 'hub', ports: { p: port } } } }).problems.length === 0
    const [, mtu] = [...keys(schema)].find(([path]) => path.endsWith('/mtu'))!
    for (const [value, right] of [
      [mtu.minimum! - 1, false],
      [mtu.minimum, true],
      [mtu.maximum, true],
      [mtu.maximum! + 1, false],
    ] as const)
      expect(valid({ tap: 't', mtu: value }), `mtu ${value}`).to.equal(right)
    const [, tap] = [...keys(schema)].find(([path]) => path.endsWith('/tap'))!
    for (const name of ['tap0', 'a'.repeat(15), 'a'.repeat(16), '', '..', 'a b', 'a/b', 'eth0.5'])
      expect(valid({ tap: name }), name).to.equal(new RegExp(tap.pattern!).test(name))
    const [, direction] = [...keys(schema)].find(([path]) => path.endsWith('/direction'))!
    expect(direction.enum).to.deep.equal(['in', 'out', 'both'])
  })

  it("takes the line's keys in a policy, and says what is wrong inside them", () => {
    const wrong = (policy: object) => {
      const checked = checkPolicy({ rate: '1Mbit', ...policy })
      return 'problems' in checked ? checked.problems.map(({ message }) => message) : []
    }
    const red = { min: '30kB', max: '90kB', probability: '2%' }
    for (const discipline of ['codel', { codel: { target: '5ms', ecn: true } }, { red }])
      expect(wrong({ discipline })).to.deep.equal([])
    expect(
      wrong({ burst: '64KiB', cell: { size: 48, overhead: 5 }, slot: { min: '1ms', frames: 3 } }),
    ).to.deep.equal([])
    expect(wrong({ discipline: { codel: { targt: '5ms' } } })).to.deep.equal([
      "unknown key 'targt'; did you mean 'target'?",
    ])
    expect(wrong({ discipline: { red: { min: '30kB' } } })).to.deep.equal(["'red' needs 'max'"])
    expect(wrong({ discipline: 'codl' })[0]).to.match(/did you mean 'codel'/)
    const distributed = { delay: '5ms', jitter: '1ms', distribution: 'normal' }
    expect(wrong({ slot: { ...distributed, bytes: '3kB' } })).to.deep.equal([])
    expect(wrong({ slot: { max: '5ms' } })).to.deep.equal([
      "'slot' must have 'min' or 'delay' and 'jitter' and 'distribution'",
    ])
    expect(wrong({ slot: { delay: '5ms', distribution: 'normal' } })).to.deep.equal(["'slot' needs 'jitter'"])
    expect(wrong({ slot: '5ms' })[0]).to.match(/'slot' must be a mapping with 'min', or/)
  })
})
