/**
 * ubridge's console, as GNS3's servers speak on it: the sessions of their nodes byte for byte against the real command, over
 * a real socket, with real frames. Those with interfaces are in test/ports/ubridge.test.ts.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { policyOf, readFilter } from '../../lib/ubridge/filters.js'
import { wordsOf } from '../../lib/ubridge/lexer.js'
import { modules } from '../../lib/ubridge/modules/index.js'
import { PcapRecords } from '../../lib/ubridge/pcap.js'
import { limits } from '../../lib/values/limits.js'
import { closing } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeUnless, eventually, lacksProgram, run, testFile, Child } from '../helpers/kernel.js'
import { Card, Client, freePorts, freeTcpPort, startUbridge } from '../helpers/ubridge.js'

describe("the words of a line of ubridge's console", () => {
  const cases: [line: string, words: string[]][] = [
    ['bridge create b', ['bridge', 'create', 'b']],
    [' \t bridge\tlist \r', ['bridge', 'list']],
    ['start "a b" "c"', ['start', 'a b', 'c']],
    ['bpf "" x', ['bpf', 'x']],
    ['a"b c', ['a"b', 'c']],
    ['"a"b', ['a', 'b']],
    ['a#b c', ['a']],
    ['a !b', ['a']],
    ['"#!" c', ['#!', 'c']],
    ['"a\\" b', ['a\\', 'b']],
    ['# bridge list', []],
    ['', []],
    ['"fil\u00e9"', ['fil\u00e9']],
  ]
  for (const [line, words] of cases)
    it(JSON.stringify(line), () => {
      expect(wordsOf(line)).to.deep.equal(words)
    })
  it('are refused where a quotation does not end', () => {
    expect(() => wordsOf('a "b c')).to.throw('opens a word that does not end')
  })
})

describe("ubridge's packet filters as policies", () => {
  const of = (...filters: [type: string, ...words: string[]][]) =>
    policyOf(filters.map(([type, ...words], index) => readFilter(`filter${index}`, type, words)))
  it('say what they say', () => {
    expect(of(['frequency_drop', '3'])).to.deep.equal({ dropEvery: 3 })
    expect(of(['frequency_drop', '-1'])).to.deep.equal({ allowed: false })
    expect(of(['frequency_drop', '0'])).to.deep.equal({})
    expect(of(['packet_loss', '2'], ['delay', '40', '10'], ['corrupt', '5'])).to.deep.equal({
      loss: 0.02,
      delay: '40ms',
      jitter: '10ms',
      corrupt: 0.05,
    })
    expect(of(['bpf', 'arp'], ['bpf', 'ip or ip6', 'EN10MB'], ['bpf'], ['bpf', ' '])).to.deep.equal({
      drop: ['arp', 'ip or ip6'],
    })
  })
  const refused: [words: [string, ...string[]], message: RegExp][] = [
    [['frequency_drop'], /takes a number/],
    [['frequency_drop', '1.5'], /'1.5' is no whole number from -1/],
    [['packet_loss', '101'], /'101' is no whole number from 0 to 100/],
    [['delay', '0'], /'0' is no whole number from 1/],
    [['delay', '1', '2', '3'], /takes 1 or 2 numbers/],
    [['bpf', 'ip or'], /^failed to add filter 'filter0': Cannot compile filter 'ip or': syntax error/],
    [['bpf', 'arp) or (ip'], /Cannot compile filter 'arp\) or \(ip': syntax error/],
    [['bpf', 'host nobody.invalid'], /names of hosts are not looked up/],
    [['bpf', 'arp', 'FRELAY'], /are EN10MB, not 'FRELAY'/],
    [['mark', 'ip'], /frames are not marked here/],
    [['rate', '1'], /no type 'rate' here; there are frequency_drop/],
    [['__proto__', '1'], /no type '__proto__' here/],
  ]
  for (const [words, message] of refused)
    it(`are refused: ${words.join(' ')}`, () => {
      expect(() => of(words)).to.throw(message)
    })
})

/** The packets of a pcap file, read strictly by its format. */
function readPcap(bytes: Buffer): { linkType: number; packets: Buffer[] } {
  expect(bytes.subarray(0, 8).toString('hex')).to.equal('d4c3b2a102000400')
  const packets: Buffer[] = []
  for (let at = 24; at < bytes.length;) {
    const [micros, captured, length] = [4, 8, 12].map((offset) => bytes.readUInt32LE(at + offset)) as [
      number,
      number,
      number,
    ]
    expect(micros).to.be.below(1_000_000)
    expect(length).to.equal(captured)
    packets.push(bytes.subarray(at + 16, at + 16 + captured))
    expect(packets.at(-1)).to.have.length(captured)
    at += 16 + captured
  }
  return { linkType: bytes.readUInt32LE(20), packets }
}

