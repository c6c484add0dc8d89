/** Topology files: what is read, and where and how each mistake is reported. */
import { readdirSync } from 'node:fs'
import { expect } from 'chai'
import { inspectTopology, loadTopology, parseTopology } from '../../lib/topology/load.js'
import { writeYaml } from '../../lib/topology/yaml.js'

/** The mistakes in a text, as `line:column message`. */
async function mistakes(text: string): Promise<string[]> {
  const { problems } = await inspectTopology(text, 'lab.yaml')
  for (const { file } of problems) expect(file).to.equal('lab.yaml')
  return problems.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

/** A hub with two TAPs and one line of your own, on line 7. */
const withPath = (path: string): string => `fabrics:
  wifi:
    kind: hub
    ports:
      red: { tap: t-red }
      green: { tap: t-green }
    paths: [${path}]
`
/** The same with a port of your own, on line 5. */
const withPort = (port: string): string => `fabrics:
  wifi:
    kind: hub
    ports:
      red: ${port}
`

describe('topology files', () => {
  it('say the same in YAML and JSON', async () => {
    const yaml = withPath('{ between: [red, green], delay: 5ms, loss: 2% }')
    const json = JSON.stringify({
      fabrics: {
        wifi: {
          kind: 'hub',
          ports: { red: { tap: 't-red' }, green: { tap: 't-green' } },
          paths: [{ between: ['red', 'green'], delay: '5ms', loss: 0.02 }],
        },
      },
    })
    expect(await parseTopology(yaml)).to.deep.equal(await parseTopology(json))
  })

  it('may use anchors and aliases', async () => {
    const topology = await parseTopology(
      withPath('{ from: red, to: green, delay: &far 5ms }, { from: green, to: red, delay: *far }'),
    )
    expect(topology.fabrics.wifi?.paths?.[1]).to.include({ delay: '5ms' })
  })

  it('take keys as they are written, also those that YAML resolves', async () => {
    const { fabrics, hosts } = await parseTopology(`hosts: { 1: , null: , true: , on: , 010: , 1e3: }
fabrics: { 7: { kind: hub, ports: { 1: { host: '1' }, null: { host: 'null' }, 1e3: { host: '1e3' } } } }`)
    expect(Object.keys(hosts ?? {})).to.have.members(['1', 'null', 'true', 'on', '010', '1e3'])
    expect(Object.keys(fabrics['7']?.ports ?? {})).to.have.members(['1', 'null', '1e3'])
  })

  it('refuse keys that cannot be names', async () => {
    expect(await mistakes('hosts: { __proto__: }')).to.include(
      "1:10 '__proto__' cannot be a name, take another",
    )
    expect(await mistakes('{ [a, b]: 1 }')).to.include('1:3 a key must be one word')
  })

  it('say that a value is a word in quotes where that is what is wrong with it', async () => {
    expect(await mistakes(`hosts: { 1: }\n${withPort('{ host: 1 }')}`)).to.deep.equal([
      "6:20 'host' must be 1 to 63 letters, digits, '-' or '_', not 1; in quotes it is a word: '1'",
    ])
    expect(await mistakes(withPort('{ host: 1.5 }'))).to.deep.equal([
      "5:20 'host' must be 1 to 63 letters, digits, '-' or '_', not 1.5",
    ])
  })

  it('are written so that readers of YAML 1.1 read the same', async () => {
    const words = [
      'no',
      'on',
      'Off',
      'y',
      'null',
      '~',
      '1',
      '1e3',
      '010',
      '0x1f',
      '1_000',
      '52:54:00:12:34:56',
      '12:30',
      '2026-01-01',
      '=',
      'red',
      '10.0.0.1/24',
      '5ms',
    ]
    const value = Object.fromEntries(words.map((word) => [word, word]))
    const text = await writeYaml(value)
    const { parse } = await import('yaml')
    for (const version of ['1.1', '1.2'] as const)
      expect(parse(text, { version }), version).to.deep.equal(value)
    expect(text).to.contain('"52:54:00:12:34:56": "52:54:00:12:34:56"').and.to.contain('\nred: red\n')
  })

  it('are written so that texts of several lines read as they were', async () => {
    const { parse } = await import('yaml')
    for (const words of ['delay \n1ms\n \n\n ', ' \n', 'a b\n \nc', '#!/bin/sh\necho  a \n\t\ndone\n'].concat(
      ` port 80${' '.repeat(46)}and host 10.0.0.1\n\n`,
      ` rate 1Mbit${' '.repeat(60)}\n5`,
    ))
      expect(parse(await writeYaml({ words }))).to.deep.equal({ words })
    expect(await writeYaml({ script: '#!/bin/sh\ndone\n' })).to.equal('script: |\n  #!/bin/sh\n  done\n')
  })

  for (const file of readdirSync('examples').filter((name) => /\.(yaml|json)$/.test(name)))
    it(`examples/${file} is valid`, async () => {
      expect((await loadTopology(`examples/${file}`)).fabrics).to.not.equal(undefined)
    })

  it('throw all mistakes at once, each with its place', async () => {
    const text = withPath('{ between: [red, green], delay: 5 mz }, { from: red }')
    const error = await parseTopology(text, 'lab.yaml').then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    expect(error).to.have.property('code', 'ERR_ETHERLOOM_TOPOLOGY')
    expect(error?.message.split('\n')).to.deep.equal([
      "lab.yaml:7:45: 'delay' must be a duration from 0s to 365 days in ns, us, ms, s, min or h, not '5 mz'; did you mean '5ms'?",
      "lab.yaml:7:53: entry 2 of 'paths' needs 'to'",
    ])
  })

  it('that cannot be read say so', async () => {
    const error = await loadTopology('no/such/file.yaml').catch((error: unknown) => error as Error)
    expect(error).to.include({ code: 'ERR_ETHERLOOM_TOPOLOGY' })
    expect((error as Error).message).to.contain('no/such/file.yaml (ENOENT)')
  })

  describe('mistakes of YAML', () => {
    const broken: [string, string, RegExp][] = [
      ['nothing', '', /^1:1 the topology must be a mapping$/],
      ['a list', '- a', /^1:1 the topology must be a mapping$/],
      ['a list without end', 'fabrics: [1\nname: x', /^2:1 /],
      ['a key twice', 'name: a\nname: b\nfabrics: {}', /^2:1 Map keys must be unique$/],
      ['an alias without anchor', 'name: *x\nfabrics: {}', /^1:7 no anchor 'x' before this alias$/],
      ['two documents', 'fabrics: {}\n---\nfabrics: {}', /^2:1 Source contains multiple documents$/],
      ['an unknown tag', 'fabrics: !foo {}', /^1:10 Unresolved tag: !foo$/],
      ['JSON without end', '{"fabrics": {', /^1:14 /],
    ]
    for (const [what, text, message] of broken)
      it(what, async () => {
        expect((await mistakes(text))[0]).to.match(message)
      })
  })

  describe('mistakes of shape', () => {
    const wrong: [string, string][] = [
      // Keys: unknown, misspelt, missing, or out of place.
      ['{}', "1:1 the topology needs 'fabrics'"],
      ['nam: x\nfabrics: {}', "1:1 unknown key 'nam'; did you mean 'name'?"],
      [
        'colour: red\nfabrics: {}',
        "1:1 unknown key 'colour'; known here: name, seed, workers, memory, io, busyPoll, hosts, fabrics, worlds",
      ],
      [
        'hosts:\n  red: { adresses: [] }\nfabrics: {}',
        "2:10 unknown key 'adresses'; did you mean 'addresses'?",
      ],
      [
        'fabrics:\n  a: { kind: hub, forwardng: deny, ports: {} }',
        "2:19 unknown key 'forwardng'; did you mean 'forwarding'?",
      ],
      ['fabrics:\n  a: { ports: {} }', "2:3 'a' needs 'kind'"],
      ['fabrics:\n  a: { kind: hub, ports: {}, listen: {} }', "2:30 'listen' needs 'socket'"],
      [
        'fabrics:\n  a: { kind: hub, ports: {}, listen: { socket: /x, name: slave } }',
        "2:58 'name' must be letters, digits, '-' or '_' with one '%d' among them, such as 'peer%d', not 'slave'",
      ],
      [
        'fabrics:\n  a: { kind: hub, ports: {}, listen: { socket: /x, peer: 3 } }',
        "2:52 unknown key 'peer'; did you mean 'peers'?",
      ],
      [
        'fabrics:\n  a: { kind: hub, ports: {}, listen: { socket: /x, framing: datagram } }',
        "2:61 'framing' must be one of 'stream', 'vde', 'vpnkit', 'hyperkit', 'seqpacket', not 'datagram'",
      ],
      ['fabrics:\n  a: { kind: hub }', "2:3 'a' needs 'ports'"],
      [
        'fabrics:\n  a: { kind: hub, ports: {}, ageing: 3s }',
        "2:30 'ageing' does not go with the other keys here",
      ],
      [withPort('{ hots: red }'), "5:14 unknown key 'hots'; did you mean 'host'?"],
      [withPort('{ tap: t, direction: in }'), "5:22 'direction' does not go with the other keys here"],
      [withPort('{ packet: p, tap: t }'), "5:14 'packet' does not go with the other keys here"],
      [
        withPort('{ mtu: 1500 }'),
        "5:12 'red' must have 'host' or 'tap' or 'memory' or 'packet' or 'passt' or 'patch' or 'socket' or 'splice' or 'udp' or 'vde' or 'vxlan' and 'local' or 'websocket'",
      ],
      [withPath('{ from: red, delay: 5ms }'), "7:13 entry 1 of 'paths' needs 'to'"],
      [withPath('{ delay: 5ms }'), "7:13 entry 1 of 'paths' must have 'between' or 'from' and 'to'"],
      [withPath('{ between: [red, green], to: red }'), "7:38 'to' does not go with the other keys here"],
      [withPath('{ between: [red, green], delai: 5ms }'), "7:38 unknown key 'delai'; did you mean 'delay'?"],
      // Containers of the wrong kind.
      ['fabrics: []', "1:10 'fabrics' must be a mapping"],
      ['fabrics:\n  a: hub', "2:6 'a' must be a mapping"],
      [withPort('t0'), "5:12 'red' must be a mapping"],
      [withPort('{ tap: t, addresses: 10.0.0.1/24 }'), "5:33 'addresses' must be a list"],
      [withPath('red'), "7:13 entry 1 of 'paths' must be a mapping"],
      [withPath('{ between: [red] }'), "7:24 'between' must have at least 2 entries"],
      // Values.
      ['name: a b\nfabrics: {}', "1:7 'name' must be 1 to 63 letters, digits, '-' or '_', not 'a b'"],
      ['seed: -1\nfabrics: {}', "1:7 'seed' must be a whole number from 0 to 9007199254740991, not -1"],
      ['workers: 65\nfabrics: {}', "1:10 'workers' must be a whole number from 1 to 64 workers, not 65"],
      [
        'io: iouring\nfabrics: {}',
        "1:5 'io' must be one of 'auto', 'io_uring', 'epoll', not 'iouring'; did you mean 'io_uring'?",
      ],
      [
        'busyPoll: 50us\nfabrics: {}',
        "1:11 'busyPoll' must be true, false or { spinLast: '50us' }, not '50us'",
      ],
      ['busyPoll: { spin: 50us }\nfabrics: {}', "1:13 unknown key 'spin'; known here: spinLast"],
      [
        withPort('{ tap: t, queues: 2 }'),
        "5:30 'queues' must be at most the number of workers, which is 1, not 2",
      ],
      [
        withPort('{ socket: here }'),
        "5:22 'socket' must be a path of at most 107 bytes such as '/run/lab.sock', or an address with a port such as '127.0.0.1:5000' or '[::1]:5000', not 'here'",
      ],
      [
        withPort('{ socket: "/run/a\\0b" }'),
        "5:22 'socket' must be a path of at most 107 bytes such as '/run/lab.sock', or an address with a port such as '127.0.0.1:5000' or '[::1]:5000', not '/run/a\\u0000b'",
      ],
      [
        withPort('{ udp: "localhost\\0x:5" }'),
        "5:19 'udp' must be an address with a port such as '127.0.0.1:5000' or '[::1]:5000', not 'localhost\\u0000x:5'",
      ],
      [
        withPort('{ tap: "a\\0b" }'),
        "5:19 'tap' must be an interface name of 1 to 15 characters without spaces, '/' or ':', not 'a\\u0000b'",
      ],
      [
        withPort('{ udp: "127.0.0.1" }'),
        "5:19 'udp' must be an address with a port such as '127.0.0.1:5000' or '[::1]:5000', not '127.0.0.1'",
      ],
      [
        withPort('{ tap: t, delay: 10 }'),
        "5:29 'delay' must be a duration from 0s to 365 days in ns, us, ms, s, min or h, not 10",
      ],
      [
        withPort('{ tap: t, receive: { addreses: [] } }'),
        "5:33 unknown key 'addreses'; did you mean 'addresses'?",
      ],
      [
        withPort('{ tap: t, receive: { broadcast: false } }'),
        "5:12 option 'addresses' of receive is required: without it the port takes no frame to a single station; or give promiscuous: true",
      ],
      [
        withPort('{ tap: t, storm: { broadcast: -1 } }'),
        "5:42 'broadcast' must be a whole number from 0 to 10000000 frames a second, not -1",
      ],
      [
        withPort('{ tap: t, storm: { unknown: 10 } }'),
        "5:31 'storm.unknown' is for ports of a switch, and this is a hub",
      ],
      [withPort('{ packet: p, writeback: true }'), "5:25 'writeback' does not go with the other keys here"],
      [withPort('{ packet: p, napi: true }'), "5:25 'napi' does not go with the other keys here"],
      [
        'memory: 64MB/s\nfabrics: {}',
        "1:9 'memory' must be a size from 0B to 1024GiB in B, kB, KiB, MB, MiB or GiB, not '64MB/s'; did you mean '64MB'?",
      ],
      [
        'fabrics:\n  a: { kind: swich, ports: {} }',
        "2:14 'kind' must be 'hub' or 'switch' or 'wire', not 'swich'; did you mean 'switch'?",
      ],
      ['fabrics:\n  a: { kind: 3, ports: {} }', "2:14 'kind' must be 'hub' or 'switch' or 'wire', not '3'"],
      [
        'fabrics:\n  a: { kind: hub, forwarding: dny, ports: {} }',
        "2:31 'forwarding' must be one of 'allow', 'deny', not 'dny'; did you mean 'deny'?",
      ],
      [
        'fabrics:\n  a b: { kind: hub, ports: {} }',
        "2:3 name 'a b' must be 1 to 63 letters, digits, '-' or '_', not 'a b'",
      ],
      [withPort('{ tap: t, mtu: 67 }'), "5:27 'mtu' must be a whole number from 68 to 65521 bytes, not 67"],
      [
        withPort("{ tap: t, mtu: '1500' }"),
        "5:27 'mtu' must be a whole number from 68 to 65521 bytes, not '1500'",
      ],
      [
        withPort('{ tap: sixteen-letters-x }'),
        "5:19 'tap' must be an interface name of 1 to 15 characters without spaces, '/' or ':', not 'sixteen-letters-x'",
      ],
      [
        withPort('{ tap: t, mac: 01:00:00:00:00:01 }'),
        "5:27 'mac' must be the address of one interface (an even first byte, and not all zeros), not '01:00:00:00:00:01'",
      ],
      [
        withPort('{ tap: t, addresses: [10.0.0.1] }'),
        "5:34 entry 1 of 'addresses' must be an IPv4 or IPv6 address with its prefix length, such as '10.0.0.1/24', not '10.0.0.1'",
      ],
      [
        withPort('{ tap: t, addresses: [fd00::1/129] }'),
        "5:34 entry 1 of 'addresses' must be an IPv4 or IPv6 address with its prefix length, such as '10.0.0.1/24', not 'fd00::1/129'",
      ],
      [withPort('{ tap: t, persist: 1 }'), "5:31 'persist' must be true or false, not 1"],
      [
        withPort('{ packet: p, direction: bth }'),
        "5:36 'direction' must be one of 'in', 'out', 'both', not 'bth'; did you mean 'both'?",
      ],
      [
        withPort('{ patch: core }'),
        "5:21 'patch' must be a port of another fabric as 'fabric.port', not 'core'",
      ],
      [
        withPath('{ between: [red, green], delay: 5 }'),
        "7:45 'delay' must be a duration from 0s to 365 days in ns, us, ms, s, min or h, not 5",
      ],
      [
        withPath('{ between: [red, green], delay: 5mss }'),
        "7:45 'delay' must be a duration from 0s to 365 days in ns, us, ms, s, min or h, not '5mss'; did you mean '5ms'?",
      ],
      [
        withPath('{ between: [red, green], rate: 10mbit }'),
        "7:44 'rate' must be a rate per second from 1bit to 1Tbit in bit, kbit, Mbit, Gbit or Tbit, not '10mbit'; did you mean '10Mbit'?",
      ],
      [
        withPath('{ between: [red, green], loss: 2 }'),
        "7:44 'loss' must be a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate' or 'model', not 2",
      ],
      [
        withPath('{ between: [red, green], loss: 101% }'),
        "7:44 'loss' must be a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate' or 'model', not '101%'",
      ],
      [
        withPath('{ between: [red, green], rate: 1Mbit, overhead: 1001 }'),
        "7:61 'overhead' must be a whole number from -1000 to 1000 bytes, not 1001",
      ],
      [
        withPath('{ between: [red, green], rate: 1Mbit, queue: 50 }'),
        "7:58 'queue' must be a queue limit such as '200ms', '64KiB' or '50frames', not 50",
      ],
      [withPath('{ between: [red, green], allowed: no }'), "7:47 'allowed' must be true or false, not 'no'"],
      [
        withPath('{ between: [red, green], filter: [] }'),
        "7:46 'filter' must be a pcap-filter expression or a match object, not a list",
      ],
      [withPath('{ from: [], to: red }'), "7:21 'from' must have at least 1 entry"],
      [withPort('{ tap: t, vlan: {} }'), "5:28 'vlan' must have 'access' or 'trunk'"],
      [withPort('{ tap: t, vlan: 10 }'), "5:28 'vlan' must be a mapping"],
      [
        withPort('{ tap: t, vlan: { access: 4095 } }'),
        "5:38 'access' must be a whole number from 1 to 4094, not 4095",
      ],
      [
        withPort('{ tap: t, vlan: { trunk: al } }'),
        "5:37 'trunk' must be a list of VLANs such as [10, 20], or 'all', not 'al'; did you mean 'all'?",
      ],
      [withPort('{ tap: t, vlan: { acces: 10 } }'), "5:30 unknown key 'acces'; did you mean 'access'?"],
      [
        withPort('{ tap: t, vlan: { access: 10, native: 1 } }'),
        "5:42 'native' does not go with the other keys here",
      ],
      [
        withPort('{ tap: t, group: two words }'),
        "5:29 'group' must be a name of 1 to 64 characters without spaces, '/', ',' or '>', not 'two words'",
      ],
    ]
    for (const [text, message] of wrong)
      it(message, async () => {
        expect(await mistakes(text)).to.deep.equal([message])
      })
  })

  describe('mistakes of meaning', () => {
    const base = 'hosts: { red: {}, green: { addresses: [10.0.0.2/24] } }\n'
    const wrong: [string, string][] = [
      ['hosts: { red: {} }\n' + withPort('{ host: rd }'), "6:20 no host 'rd'; did you mean 'red'?"],
      [
        base + withPort('{ host: red }'),
        "1:28 host 'green' has 0 ports, so its addresses must stand at the ports",
      ],
      [
        base + withPort('{ host: green, addresses: [10.0.0.3/24] }'),
        "1:28 host 'green' has addresses here and at its port; state them in one place",
      ],
      [withPort('{ tap: t }\n      green: { tap: t }'), "6:21 interface 't' is already another port's"],
      [
        'hosts: { red: }\n' + withPort('{ host: red, interface: e }\n      b: { host: red, interface: e }'),
        "7:34 interface 'e' is already another port's",
      ],
      [
        withPort('{ tap: t, vlan: { access: 10 } }'),
        "5:22 'vlan' is for ports of a switch, and this is a hub",
      ],
      [
        'fabrics:\n  w:\n    kind: wire\n    ports:\n      a: { tap: t, group: g }\n      b: { tap: u }',
        "5:20 'group' is for ports of a hub or a switch, and this is a wire",
      ],
      [withPort('{ patch: core.x }'), "5:21 no fabric 'core'"],
      [withPort('{ patch: wif.red }'), "5:21 no fabric 'wif'; did you mean 'wifi'?"],
      [withPort('{ patch: wifi.rd }'), "5:21 fabric 'wifi' has no port 'rd'; did you mean 'red'?"],
      [withPort('{ patch: wifi.red }'), '5:21 a patch must join two different fabrics'],
      [
        withPort('{ patch: b.x }\n  b: { kind: hub, ports: { x: { tap: t } } }'),
        "5:21 port 'x' of fabric 'b' must say 'patch: wifi.red' in return",
      ],
      [
        'fabrics:\n  w: { kind: wire, ports: { a: { tap: t } } }',
        "2:20 wire 'w' must have exactly 2 ports, not 1",
      ],
      [
        'fabrics:\n  w: { kind: wire, ports: { a: { tap: t }, b: { tap: u } }, listen: { socket: /x } }',
        "2:61 'listen' is for a hub or a switch; a wire has two ports, such as 'socket'",
      ],
      [
        'fabrics:\n  a: { kind: hub, ports: {}, listen: { socket: "[::1]:5000", framing: seqpacket } }',
        "2:38 option 'socket' of listen must be a path with the framing 'seqpacket', not '[::1]:5000'",
      ],
      [
        'fabrics:\n  a: { kind: hub, ports: {}, listen: [{ socket: /run/a }, { protocol: sockt, socket: /run/b }] }',
        "2:71 'protocol' must be 'socket' or 'vde' or 'websocket', not 'sockt'; did you mean 'socket'?",
      ],
      [
        "fabrics:\n  a: { kind: hub, ports: {}, listen: { protocol: websocket, socket: '127.0.0.1:8080', origins: ['*'] } }",
        "2:38 option 'origins' of listen must be a list without '*', or 'token' given as well: else every web page that somebody here looks at could connect, not a list",
      ],
      [
        'fabrics:\n  a: { kind: hub, ports: { b: { websocket: http://host/ } } }',
        "2:44 'websocket' must be a URL such as 'ws://127.0.0.1:8080/', without a user or a fragment, not 'http://host/'",
      ],
      [withPath('{ between: [red, gren] }'), "7:30 no port 'gren' in this fabric; did you mean 'green'?"],
      [withPath('{ from: red, to: red }'), '7:13 a path needs two different ports'],
    ]
    for (const [text, message] of wrong)
      it(message, async () => {
        expect(await mistakes(text)).to.deep.equal([message])
      })

    it('a policy that contradicts itself', async () => {
      const [problem] = await mistakes(withPath('{ between: [red, green], queue: 50frames }'))
      expect(problem).to.match(/^7:13 option 'rate' of path policy/)
    })

    it('a filter that does not compile', async () => {
      const [inPath] = await mistakes(withPath('{ between: [red, green], filter: { etherTyp: ip } }'))
      expect(inPath).to.match(/^7:13 .*did you mean 'etherType'\?$/)
      const [inPort] = await mistakes(withPort('{ packet: p, filter: { vlan: 5000 } }'))
      expect(inPort).to.match(/^5:33 .*vlan/)
    })
  })
})

describe('what is valid and looks wrong', () => {
  const notes = async (text: string): Promise<string[]> => {
    const { problems, notes } = await inspectTopology(text, 'lab.yaml')
    expect(problems).to.deep.equal([])
    return notes.map(({ line, column, message }) => `${line}:${column} ${message}`)
  }
  const certain = (becomes: string) =>
    `every frame ${becomes}, for 1 is a certainty; write 1% or 0.01 for one in a hundred, 100% for all`

  it('gets a word: a probability of 1, which reads like one per cent', async () => {
    const between = (policy: string): string => withPath(`{ between: [red, green], ${policy} }`)
    expect(await notes(between('loss: 1'))).to.deep.equal([`7:44 ${certain('is lost')}`])
    expect(await notes(between('corrupt: 1'))).to.deep.equal([`7:47 ${certain('is corrupted')}`])
    for (const clear of ['loss: 100%', 'loss: 1%', 'loss: 0.999', 'allowed: false, loss: 1'])
      expect(await notes(between(clear))).to.deep.equal([])
    const later = withPath('').replace('paths: []', 'timeline: [{ at: 1s, from: red, to: "*", loss: 1 }]')
    expect(await notes(later)).to.deep.equal([`7:52 ${certain('is lost')}`])
  })

  it('gets a word: one address at two interfaces that hear each other', async () => {
    const two = (more: string, mac = '02:00:00:00:00:0A'): string => `fabrics:
  a:
    kind: switch
    ports:
      red: { tap: t-red, mac: "02:00:00:00:00:0a", addresses: [10.0.0.1/24] }
      up: { patch: b.down }
  b:
    kind: switch
    ports:
      down: { patch: a.up }
      green: { tap: t-green, mac: "${mac}", addresses: [10.0.0.1/16]${more} }
`
    expect(await notes(two(''))).to.deep.equal([
      '11:35 the MAC address 02:00:00:00:00:0a is that of a.red too, which is on the same network',
      '11:67 the address 10.0.0.1 is that of a.red too, which is on the same network',
    ])
    expect(await notes(two(', vlan: { access: 10 }'))).to.deep.equal([])
    const apart = two('').replace(/ {6}(?:up|down): .*\n/g, '')
    expect(await notes(apart)).to.deep.equal([])
  })

  it('does not go as far as a MAC address of zeros, which no interface can have', async () => {
    const [mistake] = await mistakes(withPort('{ tap: t-red, mac: "00:00:00:00:00:00" }'))
    expect(mistake).to.match(/^5:.*'?mac'?.* must be the address of one interface .*not all zeros/)
  })
})

describe('timelines in topology files', () => {
  /** One entry of your own, on line 8; the last port is a packet socket, and red > green has a rate. */
  const withEntry = (entry: string): string => `fabrics:
  wifi:
    kind: hub
    ports:
      red: { tap: t-red }
      green: { tap: t-green }
      nic: { packet: eth9 }
    timeline: [${entry}]
    paths: [{ from: red, to: green, rate: 1Mbit }]
`

  it('may change, ramp and flap paths, and ports', async () => {
    const entries = [
      '{ at: 10s, between: [red, green], loss: 2%, delay: 5ms }',
      "{ at: 10s, from: red, to: '*', allowed: false, repeat: 1min, until: 1h }",
      '{ at: 5s, from: [red, green], to: nic, reset: true }',
      '{ at: 5s, from: red, to: green, queue: 7frames }',
      '{ between: [red, green], ramp: { loss: [0, 5%], rate: [1Mbit, 2Mbit] }, over: 30s, every: 1s }',
      '{ from: red, to: green, flap: { every: 20s, for: 500ms } }',
      '{ port: red, flap: { every: 20s, for: 500ms }, until: 1min }',
      '{ at: 1s, port: [red, green], carrier: off }',
    ]
    const { fabrics } = await parseTopology(withEntry(entries.join(', ')))
    expect(fabrics.wifi?.timeline?.[0]).to.deep.equal({
      at: '10s',
      between: ['red', 'green'],
      loss: 0.02,
      delay: '5ms',
    })
    expect(fabrics.wifi?.timeline?.[4]).to.deep.include({
      ramp: { loss: [0, 0.05], rate: ['1Mbit', '2Mbit'] },
    })
  })

  const wrong: [entry: string, mistake: string][] = [
    [
      '{ at: 1s, between: [red, gren], loss: 1 }',
      "8:41 no port 'gren' in this fabric; did you mean 'green'?",
    ],
    ['{ at: 1s, between: [red, green], los: 1 }', "8:49 unknown key 'los'; did you mean 'loss'?"],
    [
      '{ at: 1s, between: [red, green], loss: 2 }',
      "8:55 'loss' must be a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate' or 'model', not 2",
    ],
    [
      '{ at: 1, between: [red, green], loss: 1 }',
      "8:22 'at' must be a duration from 0s to 365 days in ns, us, ms, s, min or h, not 1",
    ],
    ['{ between: [red, green], loss: 1 }', "8:16 entry 1 of 'timeline' needs 'at'"],
    ['{ between: [red, green], flap: { every: 1s } }', "8:41 'flap' needs 'for'"],
    [
      '{ between: [red, green], flap: { every: 1s, for: 2s } }',
      "8:16 'for' of a flap of a timeline must be shorter than its 'every', not '2s'",
    ],
    [
      '{ between: [red, green], ramp: { los: [0, 1] }, over: 1s }',
      "8:49 unknown key 'los'; did you mean 'loss'?",
    ],
    [
      '{ between: [red, green], ramp: { loss: [0, 1, 2] }, over: 1s }',
      "8:55 'loss' must be a list of two: the first and the last value",
    ],
    [
      '{ between: [red, green], ramp: { loss: [0, 1] }, ovr: 1s }',
      "8:65 unknown key 'ovr'; did you mean 'over'?",
    ],
    ['{ at: 1s, port: red, carrier: up }', "8:46 'carrier' must be one of 'on', 'off', not 'up'"],
    [
      '{ at: 1s, port: nic, carrier: off }',
      "8:32 'nic' is a packet socket, which has no say in its interface's carrier",
    ],
    [
      '{ at: 1s, from: green, to: red, queue: 7frames }',
      "8:16 option 'rate' of path policy must be given with 'queue', which says how it is kept",
    ],
  ]
  for (const [entry, mistake] of wrong)
    it(`refuse ${entry}`, async () => {
      expect(await mistakes(withEntry(entry))).to.include(mistake)
    })
})
