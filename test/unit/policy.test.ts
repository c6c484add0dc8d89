/** Policies in numbers, and the records in which they cross to the native half. */
import { expect } from 'chai'
import { delayTable } from '../../lib/policy/lines/delay-tables.js'
import { nameWords, partKinds } from '../../lib/policy/parts.js'
import { PolicyRecords } from '../../lib/policy/records.js'
import { readPolicy, type Policy } from '../../lib/policy/policy.js'

describe('readPolicy', () => {
  const partsOf = (policy: object) => readPolicy({ allowed: true, ...policy }).parts

  it('leaves out what does nothing', () => {
    expect(readPolicy({ allowed: true })).to.deep.include({ allowed: true, seed: undefined, parts: [] })
    expect(partsOf({ loss: 0, duplicate: 0, delay: '0s', jitter: '0s', reorder: 0 })).to.deep.equal([])
  })

  it('gives times in nanoseconds, rates in bits per second, limits with their unit', () => {
    const words = (policy: object) => partsOf(policy).map((part) => part.words)
    expect(words({ delay: '1.5ms', jitter: '10us' })).to.deep.equal([
      [1_500_000n, 10_000n, 0, 0, 0, 1n, 0, 0n, 0n],
    ])
    const line = (policy: object) => words(policy)[0]
    const rest = new Array<bigint>(10).fill(0n)
    expect(line({ rate: '54Mbit', overhead: 24 })).to.deep.equal([54_000_000n, 24n, 0n, 0n, ...rest])
    expect(line({ rate: '1bit', queue: '7frames' })).to.deep.equal([1n, 0n, 1n, 7n, ...rest])
    expect(line({ rate: '1bit', queue: '64KiB' })).to.deep.equal([1n, 0n, 2n, 65_536n, ...rest])
    expect(line({ rate: '1bit', queue: '2ms' })).to.deep.equal([1n, 0n, 3n, 2_000_000n, ...rest])
    const more = {
      burst: '1KiB',
      cell: { size: 48, overhead: 5 },
      slot: { min: '1us', frames: 2, bytes: '3B' },
    }
    expect(line({ rate: '1bit', ...more })?.slice(4)).to.deep.equal([
      1024n,
      48n,
      5n,
      1000n,
      0n,
      0n,
      0n,
      2n,
      3n,
      0n,
    ])
    const table = delayTable('pareto')
    const slot = { delay: '1us', jitter: '2ns', distribution: 'pareto' }
    expect(line({ slot })?.slice(7)).to.deep.equal([1000n, 2n, 1n, table, 0n, 0n, 0n])
    expect(readPolicy({ allowed: true, seed: 5 }).seed).to.equal(5n)
  })

  it('gives disciplines with the defaults of tc', () => {
    const discipline = (value: object | string) =>
      partsOf({ rate: '1Mbit', discipline: value })[0]?.words.slice(13)
    expect(discipline('codel')).to.deep.equal([...nameWords('codel'), 5_000_000n, 100_000_000n, 0n])
    expect(discipline({ codel: { target: '1ms', ecn: true } })).to.deep.equal([
      ...nameWords('codel'),
      1_000_000n,
      100_000_000n,
      1n,
    ])
    // tc: 50 frames of burst by (2 · 30 + 90) / 3; 2^-5 is the first weight at which 21 <= (1 - (1 - w)^50) / w.
    const red = { min: '30kB', max: '90kB' }
    expect(discipline({ red })).to.deep.equal([...nameWords('red'), 30_000n, 90_000n, 0.02, 1000n, 5n, 0n])
    expect(discipline({ red: { ...red, burst: 31 } })?.[6]).to.equal(2n) // 2 <= (1 - (1 - w)^31) / w
    expect(discipline('tail-drop')).to.deep.equal(partsOf({ rate: '1Mbit' })[0]?.words.slice(13))
  })

  it('refuses lines that make no sense, and says what would', () => {
    const rate = '1Mbit'
    const wrong: [object, RegExp][] = [
      [{ burst: '1KiB' }, /'rate' of path policy must be given with 'burst'/],
      [{ cell: { size: 48 } }, /given with 'cell'/],
      [{ discipline: 'codel' }, /given with 'discipline'/],
      [{ slot: { min: '1ms' }, discipline: { red: { min: '2kB', max: '4kB' } } }, /given with 'discipline'/],
      [{ slot: { min: '1ms' }, overhead: 24 }, /given with 'overhead'/],
      [{ slot: { min: '1ms' }, queue: '1ms' }, /'queue' of path policy must be in frames or bytes/],
      [{ slot: { min: '2ms', max: '1ms' } }, /'max' of slot must be at least min, 2ms, not '1ms'/],
      [{ slot: { min: '0s' } }, /'min' of slot must be above 0/],
      [{ slot: {} }, /'min' of slot is required/],
      [{ slot: { delay: '1ms', jitter: '1ms' } }, /'distribution' of slot with a distribution is required/],
      [
        { slot: { delay: '1ms', distribution: 'normal' } },
        /'jitter' of slot with a distribution is required/,
      ],
      [{ slot: { delay: '1ms', jitter: '0s', distribution: 'normal' } }, /'jitter' .* must be above 0/],
      [{ slot: { min: '1ms', distribution: 'normal' } }, /unknown option 'min' of slot with a distribution/],
      [
        { slot: { delay: '1ms', jitter: '1ms', distribution: 'uniform' } },
        /must be one of 'normal', 'pareto', 'paretonormal', \{ file \} or \{ table \}, not 'uniform'/,
      ],
      [{ rate, burst: '0B' }, /'burst' of path policy must be from 1B to 1GiB/],
      [{ rate, burst: '2GiB' }, /'burst' of path policy must be from 1B to 1GiB/],
      [{ rate, cell: {} }, /'size' of cell is required/],
      [{ rate, cell: { size: 0 } }, /'size' of cell must be a whole number from 1 to 65535 bytes/],
      [{ rate, overhead: -1001 }, /'overhead' of path policy must be/],
      [{ rate, discipline: 'fq' }, /'discipline' of path policy must be 'tail-drop', 'codel'/],
      [{ rate, discipline: { codel: {}, red: {} } }, /'discipline' of path policy must be/],
      [{ rate, discipline: { codel: { interval: '0s' } } }, /'interval' of codel must be above 0/],
      [{ rate, discipline: { codel: { targets: '1ms' } } }, /unknown option 'targets' of codel/],
      [{ rate, discipline: { red: { max: '2kB' } } }, /'min' of red is required/],
      [{ rate, discipline: { red: { min: '1kB', max: '2kB' } } }, /'min' of red must be above averageFrame/],
      [{ rate, discipline: { red: { min: '2kB', max: '2kB' } } }, /'max' of red must be above min/],
      [
        { rate, discipline: { red: { min: '9kB', max: '20kB', burst: 8 } } },
        /'burst' of red must be at least/,
      ],
    ]
    for (const [policy, message] of wrong) expect(() => partsOf(policy)).to.throw(message)
  })

  it('refuses what is within itself', () => {
    const [policy, ecn]: [Record<string, unknown>, unknown[]] = [{}, []]
    policy.discipline = policy
    ecn.push(ecn, ecn)
    const within = 'what a path policy is made of must be at most 100 deep, and not within itself'
    expect(() => partsOf(policy)).to.throw(within)
    expect(() => partsOf({ ecn })).to.throw(within)
  })

  it('gives the parts in the order of their kinds, whatever the order of the options', () => {
    const parts = partsOf({ corrupt: 0.1, loss: 0.25, rate: '1Mbit', delay: '1ms' })
    const { line, travel, impairment } = partKinds
    expect(parts.map((part) => part.kind)).to.deep.equal([line, travel, impairment, impairment])
    for (const [at, name] of ['loss', 'corrupt'].entries())
      expect(parts[2 + at]!.words.slice(0, 2)).to.deep.equal(nameWords(name))
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
      { rate: '1Mbit', burst: '10kB' },
      { rate: '1Mbit', cell: { size: 48 } },
      { rate: '1Mbit', cell: { size: 48, overhead: 5 } },
      { rate: '1Mbit', discipline: 'codel' },
      { rate: '1Mbit', discipline: { codel: { ecn: true } } },
      { rate: '1Mbit', discipline: { red: { min: '10kB', max: '20kB' } } },
      { slot: { min: '1ms' } },
      { slot: { min: '1ms', frames: 1 } },
      { slot: { delay: '1ms', jitter: '1ms', distribution: 'normal' } },
      { seed: 0 },
      { filter: { vlan: 5 } },
      { filter: { vlan: 6 } },
    ]
    const keys = [...different.map((policy) => key(policy)), key({}, false)]
    expect(new Set(keys).size).to.equal(keys.length)
  })
})