describe('pcap records of pcapng', () => {
  it('are the same wherever its pieces end', () => {
    const block = Buffer.alloc(32 + 8)
    for (const [offset, word] of [6, 40, 0, 0x00000161, 0x9a3c4f00, 5, 9].entries())
      block.writeUInt32LE(word, 4 * offset)
    block.write('hello', 28)
    const other = Buffer.from('0100000014000000010000000000000014000000', 'hex')
    const all = Buffer.concat([other, block, other, block])
    const whole = new PcapRecords().take(all)
    expect(whole).to.have.length(2 * (16 + 5))
    expect(whole.readUInt32LE(8)).to.equal(5)
    expect(whole.readUInt32LE(12)).to.equal(9)
    const records = new PcapRecords()
    const pieces = Array.from(all, (byte) => records.take(Buffer.from([byte])))
    expect(Buffer.concat(pieces)).to.deep.equal(whole)
  })
})

describe("ubridge's console", function () {
  // Each command is a process of its own; against hangs only.
  this.timeout(120_000)
  const close = closing()
  let folder: string
  let path: string
  let control: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'etherloom-ubridge-'))
    path = join(folder, 'console.sock')
    control = join(folder, 'run')
    mkdirSync(control, { mode: 0o700 })
    close({ close: () => rmSync(folder, { recursive: true, force: true }) })
  })

  const start = (...words: string[]): Child => close(startUbridge(control, words))
  const client = async (place: Parameters<typeof Client.to>[0] = { path }): Promise<Client> =>
    close(await Client.to(place))
  const etherloom = (...words: string[]): Promise<string> =>
    run([
      'env',
      `ETHERLOOM_CONTROL_DIRECTORY=${control}`,
      process.execPath,
      '--import=tsx',
      testFile('../bin/etherloom.ts'),
      ...words,
    ])

  /** Asks each line, and expects each answer byte for byte. */
  async function session(
    console: Client,
    lines: readonly (readonly [line: string, answer: string])[],
  ): Promise<void> {
    for (const [line, answer] of lines) expect(await console.ask(line), line).to.equal(`${answer}\r\n`)
  }

  /** A bridge between two cards, which is running. */
  async function pair(console: Client, name: string): Promise<[Card, Card]> {
    const [l, r, a, b] = (await freePorts(4)) as [number, number, number, number]
    const cards = [close(await Card.at(a, l)), close(await Card.at(b, r))] as [Card, Card]
    await session(console, [
      [`bridge create ${name}`, `100-bridge '${name}' created`],
      [`bridge add_nio_udp ${name} ${l} 127.0.0.1 ${a}`, `100-NIO UDP added to bridge '${name}'`],
      [`bridge add_nio_udp ${name} ${r} 127.0.0.1 ${b}`, `100-NIO UDP added to bridge '${name}'`],
      [`bridge start ${name}`, `100-bridge '${name}' started`],
    ])
    return cards
  }

  /** Sends so many frames from one card to the other, and waits until the bridge has decided on all of them. */
  async function pass(console: Client, name: string, from: Card, count: number): Promise<void> {
    const received = async (): Promise<number> => {
      const lines = (await console.ask(`bridge get_stats ${name}`)).match(/IN: (\d+)/g) ?? []
      return lines.reduce((sum, line) => sum + Number(line.slice(4)), 0)
    }
    const before = await received()
    for (let tag = 0; tag < count; tag++) {
      await from.send(frame({ tag }))
      if (tag % 100 === 99) await eventually('they came', async () => (await received()) === before + tag + 1)
    }
    await eventually('they came', async () => (await received()) === before + count)
  }

  it('says its version, and what it needs', () => {
    const words = (...more: string[]) =>
      spawnSync(process.execPath, ['--import=tsx', 'bin/etherloom.ts', 'ubridge', ...more], {
        encoding: 'utf8',
      })
    const { stdout, stderr, status } = words('-v')
    expect({ stdout, stderr, status }).to.deep.equal({
      stdout: 'ubridge version 1.2.3-etherloom\n',
      stderr: '',
      status: 0,
    })
    expect(/ubridge version ([0-9a-z.]+)/.exec(stdout)?.[1]).to.equal('1.2.3')
    for (const wrong of [[], ['-H', '1', '-U', 'x'], ['-H', 'x'], ['-H', '1:70000']]) {
      const { stderr, status } = words(...wrong)
      expect(status, wrong.join(' ')).to.equal(2)
      expect(stderr).to.match(/^etherloom: .*'-H/)
    }
  })

  it('of VPCS, QEMU and Dynamips: a bridge of two UDP ends, recorded and filtered, until it is stopped', async () => {
    const program = start('-U', path, '-d', '1')
    const console = await client()
    expect(lstatSync(path).mode & 0o777).to.equal(0o600)
    const [l, r, a, b] = (await freePorts(4)) as [number, number, number, number]
    const [one, other] = [close(await Card.at(a, l)), close(await Card.at(b, r))]
    const file = join(folder, 'a capture.pcap')
    const name = 'VPCS-0b1c9a4e-9d4b-4e0e-8a57-5f2a3a2f6f10'
    await session(console, [
      ['hypervisor version', '100-1.2.3'],
      [`bridge create ${name}`, `100-bridge '${name}' created`],
      [`bridge add_nio_udp ${name} ${l} 127.0.0.1 ${a}`, `100-NIO UDP added to bridge '${name}'`],
      [`bridge start ${name}`, `209-bridge '${name}' has 1 of the 2 NIOs that it needs`],
      [`bridge add_nio_udp ${name} ${r} localhost ${b}`, `100-NIO UDP added to bridge '${name}'`],
      [`bridge start_capture ${name} "${file}" EN10MB`, `100-bridge '${name}' is recorded`],
      [`bridge start ${name}`, `100-bridge '${name}' started`],
      [`bridge reset_packet_filters ${name}`, '100-OK'],
    ])
    await one.send(frame({ tag: 1 }))
    await eventually('a frame came', () => other.heard.length === 1)
    await other.send(frame({ tag: 2 }))
    await eventually('a frame came back', () => one.heard.length === 1)
    expect(Buffer.from(frame({ tag: 1 })).equals(other.heard[0]!)).to.equal(true)
    expect(Buffer.from(frame({ tag: 2 })).equals(one.heard[0]!)).to.equal(true)
    // Its readers follow the file while it grows.
    await eventually('both are in the file', () => readPcap(readFileSync(file)).packets.length === 2)
    const size = frame({ tag: 1 }).length
    await session(console, [
      [
        `bridge add_packet_filter ${name} filter0 frequency_drop -1`,
        `100-filter 'filter0' added to bridge '${name}'`,
      ],
      [`bridge add_packet_filter ${name} filter1 bpf ""`, `100-filter 'filter1' added to bridge '${name}'`],
    ])
    await one.send(frame({ tag: 3 }))
    const stats =
      `101 Source NIO:      IN: 2 packets (${2 * size} bytes) OUT: 1 packets (${size} bytes)\r\n` +
      `101 Destination NIO: IN: 1 packets (${size} bytes) OUT: 1 packets (${size} bytes)\r\n100-OK\r\n`
    await eventually('it is counted', async () => (await console.ask(`bridge get_stats ${name}`)) === stats)
    await session(console, [
      [`bridge reset_stats ${name}`, '100-OK'],
      [`bridge stop_capture ${name}`, `100-bridge '${name}' is recorded no more`],
      [`bridge stop_capture ${name}`, `209-bridge '${name}' is not being recorded`],
      [`bridge delete ${name}`, `100-bridge '${name}' deleted`],
      [`bridge delete ${name}`, `214-bridge '${name}' doesn't exist`],
      ['hypervisor stop', '100-OK'],
    ])
    expect(await program.rest()).to.equal('') // and nothing on stderr, which GNS3 shows with every error
    expect(existsSync(path)).to.equal(false)
    const { linkType, packets } = readPcap(readFileSync(file))
    expect(linkType).to.equal(1)
    expect(packets.map((bytes) => Buffer.from(bytes).toString('hex'))).to.deep.equal(
      [1, 2].map((tag) => Buffer.from(frame({ tag })).toString('hex')),
    )
  })

  it('refuses in one line each, with the number that says why', async () => {
    start('-U', path)
    const console = await client()
    const modulesHere = 'hypervisor, bridge, docker, brctl, link'
    await session(console, [
      ['tc capabilities', `201-no module 'tc' here; there are ${modulesHere}`],
      ['iol_bridge create x 513', `201-no module 'iol_bridge' here; there are ${modulesHere}`],
      ['__proto__ x', `201-no module '__proto__' here; there are ${modulesHere}`],
      [
        'bridge constructor',
        "202-no command 'constructor' of 'bridge' here; 'hypervisor cmd_list bridge' lists them",
      ],
      ['bridge', "200-a command is a module and its command, and this is only 'bridge'"],
      ['bridge "create', '200-a quotation mark opens a word that does not end'],
      ['bridge create', "203-'bridge create' takes 1 word, not 0"],
      ['bridge add_nio_tap a b c d', "203-'bridge add_nio_tap' takes 2 to 3 words, not 4"],
      ['bridge create a', "100-bridge 'a' created"],
      ['bridge create a', "206-bridge 'a' already exists"],
      ['bridge add_nio_udp a 0 127.0.0.1 1', "204-'0' is not a UDP port, from 1 to 65535"],
      ['bridge add_nio_udp a 1000 "a b" 1', "204-'a b' is not an address or a name of a host"],
      ['bridge delete_nio_tap a tap7', "214-bridge 'a' has no tap NIO 'tap7'"],
      ['bridge delete_nio_tap b tap7', "214-bridge 'b' doesn't exist"],
      ['bridge add_nio_tap a -x', "204-'-x' is not the name of an interface"],
      [
        'bridge start_capture a /nowhere/x.pcap',
        "211-cannot write '/nowhere/x.pcap': ENOENT: no such file or directory, open '/nowhere/x.pcap'",
      ],
      [
        'bridge start_capture a x.pcap WIFI',
        "211-no link type 'WIFI'; there are EN10MB, PPP_SERIAL, ATM_RFC1483, C_HDLC, FRELAY",
      ],
      ['bridge start_capture a /dev/null', "211-cannot write '/dev/null': it is no file"],
      ['bridge delete_packet_filter a f', "214-bridge 'a' has no filter 'f'"],
      ['bridge add_packet_filter a f delay 10', "100-filter 'f' added to bridge 'a'"],
      [
        'bridge add_packet_filter a f corrupt 1',
        "206-failed to add filter 'f': bridge 'a' has a filter of this name already",
      ],
      [
        'bridge add_packet_filter a g delay 10',
        "206-failed to add filter 'g': bridge 'a' has a delay already",
      ],
      ['bridge enable_packet_filter a f maybe', "204-'maybe' is not 'on' or 'off'"],
      ['bridge stop a', "210-bridge 'a' is not running"],
      ['bridge rename a a', "213-bridge 'a' already exists"],
      ['docker set_mac_addr x 1', "204-'1' is not a MAC address"],
      ['link set x sideways', "204-'sideways' is not 'up' or 'down'"],
    ])
    // What the kernel refuses, in its words, on one line.
    expect(await console.ask('link set etherloom-none up')).to.match(
      /^215-ip link set dev etherloom-none up: .*\r\n$/,
    )
    expect(await console.ask('bridge add_nio_ethernet a etherloom-none')).to.match(
      /^206-.*etherloom-none.*\r\n$/,
    )
    expect(await console.ask('bridge list')).to.equal('101 a (NIOs = 0)\r\n100-OK\r\n')
    // No failure has left anything behind: the bridge takes two NIOs.
    const [l, r] = await freePorts(2)
    await session(console, [
      [`bridge add_nio_udp a ${l} 127.0.0.1 9`, "100-NIO UDP added to bridge 'a'"],
      [`bridge add_nio_udp a ${r} 127.0.0.1 9`, "100-NIO UDP added to bridge 'a'"],
      [`bridge add_nio_udp a 5000 127.0.0.1 9`, "206-bridge 'a' has two NIOs already"],
      ['bridge start a', "100-bridge 'a' started"],
      ['bridge start a', "209-bridge 'a' is running already"],
      [`bridge delete_nio_udp a ${l}`, "214-bridge 'a' is running; stop it before you take a NIO out"],
      ['bridge rename a z', "100-bridge 'a' renamed to 'z'"],
      ['bridge stop z', "100-bridge 'z' stopped"],
      [`bridge remove_nio_udp z ${l} 127.0.0.1 9`, "100-NIO UDP removed from bridge 'z'"],
      ['hypervisor reset', '100-OK'],
      ['bridge list', '100-OK'],
    ])
  })

  it('has all that it offers in its page', () => {
    const page = readFileSync('docs/reference/ubridge.md', 'utf8')
    const rows = page.slice(page.indexOf('## Commands'), page.indexOf('Not there')).split('\n')
    for (const [name, module] of Object.entries(modules)) {
      const cells = rows.filter((row) => row.startsWith(`| ${name}`)).join('\n')
      const named = [...cells.matchAll(/`([a-z_]+)/g)].map(([, command]) => command)
      expect(named, name).to.have.members(Object.keys(module))
    }
  })

  it('asks iproute2 for interfaces, in its words', async () => {
    const programs = join(folder, 'programs')
    const log = join(folder, 'log')
    mkdirSync(programs)
    // In the place of both: they note what they are asked, and know two bridges, of which br1 has a port.
    for (const name of ['ip', 'bridge'])
      writeFileSync(
        join(programs, name),
        `#!/bin/sh
case "$*" in
  *'type bridge') case "$*" in *show*) echo '[{"ifname":"br0"},{"ifname":"br1"}]'; exit;; esac;;
  *'type veth') case "$*" in *show*) echo '[{"ifname":"a"}]'; exit;; esac;;
  *'master br1') case "$*" in *show*) echo '[{"ifname":"p1"}]'; exit;; esac;;
  *'show dev p2') echo '[{"ifname":"p2","master":"br1","flags":["UP"]}]'; exit;;
  *show*) echo '[]'; exit;;
