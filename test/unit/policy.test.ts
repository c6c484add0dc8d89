/** Policies in numbers, and the records in which they cross to the native half. */
import { expect } from 'chai'
import { PolicyRecords } from '../../lib/policy-records.js'
import { readPolicy, type Policy } from '../../lib/policy.js'

describe('readPolicy', () => {
  const partsOf = (policy: object) => readPolicy({ allowed: true, ...policy }).parts

  it('leaves out what does nothing', () => {
    expect(readPolicy({ allowed: true })).to.deep.equal({ allowed: true, seed: undefined, parts: [] })
    expect(partsOf({ loss: 0, duplicate: 0, delay: '0s', jitter: '0s', reorder: 0 })).to.deep.equal([])
  })

  it('gives times in nanoseconds, rates in bits per second, limits with their unit', () => {
    const words = (policy: object) => partsOf(policy).map((part) => part.words)
    expect(words({ delay: '1.5ms', jitter: '10us' })).to.deep.equal([[1_500_000n, 10_000n, 0, 0, 0, 1n, 0]])
    expect(words({ rate: '54Mbit', overhead: 24 })).to.deep.equal([[54_000_000n, 24n, 0n, 0n]])
    expect(words({ rate: '1bit', queue: '7frames' })).to.deep.equal([[1n, 0n, 1n, 7n]])
    expect(words({ rate: '1bit', queue: '64KiB' })).to.deep.equal([[1n, 0n, 2n, 65_536n]])
    expect(words({ rate: '1bit', queue: '2ms' })).to.deep.equal([[1n, 0n, 3n, 2_000_000n]])
    expect(readPolicy({ allowed: true, seed: 5 }).seed).to.equal(5n)
  })

  it('gives the parts in the order of their kinds, whatever the order of the options', () => {
    const kinds = partsOf({ corrupt: 0.1, loss: 0.25, rate: '1Mbit', delay: '1ms' }).map((part) => part.kind)
    expect(kinds).to.deep.equal([1, 2, 18, 20])
  })
})

describe('PolicyRecords', () => {
  const bytesOf = (...policies: Policy[]) => {
    const records = new PolicyRecords(() => 0)
    expect(policies.map((policy) => records.add(readPolicy(policy)))).to.deep.equal([...policies.keys()])
    return Buffer.from(records.bytes)
  }

  it('stand one behind the other, however many there are', () => {
    const policies = Array.from({ length: 100 }, (_, index): Policy => ({
      allowed: true,
      delay: `${index}ms`,
      ...(index % 2 ? { loss: 0.5 } : { filter: { vlan: index } }),
    }))
    const alone = policies.map((policy) => bytesOf(policy))
    expect(bytesOf(...policies).equals(Buffer.concat(alone))).to.equal(true)
    expect(bytesOf()).to.have.length(0)
  })

  it('hold the largest numbers that a policy can have', () => {
    const bytes = bytesOf({ allowed: true, delay: '8760h', seed: (1n << 64n) - 1n })
    expect(bytes.readBigUInt64LE(8)).to.equal((1n << 64n) - 1n)
    expect(bytes.readBigUInt64LE(24)).to.equal(365n * 24n * 3_600_000_000_000n)
  })

  it('are the same for policies that mean the same, and only for those', () => {
    const key = (policy: Omit<Policy, 'allowed'>, allowed = true) =>
      bytesOf({ ...policy, allowed }).toString('hex')
    const same: [Omit<Policy, 'allowed'>, Omit<Policy, 'allowed'>][] = [
      [{ delay: '1ms' }, { delay: '1000us' }],
      [{ loss: 0 }, {}],
      [{ loss: -0, reorder: -0 }, {}],
      [
        { delay: '1ms', loss: 0.5 },
        { loss: 0.5, delay: '1ms' },
      ],
      [{ seed: 5 }, { seed: 5n }],
      [{ filter: { vlan: 5 } }, { filter: { all: [{ vlan: 5 }] } }],
    ]
    for (const [one, other] of same) expect(key(one)).to.equal(key(other))
    const different: Omit<Policy, 'allowed'>[] = [
      {},
      { delay: '1ms' },
      { delay: '2ms' },
      { jitter: '1ms' },
      { loss: 0.1 },
      { loss: 0.1 + Number.EPSILON },
      { duplicate: 0.1 },
      { corrupt: 0.1 },
      { delay: '1ms', reorder: 0.1 },
      { rate: '1Mbit' },
      { rate: '1Mbit', overhead: 24 },
      { rate: '1Mbit', queue: '10frames' },
      { rate: '1Mbit', queue: '10B' },
      { rate: '1Mbit', queue: '10ns' },
      { seed: 0 },
      { filter: { vlan: 5 } },
      { filter: { vlan: 6 } },
    ]
    const keys = [...different.map((policy) => key(policy)), key({}, false)]
    expect(new Set(keys).size).to.equal(keys.length)
  })
})
