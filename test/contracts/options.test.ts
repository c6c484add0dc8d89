/**
 * Bad input: every option of every class out of range, of the wrong type and misspelt is refused with the right code,
 * in a sentence that names the option, what it must be, and the word that was probably meant. Nothing is half done.
 */
import { expect } from 'chai'
import {
  Engine,
  GeneratorPort,
  Hub,
  MemoryPort,
  Namespace,
  PacketPort,
  SplicePort,
  PatchPort,
  SinkPort,
  Switch,
  TapPort,
  VxlanPort,
  WebSocketPort,
  Wire,
  type Fabric,
  type WebSocketPortOptions,
} from '../../lib/index.js'
import { closing, join } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'

/** What an option must be, in the words of the message, and values that it is not. */
type Refused = [expects: string, ...values: unknown[]]

const notText: unknown[] = [5, true, null, {}, [], Symbol.iterator]
const notWhole: unknown[] = ['5', 1.5, NaN, Infinity, true, null, {}, [], 5n]
const notFlag: unknown[] = ['true', 0, 1, null, {}, []]

const name: Refused = [
  "a name of 1 to 64 characters without spaces, '/', ',' or '>'",
  ...['', 'x'.repeat(65), 'a b', 'a/b', 'a,b', 'a>b', '.a', ...notText],
]
const interfaceName: Refused = [
  "an interface name of 1 to 15 characters without spaces, '/' or ':'",
  ...['', 'sixteen-letters!', 'a b', 'a/b', 'a:b', '.', '..', ...notText],
]
const seed: Refused = [
  'a whole number from 0 to 2^64 - 1 (a bigint above 2^53 - 1)',
  ...[-1, -1n, 1n << 64n, 2 ** 53, 1.5, NaN, '5', true, null, {}, []],
]
const notUnits: unknown[] = [5, '5', '', 'ms', '5 parsecs', '1e3ms', '-1ms', '5  ms', true, null, {}, [], 5n]
const duration = (...more: unknown[]): Refused => [
  'a duration from 0s to 365 days in ns, us, ms, s, min or h',
  ...['8761h', '1B', ...notUnits, ...more],
]
const probability: Refused = [
  'a probability from 0 to 1',
  ...[-0.1, 1.1, NaN, '0.5', '150%', '-5%', true, null, []], // and mappings, whose own options are refused
]
const flag: Refused = ['true or false', ...notFlag]
const whole = (range: string, ...outside: number[]): Refused => [
  `a whole number ${range}`,
  ...outside,
  ...notWhole,
]
const namespace: Refused = [
  "a Namespace, a path such as '/run/netns/red' or a name such as 'red'",
  ...['', 5, true, null, {}, []],
]

const mac: Refused = [
  "a MAC address such as '02:00:00:00:00:01'",
  ...['02:00:00:00:00', '02-00-00-00-00-01', 'g2:00:00:00:00:01', ...notText],
]

const fabric: Record<string, Refused> = {
  name,
  forwarding: ["one of 'allow', 'deny'", 'Allow', 'drop', true, 0, null, {}],
  engine: ['an Engine, or the options of one', 5, 'engine', true, null, []],
}

/** Per class: how one is made from options, options that it needs anyway, and every option with what it is not. */
const classes: Record<
  string,
  { make: (options: object) => unknown; needs?: object; options: Record<string, Refused> }
