/** Mistakes in topology files that stand beside others, or that a wrong subject used to explain: each is told, and told right. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { inspectTopology, loadTopology } from '../../lib/topology/load.js'
import { Engine, Hub, MemoryPort } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

async function mistakes(text: string): Promise<string[]> {
  const { problems } = await inspectTopology(text, 'lab.yaml')
  return problems.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

const hub = (more: string, ports = 'red: { tap: t-red }, green: { tap: t-green }'): string => `fabrics:
  wifi:
    kind: hub
    ports: { ${ports} }
    ${more}
`

describe('all mistakes of a topology file are told at once', () => {
  it('beside a key that is there twice, of both its values', async () => {
    const text = `fabrics:
  wifi:
    kind: hub
    ports: { red: { tap: t-red, mtu: big } }
    ports: { green: { tap: t-green, queus: 1 } }
    paths: [{ between: [red, green], delai: 5ms }]
`
    expect(await mistakes(text)).to.deep.equal([
      "4:38 'mtu' must be a whole number from 68 to 65521 bytes, not 'big'",
      '5:5 Map keys must be unique',
      "5:37 unknown key 'queus'; did you mean 'queues'?",
      "6:38 unknown key 'delai'; did you mean 'delay'?",
    ])
    expect(await mistakes('fabrics: {}\nfabrics: {}\n')).to.deep.equal(['2:1 Map keys must be unique'])
  })

  it('beside a key that cannot be a name, and a tag that nobody knows', async () => {
    expect(await mistakes(hub('paths: !much [{ between: [red, gren] }]\n    : x'))).to.deep.equal([
      '5:12 Unresolved tag: !much',
      "5:36 no port 'gren' in this fabric; did you mean 'green'?",
      '6:1 a key is missing before the colon',
    ])
  })

  it('beside a wrong kind', async () => {
    const text = hub('paths: [{ between: [red, green], delay: 5 mz }]\n    agein: 3s').replace('hub', 'hubb')
    expect(await mistakes(text)).to.deep.equal([
      "3:11 'kind' must be 'hub' or 'switch' or 'wire', not 'hubb'; did you mean 'hub'?",
      "5:45 'delay' must be a duration from 0s to 365 days in ns, us, ms, s, min or h, not '5 mz'; did you mean '5ms'?",
      "6:5 unknown key 'agein'; did you mean 'ageing'?",
    ])
  })

  it('filters that do not compile beside what keeps their fabric from being read', async () => {
    const bad = "filter: 'ip and and'"
    const paths = `{ from: red, to: green, delay: 5, ${bad} }, { from: green, to: red, filter: { etherTyp: arp } }`
    const timeline = `{ at: 1s, from: red, to: green, ${bad} }`
    const text = hub(
      `paths: [${paths}]\n    timeline: [${timeline}]`,
      'red: { tap: t-red, mtu: big }, green: { tap: t-green }',
    )
    const compiled = "the filter 'ip and and' cannot be compiled: can't parse filter expression: syntax error"
    const found = await mistakes(text)
    expect(found[0]).to.match(/^4:38 'mtu' must be a whole number/)
    expect(found[1]).to.match(/^5:44 'delay' must be a duration/)
    expect(found[2]).to.equal(`5:55 ${compiled}`)
    expect(found[3]).to.match(/^5:103 .*'etherTyp'.*did you mean 'etherType'\?/)
    expect(found[4]).to.equal(`6:56 ${compiled}`)
    expect(found).to.have.lengthOf(5)
    // Alone it is told once, where the policy is read.
    const alone = await mistakes(hub(`paths: [{ from: red, to: green, ${bad} }]`))
    expect(alone).to.deep.equal([`5:13 ${compiled}`])
  })

  it('names that lead nowhere beside values that are wrong, and nothing that only follows from those', async () => {
    const paths = '{ from: red, to: blue, loss: 2 }, { from: [1], to: red }, { from: red, to: gren }'
    const text = `hosts: { one: { adresses: [10.0.0.1/24] } }
${hub(`paths: [${paths}]`, 'red: { host: one, mtu: x }, green: { host: on }')}  core: { kind: switch, ports: { up: { tapp: x } }, paths: [{ between: [up, down] }] }
  edge: { kind: hub, ports: { up: { patch: core.up }, down: { patch: cor.up } } }
worlds: { w: { fabric: core }, v: { fabric: edg } }
`
    expect(await mistakes(text)).to.deep.equal([
      "1:17 unknown key 'adresses'; did you mean 'addresses'?",
      "5:37 'mtu' must be a whole number from 68 to 65521 bytes, not 'x'",
      "5:57 no host 'on'; did you mean 'one'?",
      "6:30 no port 'blue' in this fabric",
      "6:42 'loss' must be a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate' or 'model', not 2",
      "6:56 entry 1 of 'from' must be 1 to 63 letters, digits, '-' or '_', not 1",
      "6:88 no port 'gren' in this fabric; did you mean 'green'?",
      "7:40 unknown key 'tapp'; did you mean 'tap'?",
      "8:70 no fabric 'cor'; did you mean 'core'?",
      "9:45 no fabric 'edg'; did you mean 'edge'?",
    ])
  })
})

describe('what a mistake is said to be', () => {
  it('of the exponent of a model is what an exponent must be', async () => {
    const text = `${hub('forwarding: deny')}worlds: { w: { fabric: wifi, model: { logDistance: { exponent: far } } } }\n`
    expect(await mistakes(text)).to.deep.equal(["6:64 'exponent' must be a number from 1 to 10, not 'far'"])
  })

  it("of '50p' is that it counts no frames, and not that it might be a time", async () => {
    const [mistake] = await mistakes(hub('paths: [{ between: [red, green], rate: 1Mbit, queue: 50p }]'))
    expect(mistake)
      .to.match(/^5:58 'queue' must be .*, not '50p'/)
      .and.not.match(/50s/)
  })
})

describe('files that topology files name', () => {
  const keep = closing()
  let folder: string
  before(() => (folder = mkdtempSync(join(tmpdir(), 'etherloom-files-'))))
  after(() => {
    rmSync(folder, { recursive: true })
  })

  const load = async (text: string) => {
    const file = join(folder, 'lab.yaml')
    writeFileSync(file, text)
    return (await loadTopology(file)).fabrics.wifi
  }

  it('are in the folder of the file, those of timelines too', async () => {
    writeFileSync(join(folder, 'mobile.csv'), 'time(s),rate(Mbit)\n0,1\n1,2\n')
    const paths = 'paths: [{ between: [red, green], trace: mobile.csv }]'
    const timeline = 'timeline: [{ at: 1s, from: red, to: green, trace: { file: mobile.csv, end: hold } }]'
    expect(await load(hub(`${paths}\n    ${timeline}`))).to.deep.include({
      paths: [{ between: ['red', 'green'], trace: join(folder, 'mobile.csv') }],
      timeline: [
        { at: '1s', from: 'red', to: 'green', trace: { file: join(folder, 'mobile.csv'), end: 'hold' } },
      ],
    })
  })

  it('may be fate logs, by name or as an object, in paths and timelines', async () => {
    const engine = keep(new Engine({ clock: 'virtual' }))
    const air = new Hub({ engine })
    const [red] = [
      await air.attach(new MemoryPort({ name: 'red' })),
      await air.attach(new MemoryPort({ name: 'green' })),
    ]
    await air.path('red', 'green').allow({ loss: 0.5 })
    const log = await air.path('red', 'green').fateLog(join(folder, 'fates.pcapng'))
    red.send(frame({ tag: 1 }))
    engine.advance('1s')
    await log.close()
    const replay = 'replay: { file: fates.pcapng, end: loop }'
    const timeline = 'timeline: [{ at: 1s, from: green, to: red, replay: fates.pcapng }]'
    const file = join(folder, 'fates.pcapng')
    expect(await load(hub(`paths: [{ from: red, to: green, ${replay} }]\n    ${timeline}`))).to.deep.include({
      paths: [{ from: 'red', to: 'green', replay: { file, end: 'loop' } }],
      timeline: [{ at: '1s', from: 'green', to: 'red', replay: file }],
    })
  })
})

describe('what of the files of a movement is not in it', () => {
  it('gets a word at the movement', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-core-'))
    try {
      const device = (id: number): string =>
        `<device id="${id}" name="n${id}"><position x="${id}" y="1"/></device>`
      const options = '<options delay="20000" loss="1.5"/>'
      writeFileSync(
        join(folder, 'three.xml'),
        `<scenario><devices>${[1, 2, 3].map(device).join('')}</devices>
<links><link node1="1" node2="2">${options}</link></links></scenario>`,
      )
      const file = join(folder, 'lab.yaml')
      writeFileSync(
        file,
        `${hub('forwarding: deny')}worlds: { w: { fabric: wifi, movement: { core: [three.xml] } } }\n`,
      )
      const notes: string[] = []
      await loadTopology(file, ({ line, column, message }) => notes.push(`${line}:${column} ${message}`))
      const core = join(folder, 'three.xml')
      expect(notes).to.deep.equal([
        `6:40 ${core}:2:34: delay="20000" loss="1.5" of this link is not applied: a world's links follow distances, by its model`,
        `6:40 ${core}: n3 left out, since the world has 2 nodes`,
      ])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('places at which two would listen', () => {
  it('are told at the second, of ports and of fabrics', async () => {
    const text = `fabrics:
  a:
    kind: hub
    ports: { far: { socket: 'systemd:trunk', role: listen }, to: { socket: 'systemd:trunk2', role: listen } }
  b:
    kind: hub
    ports: { far: { socket: /tmp/../tmp/x.sock, role: listen }, out: { socket: /tmp/x.sock } }
    listen: { socket: 'systemd:trunk' }
  c: { kind: hub, ports: {}, listen: { socket: /tmp/x.sock } }
  d: { kind: hub, ports: {}, listen: { socket: '127.0.0.1:0' } }
  e: { kind: hub, ports: {}, listen: { socket: '127.0.0.1:0' } }
  f: { kind: hub, ports: {}, listen: { protocol: vde, directory: /tmp/switch } }
  g: { kind: hub, ports: {}, listen: [{ protocol: vde, directory: /tmp/../tmp/switch }, { socket: '127.0.0.1:0' }] }
`
    expect(await mistakes(text)).to.deep.equal([
      "8:23 port a.far listens at 'systemd:trunk' already; give this one a socket of its own",
      "9:48 port b.far listens at '/tmp/x.sock' already; give this one a socket of its own",
      "13:67 fabric 'f' listens at '/tmp/switch' already; give this one a socket of its own",
    ])
  })
})

describe('mistakes at hosts', () => {
  const lab = (host: string): string => `hosts:
  red: ${host}
fabrics:
  wifi: { kind: hub, ports: { red: { host: red, addresses: ['fd00::1/64'], mtu: 1400 } } }
`

  it('in routes are told where they stand', async () => {
    const routes = [
      '{ to: 10.0.0.5/24, via: 10.0.0.1 }',
      '{ to: default }',
      '{ to: 10.0.0.0/8, via: fd00::2 }',
      '{ to: default, dev: eth1 }',
      '{ to: 1.2.3.4, dev: eth0 }',
      '{ to: 1.2.3.4, dev: eth0 }',
      '{ to: 10.0.0.0/33, dev: eth0 }',
    ]
    expect(await mistakes(lab(`{ routes: [${routes[0]}, ${routes[6]}] }`))).to.deep.equal([
      "2:25 'to' must be the address of a network, which for this one is '10.0.0.0/24', not '10.0.0.5/24'",
      "2:61 'to' must be 'default', an address, or a network such as '10.1.0.0/16', not '10.0.0.0/33'",
    ])
    expect(
      await mistakes(
        lab(
          `\n    routes:\n${routes
            .slice(1, 6)
            .map((each) => `      - ${each}\n`)
            .join('')}`,
        ),
      ),
    ).to.deep.equal([
      "4:9 a route needs 'via', the gateway, or 'dev', the interface",
      '5:9 a route to 10.0.0.0/8 needs a gateway of the same family, not fd00::2',
      "6:29 host 'red' has no interface 'eth1'; did you mean 'eth0'?",
      "8:9 host 'red' has a route to 1.2.3.4 already; give this one another 'metric'",
    ])
  })

  it('in routes to where an address leads already are told', async () => {
    const routed = (route: string): Promise<string[]> =>
      mistakes(`hosts: { red: { addresses: [10.0.0.1/24, 10.1.0.1/32, 'fd00::1/64'], routes: [${route}] } }
fabrics: { a: { kind: hub, ports: { red: { host: red } } } }
`)
    expect(await routed('{ to: 10.0.0.0/24, dev: eth0 }')).to.deep.equal([
      "1:79 a route to 10.0.0.0/24 follows from the address 10.0.0.1/24 already, and this one would take its place; leave it out, or give it a 'metric'",
    ])
    for (const route of [
      '{ to: 10.0.0.0/24, dev: eth0, metric: 5 }',
      '{ to: 10.0.0.0/16, dev: eth0 }',
      '{ to: 10.1.0.1, dev: eth0 }',
      "{ to: 'fd00::/64', dev: eth0 }",
    ])
      expect(await routed(route), route).to.deep.equal([])
  })

  it('lead nowhere out of net', async () => {
    for (const name of [
      'kernel.hostname',
      'net',
      'net/../kernel/hostname',
      'net/./../kernel/hostname',
      'net..kernel',
      'net/ipv4//x',
      'net.ipv4/../../kernel/hostname',
      'net/ipv4/..',
      'net.ipv4.x\\0',
      '/net/ipv4/ip_forward',
      'network.x',
    ])
      expect(await mistakes(lab(`{ sysctls: { "${name}": 1 } }`)), name).to.match(
        /^.*must be the name of a setting below net, such as 'net.ipv4.ip_forward'.*$/,
      )
    for (const name of [
      'net.ipv4.ip_forward',
      'net/ipv4/conf/eth0.1/rp_filter',
      'net.ipv6.conf.all.disable_ipv6',
    ])
      expect(await mistakes(lab(`{ sysctls: { ${name}: 1 } }`)), name).to.deep.equal([])
    expect(await mistakes(lab('{ sysctls: { net.ipv4.x: "1\\n2" } }'))).to.have.length(1)
  })

  it('of a setting or a route that is there twice, in other words', async () => {
    expect(
      await mistakes(
        lab(`
    sysctls: { net.ipv4.conf.eth0.rp_filter: 1, net/ipv4/conf/eth0/rp_filter: 2 }
    routes:
      - { to: default, dev: eth0 }
      - { to: 0.0.0.0/0, dev: eth0 }
      - { to: '::/0', via: 'FD00::2' }
      - { to: default, via: 'fd00:0::2' }
      - { to: 'fd01::', dev: eth0 }
      - { to: 'FD01:0::/128', dev: eth0, metric: 1024 }
      - { to: 0.0.0.0/0, via: 'fd00::2' }`),
      ),
    ).to.deep.equal([
      "3:49 host 'red' has this setting already, as 'net.ipv4.conf.eth0.rp_filter'",
      "6:9 host 'red' has a route to default already; give this one another 'metric'",
      "8:9 host 'red' has a route to default already; give this one another 'metric'",
      "10:9 host 'red' has a route to fd01:: already; give this one another 'metric'",
      '11:9 a route to 0.0.0.0/0 needs a gateway of the same family, not fd00::2',
    ])
  })

  it('of what stands at the port, or contradicts it', async () => {
    expect(await mistakes(lab('{ mtu: 1500, ipv6: false }'))).to.deep.equal([
      "2:10 host 'red' has an MTU here and at its port; state them in one place",
      "2:27 host 'red' has the IPv6 address fd00::1/64, so it needs IPv6",
    ])
    expect(
      await mistakes(lab('{ dns: { servers: [ns.example] }, forwarding: yes, dnss: {} }')),
    ).to.deep.equal([
      "2:27 entry 1 of 'servers' must be an IPv4 or IPv6 address, not 'ns.example'",
      "2:54 'forwarding' must be true, false or { ipv4: true, ipv6: false }, not 'yes'",
      "2:59 unknown key 'dnss'; did you mean 'dns'?",
    ])
  })

  it('of commands are told', async () => {
    const said = async (run: string): Promise<string[]> =>
      (await mistakes(lab(`{ run: ${run} }`))).map((line) => line.replace(/^\S+ /, ''))
    expect(await said('[iperf3, -s]')).to.deep.equal([
      "entry 2 of 'run' must be a command, or a mapping with one, not '-s'",
    ])
    expect(await said('[{ command: [], name: a b, restart: sometimes }, { comand: x }]')).to.deep.equal([
      "'command' must have at least 1 entry",
      "'name' must be 1 to 63 letters, digits, '-' or '_', not 'a b'",
      "'restart' must be one of 'no', 'always', 'on-failure', not 'sometimes'",
      "unknown key 'comand'; did you mean 'command'?",
    ])
    expect(await said('[{ command: x, name: a }, { command: y, name: a }]')).to.deep.equal([
      "host 'red' has a run 'a' already",
    ])
    expect(await said('{}')).to.deep.equal(["'run' must be a command, or a list of commands, not an object"])
    expect(await said('["x", "x", { command: ["y z", "\\u001b"], restart: no }]')).to.deep.equal([])
  })
})