esac
echo "${name} $*" >> '${log}'
case "$*" in *'master full'*) echo 'Error: no room.' >&2; exit 2;; esac
`,
        { mode: 0o755 },
      )
    const before = process.env.PATH
    process.env.PATH = `${programs}:${before}`
    try {
      start('-U', path)
    } finally {
      process.env.PATH = before
    }
    const console = await client()
    const cases: [line: string, asked: string[]][] = [
      ['link set p1 down', ['ip link set dev p1 down']],
      ['brctl create br0', ['ip link add name br0 type bridge']],
      ['brctl addif br0 p1', ['ip link set dev p1 master br0 up']],
      ['brctl delif br1 p1', ['ip link set dev p1 nomaster']],
      ['brctl delete br0', ['ip link delete dev br0 type bridge']],
      ['brctl vlanfiltering br0 on', ['ip link set dev br0 type bridge vlan_filtering 1']],
      ['brctl setvlanproto br0 0x88a8', ['ip link set dev br0 type bridge vlan_protocol 802.1ad']],
      ['brctl vlan_del br0 p1 1', ['bridge vlan del dev p1 vid 1']],
      ['brctl vlan_add br0 p1 10 pvid untagged', ['bridge vlan add dev p1 vid 10 pvid untagged']],
      ['brctl vlan_add br0 p1 2 4094', ['bridge vlan add dev p1 vid 2-4094']],
      ['docker create_veth a b', ['ip link add name a up type veth peer name b']],
      ['docker delete_veth a', ['ip link delete dev a type veth']],
      ['docker set_mac_addr p1 02:00:00:00:00:01', ['ip link set dev p1 address 02:00:00:00:00:01']],
      ['docker move_to_ns p1 77 eth0', ['ip link set dev p1 netns 77 name eth0']],
    ]
    for (const [line, asked] of cases) {
      writeFileSync(log, '')
      expect(await console.ask(line), line).to.match(/^100-/)
      expect(readFileSync(log, 'utf8').split('\n').slice(0, -1), line).to.deep.equal(asked)
    }
    // What is refused leaves an interface as it was.
    for (const [port, asWas] of [
      ['p1', 'nomaster down'],
      ['p2', 'master br1 up'],
    ] as const) {
      writeFileSync(log, '')
      const refused = `215-ip link set dev ${port} master full up: no room.\r\n`
      expect(await console.ask(`brctl addif full ${port}`)).to.equal(refused)
      expect(readFileSync(log, 'utf8')).to.equal(
        `ip link set dev ${port} master full up\nip link set dev ${port} ${asWas}\n`,
      )
    }
    await session(console, [
      ['brctl show', '101 br0:\r\n101 br1: p1\r\n100-OK'],
      ['brctl delete br1', "207-bridge 'br1' still has p1"],
      ['brctl delete p1', "207-'p1' is no bridge"],
      ['docker delete_veth br0', "207-'br0' is no veth"],
      ['brctl delif br0 p1', "214-bridge 'br0' has no 'p1'"],
      ['brctl vlan_add br0 p1 9 8', '204-what is given is a VLAN or the first and the last of several'],
      ['brctl vlan_add br0 p1 0', "204-'0' is not a VLAN, from 1 to 4094"],
      ['brctl setvlanproto br0 0x1', "204-'0x1' is not 0x8100 or 0x88a8"],
    ])
  })

  it('answers a client that says all at once and ends its side', async () => {
    start('-U', path)
    await client() // it is there
    const socket = net.connect({ path, allowHalfOpen: true })
    socket.end('bridge create a\nbridge create b\nbridge list\n')
    let said = ''
    for await (const piece of socket) said += String(piece)
    expect(said).to.equal(
      "100-bridge 'a' created\r\n100-bridge 'b' created\r\n101 a (NIOs = 0)\r\n101 b (NIOs = 0)\r\n100-OK\r\n",
    )
  })

  it('lists all that it offers, and nothing else', async () => {
    start('-U', path)
    const console = await client()
    expect(await console.ask('hypervisor module_list')).to.equal(
      `${Object.keys(modules)
        .map((name) => `101 ${name}\r\n`)
        .join('')}100-OK\r\n`,
    )
    for (const [name, module] of Object.entries(modules)) {
      const listed = Object.entries(module).map(
        ([
          command,
          {
            words: [fewest, most],
          },
        ]) => {
          return `101 ${command} (min/max args: ${fewest}/${most})\r\n`
        },
      )
      expect(await console.ask(`hypervisor cmd_list ${name}`)).to.equal(`${listed.join('')}100-OK\r\n`)
    }
  })

  it('two bridges keep apart, and what is set here is seen and changed as everywhere', async () => {
    start('-U', path, '--name', 'node')
    const console = await client()
    const [a] = await pair(console, 'one')
    await pair(console, 'two')
    await console.ask('bridge add_packet_filter one filter0 delay 40 10')
    await console.ask('bridge add_packet_filter one filter1 bpf "arp"')
    const shown = await etherloom('path', 'one.source', 'one.destination', '--name', 'node')
    expect(shown)
      .to.match(/delay.*40ms/)
      .and.to.match(/jitter.*10ms/)
      .and.to.include('drop')
      .and.to.include('arp')
    await etherloom('path', 'two.source', 'two.destination', 'loss=100%', '--name', 'node')
    // A command for one bridge leaves the other as somebody else has set it.
    await console.ask('bridge reset_packet_filters one')
    const seen = await etherloom('path', 'two.source', 'two.destination', '--name', 'node')
    expect(seen).to.include('loss=1 ')
    expect(await etherloom('path', 'one.source', 'one.destination', '--name', 'node')).to.not.include('delay')
    await console.ask('bridge enable_packet_filter two filter0 off')
    await a.send(frame({ tag: 1 }))
    await etherloom('down', '--name', 'node')
    await eventually('the console ends with its instance', () => console.ended)
    await eventually('and its path', () => !existsSync(path))
  })

  it('filters do what they say, counted over a thousand frames with a fixed seed', async () => {
    start('-U', path)
    const console = await client()
    const [a, b] = await pair(console, 'b')
    const count = 1000
    const heard = async (filter: string, from = a, to = b): Promise<Buffer[]> => {
      await console.ask('bridge reset_packet_filters b')
      expect(await console.ask(`bridge add_packet_filter b filter0 ${filter}`)).to.match(/^100-/)
      to.heard.length = 0
      await pass(console, 'b', from, count)
      // What waits keeps its departure, and what comes after the reset is behind it, and lost by nothing.
      await console.ask('bridge reset_packet_filters b')
      const last = Buffer.from(frame({ tag: 0xffff }))
      await from.send(last)
      await eventually('the last came', () => to.heard.at(-1)?.equals(last))
      return to.heard.slice(0, -1)
    }
    expect(await heard('frequency_drop 4')).to.have.length(750)
    expect(await heard('frequency_drop 4', b, a)).to.have.length(750)
    expect(await heard('frequency_drop -1')).to.have.length(0)
    // Four standard deviations of so many draws.
    expect((await heard('packet_loss 20')).length).to.be.within(800 - 51, 800 + 51)
    const corrupted = (await heard('corrupt 30')).filter((bytes, tag) => !bytes.equals(frame({ tag })))
    expect(corrupted.length).to.be.within(300 - 58, 300 + 58)
    expect(await heard('packet_loss 0')).to.have.length(count)
    expect(await heard('bpf "ether proto 0x88b5"')).to.have.length(0)
    expect(await heard('bpf "arp"')).to.have.length(count)
    expect(await heard('delay 5 3')).to.have.length(count)
  })

  it('bpf drops what an expression matches, and each by itself, however many there are', async () => {
    start('-U', path)
    const console = await client()
    const [a, b] = await pair(console, 'b')
    let filters = 0
    const drops = async (expression: string): Promise<void> => {
      const line = `bridge add_packet_filter b filter${filters++} bpf "${expression}"`
      expect(await console.ask(line), line).to.match(/^100-/)
    }
    /** What of these arrives. */
    const arriving = async (...frames: Buffer[]): Promise<Buffer[]> => {
      b.heard.length = 0
      for (const each of frames) await a.send(each)
      const last = Buffer.from(frame({ tag: 0xffff }))
      await a.send(last)
      await eventually('the last came', () => b.heard.at(-1)?.equals(last))
      return b.heard.slice(0, -1)
    }
    const ethernet = (...behind: number[]): Buffer =>
      Buffer.concat([Buffer.alloc(12, 2), Buffer.from(behind), Buffer.alloc(40)])
    // TCP to port 80, whose header has 20 bytes, with and without data behind it.
    const segment = (data: string): Buffer => {
      const headers =
        '0800' + '4500000000000000400600000a0000010a000002' + '0400005000000000000000005002000000000000'
      return Buffer.concat([Buffer.alloc(12, 2), Buffer.from(headers, 'hex'), Buffer.from(data)])
    }
    const [bare, get, post] = ['', 'GET / HTTP/1.1', 'POST'].map(segment) as [Buffer, Buffer, Buffer]
    await drops('tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420')
    expect(await arriving(bare, get, post)).to.deep.equal([bare, post])
    // A VLAN in one line leaves the others where they are.
    const [tagged, arp, ip6] = [ethernet(0x81, 0, 0, 7, 8, 0), ethernet(8, 6), ethernet(0x86, 0xdd)] as const
    await drops('vlan 7')
    await drops('arp')
    expect(await arriving(tagged, arp, ip6, get)).to.deep.equal([ip6])
    // Together more than an expression may be long.
    const net = (number: number): string =>
      Array.from({ length: 25 }, (_, host) => `host 10.${number}.0.${host}`).join(' or ')
    for (let number = 1; number < 9; number++) await drops(net(number))
    expect(await arriving(arp, ip6, bare, get)).to.deep.equal([ip6, bare])
    await console.ask('bridge enable_packet_filter b filter2 off')
    expect(await arriving(arp, tagged)).to.deep.equal([arp])
    // As many as a path may have, and no more.
    while (filters < limits.filters) await drops('arp')
    expect(await console.ask('bridge add_packet_filter b last bpf "arp"')).to.match(/^100-/) // one is off
    expect(await console.ask('bridge add_packet_filter b more bpf "arp"')).to.match(/^206-.*1 to 64/)
    expect(await arriving(arp, ip6)).to.deep.equal([ip6])
  })

  it('goes on recording a bridge whose end goes and comes back', async () => {
    start('-U', path)
    const console = await client()
    const [l, r, a, b] = (await freePorts(4)) as [number, number, number, number]
    const [one, other] = [close(await Card.at(a, l)), close(await Card.at(b, r))]
    const file = join(folder, 'x.pcap')
    await session(console, [
      ['bridge create bridge0', "100-bridge 'bridge0' created"],
      [`bridge start_capture bridge0 "${file}" C_HDLC`, "100-bridge 'bridge0' is recorded"],
      [`bridge start_capture bridge0 "${file}"`, "206-bridge 'bridge0' is being recorded already"],
      [`bridge add_nio_udp bridge0 ${l} 127.0.0.1 ${a}`, "100-NIO UDP added to bridge 'bridge0'"],
    ])
    for (const tag of [1, 2, 3]) {
      await session(console, [
        [`bridge add_nio_udp bridge0 ${r} 127.0.0.1 ${b}`, "100-NIO UDP added to bridge 'bridge0'"],
        ['bridge start bridge0', "100-bridge 'bridge0' started"],
      ])
      await one.send(frame({ tag }))
      await eventually('it came', () => other.heard.length === tag)
      await session(console, [
        ['bridge stop bridge0', "100-bridge 'bridge0' stopped"],
        [`bridge remove_nio_udp bridge0 ${r} 127.0.0.1 ${b}`, "100-NIO UDP removed from bridge 'bridge0'"],
      ])
    }
    await console.ask('hypervisor stop')
    await eventually('it has ended', () => console.ended)
    const { linkType, packets } = await eventually('the file is whole', () => readPcap(readFileSync(file)))
    expect(linkType).to.equal(104)
    expect(packets).to.have.length(3)
  })

  it('joins Unix sockets of datagrams', async () => {
    start('-U', path)
    const console = await client()
    const [left, right] = ['left', 'right'].map((name) => join(folder, name)) as [string, string]
    const [middle, back] = ['middle', 'back'].map((name) => join(folder, name)) as [string, string]
    // Two bridges in a row: the end of one is the peer of the other.
    const [l, r, a, b] = (await freePorts(4)) as [number, number, number, number]
    const [one, other] = [close(await Card.at(a, l)), close(await Card.at(b, r))]
    for (const [name, local, port, card] of [
      ['x', middle, l, a],
      ['y', back, r, b],
    ] as const) {
      await console.ask(`bridge create ${name}`)
      await console.ask(`bridge add_nio_udp ${name} ${port} 127.0.0.1 ${card}`)
      const remote = local === middle ? back : middle
      expect(await console.ask(`bridge add_nio_unix ${name} "${local}" "${remote}"`)).to.match(/^100-/)
      await console.ask(`bridge start ${name}`)
    }
    await one.send(frame({ tag: 5 }))
    await eventually('it came through both', () => other.heard.length === 1)
    await other.send(frame({ tag: 6 }))
    await eventually('and back', () => one.heard.length === 1)
    expect([left, right].some((each) => existsSync(each))).to.equal(false)
    await console.ask('hypervisor reset')
    expect([middle, back].map((each) => existsSync(each))).to.deep.equal([false, false])
  })

  describe('and clients that mean no good', () => {
    it('a line without an end ends its client, and nobody else', async () => {
      start('-U', path)
      const [honest, other] = [await client(), await client()]
      other.socket.write('x'.repeat(limits.consoleLine + 1))
      expect(await other.answer()).to.match(/^200-a line may have 64KiB, and this one has more/)
      await eventually('it is ended', () => other.ended)
      expect(await honest.ask('hypervisor version')).to.equal('100-1.2.3\r\n')
      // As long as a line may be, and in pieces.
      honest.socket.write('hypervisor ')
      honest.socket.write('version #')
      expect(await honest.ask('y'.repeat(limits.consoleLine - 30))).to.equal('100-1.2.3\r\n')
    })

    it('each of thousands of commands at once has its answer, in order, and others have theirs between', async () => {
      start('-U', path)
      const [storm, other] = [await client(), await client()]
      const count = 3000
      const lines = Array.from({ length: count }, (_, at) =>
        at % 2 ? `bridge delete b${at}\n` : `# ${at}\n`,
      )
      storm.socket.write(lines.join(''))
      expect(await other.ask('hypervisor version')).to.equal('100-1.2.3\r\n')
      for (let at = 1; at < count; at += 2)
        expect(await storm.answer()).to.equal(`214-bridge 'b${at}' doesn't exist\r\n`)
      expect(storm.rest).to.equal('')
    })

    it('half a line, bytes that are no text, and an end in between change nothing', async () => {
      start('-U', path)
      const half = await client()
      half.socket.end('bridge create half')
      await eventually('it has gone', () => half.ended)
      const binary = await client()
      binary.socket.write(Buffer.from([0, 255, 254, 10, 13, 10, 0xc3, 10, 34, 34, 10]))
      const answers = [await binary.answer(), await binary.answer()]
      expect(answers.map((each) => each.slice(0, 4))).to.deep.equal(['200-', '200-'])
      expect(answers.join('')).to.match(/^[^\x00-\x09\x0b\x0c\x0e-\x1f]*$/)
      expect(await binary.ask('bridge list')).to.equal('100-OK\r\n')
    })

    it('more clients than there may be are turned away, and come in when others go', async () => {
      start('-U', path)
      const clients: Client[] = []
      for (let at = 0; at < limits.consoleClients; at++) clients.push(await client())
      expect(await clients.at(-1)!.ask('bridge list')).to.equal('100-OK\r\n')
      const late = await client()
      await eventually('it is turned away', () => late.ended)
      clients[0]!.close()
      await eventually('another comes in', async () => {
        const next = await client()
        return (await next.ask('bridge list')) === '100-OK\r\n'
      })
    })
  })

  it('ends by a signal, and leaves nothing; after kill -9 the next one takes the path over', async () => {
    const first = start('-U', path)
    await client()
    first.signal('SIGTERM')
    expect(await first.rest()).to.equal('')
    expect(existsSync(path)).to.equal(false)
    const killed = start('-U', path)
    await client()
    await killed.close()
    expect(existsSync(path)).to.equal(true)
    start('-U', path)
    expect(await (await client()).ask('bridge list')).to.equal('100-OK\r\n')
    // One that is served, or is something else, is left as it is.
    const other = start('-U', path, '--name', 'other')
    expect(await other.rest(1)).to.equal('')
    expect(await (await client()).ask('bridge list')).to.equal('100-OK\r\n')
    const file = join(folder, 'file')
    writeFileSync(file, 'mine')
    await start('-U', file).rest(1)
    expect(readFileSync(file, 'utf8')).to.equal('mine')
  })

  it('at a TCP port alone is for this machine only, and closes a client that asks for it', async () => {
    const port = await freeTcpPort()
    start('-H', `${port}`)
    const console = await client({ port, host: '127.0.0.1' })
    expect(await console.ask('hypervisor close')).to.equal('100-OK\r\n')
    await eventually('it is closed', () => console.ended)
    const listening = await run([
      'sh',
      '-c',
      `grep -i ":${port.toString(16).padStart(4, '0')} " /proc/net/tcp /proc/net/tcp6 || true`,
    ])
    expect(listening.match(/\s([0-9A-F]{8,32}):/g)?.map((each) => each.trim())).to.include('0100007F:')
    expect(listening).to.not.match(/ 0{8,32}:[0-9A-F]{4} 0+:0000 0A/)
  })
})