> = {
  Engine: {
    make: (options) => new Engine(options),
    options: {
      name,
      clock: ["one of 'real', 'virtual'", 'Virtual', 'fake', true, 0, null, {}],
      workers: whole('from 1 to 64', 0, -1, 65),
      seed,
      memory: ['1MiB to 64GiB', '1023KiB', '65GiB', '0B'],
    },
  },
  Hub: { make: (options) => new Hub(options), options: fabric },
  Switch: {
    make: (options) => new Switch(options),
    options: {
      ...fabric,
      ageing: duration(),
      addresses: whole('from 1 to 1048576', 0, -1, 1_048_577),
      forwardReserved: flag,
    },
  },
  Wire: { make: (options) => new Wire(options), options: fabric },
  WebSocketPort: {
    make: (options) => new WebSocketPort(options as WebSocketPortOptions),
    needs: { websocket: 'ws://127.0.0.1:8080/' },
    options: {
      websocket: [
        "a URL such as 'ws://127.0.0.1:8080/', without a user or a fragment",
        ...['', 'http://host/', 'ws://', '127.0.0.1:80', 'ws://me:pw@host/', 'ws://host/#a', ...notText],
      ],
      token: ["8 to 128 letters, digits, '-', '.', '_' or '~'", '', 'short', 'with spaces', ...notText],
      pad: flag,
      name,
    },
  },
  MemoryPort: {
    make: (options) => new MemoryPort(options),
    options: {
      name,
      queueLimit: whole('from 1 to 1000000 frames', 0, -1, 1_000_001),
      frameLimit: whole('from 64 to 69632 bytes', 63, -1, 69_633),
    },
  },
  'PatchPort.pair': {
    make: (options) => PatchPort.pair(options),
    options: {
      names: ['a list', 'ab', 5, true, null, {}],
      frameLimit: whole('from 64 to 69632 bytes', 63, -1, 69_633),
    },
  },
  SinkPort: { make: (options) => new SinkPort(options), options: { name } },
  GeneratorPort: {
    make: (options) => new GeneratorPort(options),
    options: {
      name,
      length: whole('from 22 to 1514 bytes', 21, -1, 1515),
      count: whole('from 1 to 9007199254740991 frames', 0, -1, 2 ** 53),
      source: mac,
      destination: mac,
    },
  },
  TapPort: {
    make: (options) => new TapPort(options),
    options: {
      interface: interfaceName,
      name,
      mtu: whole('from 68 to 65521 bytes', 67, -1, 65_522),
      mac,
      addresses: ['a list', '10.0.0.1/24', 5, true, null, {}],
      up: flag,
      owner: whole('from 0 to 4294967294', -1, 4_294_967_295),
      queues: whole('from 1 to 64', 0, 65),
      group: whole('from 0 to 4294967294', -1, 4_294_967_295),
      persist: flag,
      writeback: flag,
      namespace,
      fd: whole('from 0 to 2147483647', -1, 2_147_483_648),
    },
  },
  VxlanPort: {
    make: (options) => new VxlanPort(options as never),
    needs: { local: '10.0.0.1', vni: 1 },
    options: {
      name,
      local: [
        'an IPv4 or IPv6 address',
        '',
        'localhost',
        '10.0.0.1/24',
        '10.0.0.256',
        'fe80::1%eth0',
        ...notText,
      ],
      vni: whole('from 0 to 16777215', -1, 1 << 24),
      peers: [
        'a list of at most 256 IP addresses',
        '10.0.0.2',
        5,
        true,
        null,
        {},
        Array(257).fill('10.0.0.2'),
      ],
      udpPort: whole('from 1 to 65535', 0, 65_536),
      checksum: flag,
      ageing: duration(),
      addresses: whole('from 1 to 1048576', 0, (1 << 20) + 1),
      frameLimit: whole('from 64 to 65499 bytes', 63, 65_500),
      namespace,
    },
  },
  PacketPort: {
    make: (options) => new PacketPort(options as never),
    needs: { interface: 'eth0' },
    options: {
      interface: interfaceName,
      name,
      method: ["one of 'ring', 'calls'", 'Ring', 'mmap', true, 0, null, {}],
      direction: ["one of 'in', 'out', 'both'", 'In', 'inout', true, 0, null, {}],
      promiscuous: flag,
      namespace,
    },
  },
  SplicePort: {
    make: (options) => new SplicePort(options as never),
    needs: { interface: 'eth0' },
    options: { interface: interfaceName, name, namespace },
  },
}

/** The option with a letter too many. */
const misspell = (option: string): string => `${option}x`

describe('Bad input', () => {
  for (const [owner, { make, needs, options }] of Object.entries(classes)) {
    describe(owner, () => {
      for (const [option, [expects, ...values]] of Object.entries(options)) {
        it(`refuses ${option} that is not ${expects}`, async () => {
          for (const value of values) {
            const error = await refusal(() => make({ ...needs, [option]: value }))
            expect(error.code, String(value)).to.equal('ERR_ETHERLOOM_OPTION')
            expect(error.message, String(value)).to.contain(`option '${option}' of ${owner} must be `)
            expect(error.message, String(value)).to.contain(expects)
          }
        })
      }

      it('refuses misspelt options and says which one was meant', async () => {
        for (const option of Object.keys(options)) {
          const error = await refusal(() => make({ ...needs, [misspell(option)]: 'x' }))
          expect(error.code).to.equal('ERR_ETHERLOOM_UNKNOWN_OPTION')
          expect(error.message).to.equal(
            `unknown option '${misspell(option)}' of ${owner}; did you mean '${option}'?`,
          )
        }
      })

      it('refuses options that are no object', async () => {
        for (const wrong of [null, 5, 'x', true, []]) {
          const error = await refusal(() => make(wrong as never))
          expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
          expect(error.message).to.contain(`options of ${owner} must be an object, not `)
        }
      })
    })
  }

  it('names the word that was meant by a value', async () => {
    const meant: [() => unknown, string][] = [
      [() => new Engine({ clock: 'vitrual' as never }), "did you mean 'virtual'?"],
      [() => new Hub({ forwarding: 'dney' as never }), "did you mean 'deny'?"],
      [() => new Switch({ ageing: '5sec' as never }), 'a duration from 0s to 365 days'],
      [() => new Engine({ memory: '64MIB' as never }), "did you mean '64MiB'?"],
      [() => new PacketPort({ interface: 'eth0', direction: 'bot' as never }), "did you mean 'both'?"],
    ]
    for (const [call, words] of meant) expect((await refusal(call)).message).to.contain(words)
  })

  it('refuses what an option needs or excludes', async () => {
    const wrong: [() => unknown, string][] = [
      [() => new PacketPort({} as never), "option 'interface' of PacketPort is required"],
      [
        () => new TapPort({ mac: '01:00:00:00:00:01' }),
        "option 'mac' of TapPort must be the address of one interface",
      ],
      [
        () => new GeneratorPort({ source: 'ff:ff:ff:ff:ff:ff' }),
        "option 'source' of GeneratorPort must be the address of one interface",
      ],
      [
        () => new TapPort({ addresses: ['10.0.0.1/24', '10.0.0.1/33'] }),
        "entry 2 of option 'addresses' of TapPort must be an IPv4 or IPv6 address with its prefix length",
      ],
      [() => new TapPort({ addresses: ['fd00::1'] }), "not 'fd00::1'"],
      [() => new TapPort({ fd: 5, mtu: 9000 }), "option 'fd' of TapPort must be given without 'mtu'"],
      [
        () => PatchPort.pair({ names: ['a'] as never }),
        "option 'names' of PatchPort.pair must be a list of two names",
      ],
      [() => PatchPort.pair({ names: ['a', 'b', 'c'] as never }), 'must be a list of two names'],
      [
        () => PatchPort.pair({ names: ['a', 'b c'] }),
        "entry 2 of option 'names' of PatchPort.pair must be a name",
      ],
      [
        () => new Engine({ workers: 4, memory: '3MiB' }),
        "option 'memory' of Engine must be at least 1MiB for each of 4 workers, not '3MiB'",
      ],
    ]
    for (const [call, words] of wrong) {
      const error = await refusal(call)
      expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(error.message).to.contain(words)
    }
  })

  it('refuses bad options of an own engine in the same way, and leaves no engine behind', async () => {
    const error = await refusal(() => new Hub({ engine: { workres: 2 } as never }))
    expect(error.code).to.equal('ERR_ETHERLOOM_UNKNOWN_OPTION')
    expect(error.message).to.equal("unknown option 'workres' of Engine; did you mean 'workers'?")
  })

  it('refuses filters that do not compile', async () => {
    for (const filter of ['no such word', { vlan: 4096 }, { vlna: 5 }, {}, 5, null, []])
      expect(
        (await refusal(() => new PacketPort({ interface: 'eth0', filter: filter as never }))).code,
      ).to.equal('ERR_ETHERLOOM_FILTER')
  })

  it('refuses namespaces that do not exist, and names that are none', async () => {
    expect((await refusal(Namespace.open('no-such-namespace'))).code).to.equal('ERR_ETHERLOOM_NAMESPACE')
    expect((await refusal(Namespace.open('/proc/self/status'))).code).to.equal('ERR_ETHERLOOM_NAMESPACE')
    for (const wrong of ['', 5, null, undefined, {}])
      expect((await refusal(Namespace.open(wrong as never))).code).to.equal('ERR_ETHERLOOM_OPTION')
  })

  describe('path policy', () => {
    const closes = closing()
    const makePath = async () => {
      const hub: Fabric = closes(new Hub({ engine: { clock: 'virtual' } }))
      const [a, b] = await join(hub, 'a', 'b')
      return hub.path(a, b)
    }
    const options: Record<string, Refused> = {
      delay: duration(),
      jitter: duration(),
      loss: probability,
      duplicate: probability,
      corrupt: probability,
      reorder: probability,
      rate: [
        'a rate per second from 1bit to 1Tbit in bit, kbit, Mbit, Gbit or Tbit',
        '0bit',
        '2Tbit',
        '1B',
        ...notUnits,
      ],
      overhead: whole('from -1000 to 1000 bytes', -1001, 1001),
      queue: ["a queue limit such as '200ms', '64KiB' or '50frames'", '1Mbit', '-1frames', ...notUnits],
      trace: ['the name of a file, rows, or an object with one of them', 5, true, null, 5n],
      seed,
    }

    for (const [option, [expects, ...values]] of Object.entries(options)) {
      it(`refuses ${option} that is not ${expects}, and changes nothing`, async () => {
        const path = await makePath()
        await path.allow({ delay: '1ms' })
        for (const value of values) {
          const error = await refusal(path.allow({ [option]: value }))
          expect(error.code, String(value)).to.equal('ERR_ETHERLOOM_OPTION')
          expect(error.message, String(value)).to.contain(`option '${option}' of path policy must be `)
          expect(error.message, String(value)).to.contain(expects)
        }
        expect(path.policy).to.deep.equal({ allowed: true, delay: '1ms' })
      })
    }

    it('refuses misspelt options and says which one was meant', async () => {
      const path = await makePath()
      for (const option of [...Object.keys(options), 'filter', 'allowed']) {
        const error = await refusal(path.set({ allowed: true, [misspell(option)]: 0 }))
        expect(error.code).to.equal('ERR_ETHERLOOM_UNKNOWN_OPTION')
        expect(error.message).to.equal(
          `unknown option '${misspell(option)}' of path policy; did you mean '${option}'?`,
        )
      }
    })

    it('refuses queues out of range and combinations that mean nothing', async () => {
      const path = await makePath()
      const wrong: [object, string][] = [
        [{ queue: '10frames' }, "option 'rate' of path policy must be given with 'queue'"],
        [{ overhead: 24 }, "option 'rate' of path policy must be given with 'overhead'"],
        [{ rate: '1Mbit', queue: '1000000001frames' }, 'from 0 to 1000000000 frames'],
        [{ rate: '1Mbit', queue: '8761h' }, 'a duration from 0s to 365 days'],
        [{ rate: '1Mbit', queue: '1025GiB' }, 'a size from 0B to 1024GiB'],
        [{ reorder: 0.5 }, "option 'delay' of path policy must be above 0 with 'reorder'"],
        [{ reorder: 0.5, delay: '0s' }, "option 'delay' of path policy must be above 0 with 'reorder'"],
      ]
      for (const [policy, words] of wrong) {
        const error = await refusal(path.allow(policy))
        expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
        expect(error.message).to.contain(words)
      }
    })

    it('refuses what is no policy', async () => {
      const path = await makePath()
      for (const wrong of [undefined, 5, 'x', true, []])
        expect((await refusal(path.set(wrong as never))).code).to.equal('ERR_ETHERLOOM_OPTION')
      for (const wrong of [null, 5, 'x', true, []])
        expect((await refusal(path.allow(wrong as never))).code).to.equal('ERR_ETHERLOOM_OPTION')
    })

    it('refuses wrong options of a change', async () => {
      const path = await makePath()
      expect((await refusal(path.allow({}, { fluhs: true } as never))).message).to.equal(
        "unknown option 'fluhs' of a change; did you mean 'flush'?",
      )
      for (const wrong of notFlag)
        expect((await refusal(path.allow({}, { flush: wrong } as never))).code).to.equal(
          'ERR_ETHERLOOM_OPTION',
        )
    })
  })

  describe('ports of a fabric', () => {
    const closes = closing()

    const group = '01:00:5e:00:00:01'
    const station = '02:00:00:00:00:01'
    const wrong: [object, string][] = [
      [{ delay: 10 }, "option 'delay' of attach must be a duration from 0s to 365 days"],
      [{ delya: '10ms' }, "unknown option 'delya' of attach; did you mean 'delay'?"],
      [{ receive: 'all' }, 'options of receive must be an object'],
      [{ receive: null }, 'options of receive must be an object'],
      [{ receive: {} }, "option 'addresses' of receive is required"],
      [{ receive: { broadcast: false } }, "option 'addresses' of receive is required"],
      [{ receive: { addresses: station } }, "option 'addresses' of receive must be a list"],
      [{ receive: { addresses: [group] } }, 'must be the address of one station (an even first byte)'],
      [{ receive: { addresses: [], multicast: [station] } }, 'must be a group address (an odd first byte)'],
      [{ receive: { addresses: [], multicast: 'all' } }, 'must be true, false or a list of group addresses'],
      [{ receive: { promiscous: true } }, "did you mean 'promiscuous'?"],
      [{ storm: 100 }, 'options of storm must be an object'],
      [
        { storm: { broadcast: -1 } },
        "option 'broadcast' of storm must be a whole number from 0 to 10000000 frames a second, not -1",
      ],
      [{ storm: { multicast: 1.5 } }, "option 'multicast' of storm must be a whole number"],
      [{ storm: { unknown: '10' } }, "option 'unknown' of storm must be a whole number"],
      [{ storm: { brodcast: 10 } }, "unknown option 'brodcast' of storm; did you mean 'broadcast'?"],
    ]
    for (const [options, words] of wrong) {
      it(`refuses ${JSON.stringify(options)}, and changes nothing`, async () => {
        const hub = closes(new Hub({ engine: { clock: 'virtual' } }))
        const late = new MemoryPort({ name: 'late' })
        expect((await refusal(hub.attach(late, options))).message).to.contain(words)
        expect([late.state, hub.ports.size]).to.deep.equal(['detached', 0])
        await hub.attach(late, { delay: '10ms' })
        const error = await refusal(hub.configure(late, options))
        expect(error.code).to.match(/^ERR_ETHERLOOM_(UNKNOWN_)?OPTION$/)
        expect(error.message).to.contain(words)
      })
    }

    it('refuses to configure a port that it has not', async () => {
      const hub = closes(new Hub({ engine: { clock: 'virtual' } }))
      expect((await refusal(hub.configure('late', {}))).code).to.equal('ERR_ETHERLOOM_NAME')
    })
    it('refuses what is no port', async () => {
      const hub = closes(new Hub({ engine: { clock: 'virtual' } }))
      for (const wrong of [undefined, null, 5, {}, { name: 'x' }])
        for (const call of [
          () => hub.attach(wrong as never),
          () => hub.detach(wrong as never),
          () => hub.path(wrong as never, 'x'),
        ])
          expect((await refusal(call)).code).to.equal('ERR_ETHERLOOM_OPTION')
    })
  })
})