describeUnless(lacksProgram('vpcs', 'script'), 'real VPCS on bridges of ubridge', function () {
  this.timeout(120_000)
  const close = closing()

  it('ping each other through two of them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-vpcs-'))
    close({ close: () => rmSync(folder, { recursive: true, force: true }) })
    const control = join(folder, 'run')
    const [local, remote, here, there, a, b] = (await freePorts(6)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    // As on two servers: VPCS - bridge - UDP - bridge - VPCS.
    const sides = [
      { name: 'VPCS-1', from: local, peer: a, to: here, other: there },
      { name: 'VPCS-2', from: remote, peer: b, to: there, other: here },
    ]
    for (const { name, from, peer, to, other } of sides) {
      const path = join(folder, `${name}.sock`)
      close(startUbridge(control, ['-U', path]))
      const console = close(await Client.to({ path }))
      for (const line of [
        `create ${name}`,
        `add_nio_udp ${name} ${from} 127.0.0.1 ${peer}`,
        `add_nio_udp ${name} ${to} 127.0.0.1 ${other}`,
        `start ${name}`,
      ])
        expect(await console.ask(`bridge ${line}`)).to.match(/^100-/)
    }
    const vpcs = (number: number, script: string, port: number, peer: number): Child => {
      const file = join(folder, `${number}.vpc`)
      writeFileSync(file, script)
      const words = `vpcs -i 1 -m ${number} -s ${port} -c ${peer} -t 127.0.0.1 ${file}`
      return close(new Child(['script', '-qec', words, '/dev/null']))
    }
    const answering = vpcs(1, 'ip 10.7.0.1/24\n', a, local)
    for (let line = ''; !line.includes('10.7.0.1 255.255.255.0');) line = await answering.line()
    const asking = vpcs(2, 'ip 10.7.0.2/24\nping 10.7.0.1 -c 3\n', b, remote)
    const lines: string[] = []
    while (!lines.some((line) => line.includes('icmp_seq=3'))) lines.push(await asking.line())
    for (const number of [1, 2, 3])
      expect(lines.filter((line) => line.includes(`10.7.0.1 icmp_seq=${number} ttl=64`))).to.have.length(1)
  })
})
