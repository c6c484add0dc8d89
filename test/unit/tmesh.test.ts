/** Files of TME's machines: what topology they become, which lines are reported, and which are refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { importFiles, recognise, type Imported } from '../../lib/topology/import/index.js'
import { tmesh } from '../../lib/topology/import/tmesh.js'
import { inspectTopology } from '../../lib/topology/load.js'

/** Imports texts as the files of machines, by their names. */
const imported = (machines: Record<string, string>): Promise<Imported> =>
  importFiles(
    'tmesh',
    Object.entries(machines).map(([name, text]) => ({ file: `${name}.tmesh`, text })),
  )

/** The fabrics that machines become; everything must be right. */
async function fabricsOf(machines: Record<string, string>): Promise<unknown> {
  const { topology, problems } = await imported(machines)
  expect(problems).to.deep.equal([])
  return topology?.fabrics
}

/** Notes or problems as `file:line message`. */
const lines = (found: Imported['notes']): string[] =>
  found.map(({ file, line, message }) => `${file.replace('.tmesh', '')}:${line} ${message}`)

const notesOf = async (machines: Record<string, string>): Promise<string[]> =>
  lines((await imported(machines)).notes)
const problemsOf = async (text: string): Promise<string[]> => {
  const { topology, problems } = await imported({ sun: text })
  expect(topology).to.equal(undefined)
  return problems.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

/** A machine with an Ethernet card, le0, on lines 1 and 2; yours come after. */
const machine = (...own: string[]): string =>
  ['sbus0: tme/bus/sbus', 'le0 at sbus0 slot 0 offset 0xc00000: tme/ic/am7990', ...own].join('\n')

const tapA = 'tap0: tme/host/tun/tap interface tapA inet 10.0.77.1 netmask 255.255.255.0 bcast 10.0.77.255'
const onTapA = 'bpf0 at le0: tme/host/bsd/bpf interface tapA'

describe('tmesh files', () => {
  describe('become hubs', () => {
    it('a master that is paired with itself, and slaves: a host port, and the interface that they share', async () => {
      const master = machine(`${tapA}  # master only`, 'tap0 at tap0', onTapA)
      expect(await fabricsOf({ master, one: machine(onTapA), two: machine(onTapA) })).to.deep.equal({
        tapA: {
          kind: 'hub',
          ports: { host: { tap: 'tapA-host', addresses: ['10.0.77.1/24'] }, tapA: { tap: 'tapA' } },
        },
      })
    })

    it('the lines of the manual without their machine, and says what is missing', async () => {
      const fragment = [tapA, 'tap0 at tap0', onTapA].join('\n')
      expect(await fabricsOf({ sun: fragment })).to.deep.equal(
        await fabricsOf({ sun: machine(tapA, 'tap0 at tap0', onTapA) }),
      )
      expect(await notesOf({ sun: fragment })).to.include(
        "sun:3 no line here makes 'le0': taken as a part of a machine",
      )
    })

    it('elements by a second name', async () => {
      const own = ['alias le0 net0', tapA, 'tap0 at tap0', 'bpf0 at net0: tme/host/bsd/bpf interface tapA']
      expect(await fabricsOf({ sun: machine(...own) })).to.deep.equal(
        await fabricsOf({ sun: machine(tapA, 'tap0 at tap0', onTapA) }),
      )
      const shipped = 'mainbus0: tme/machine/sun4/75\nalias mainbus0 sbus0\nle0 at sbus0: tme/ic/am7990'
      expect(await fabricsOf({ sun: [shipped, tapA, onTapA].join('\n') })).to.have.property('tapA')
      expect(await problemsOf(machine('alias le0 sbus0'))).to.deep.equal([
        "3:11 'le0' and 'sbus0' are two elements already",
      ])
    })

    it('a tap that translates addresses: a gateway', async () => {
      const fabrics = await fabricsOf({ master: machine(`${tapA} nat eth0`, 'tap0 at tap0', onTapA) })
      expect(fabrics).to.have.deep.nested.property('tapA.ports.host.gateway', { interface: 'eth0' })
      expect(fabrics).to.have.nested.property('tapA.ports.tapA.tap', 'tapA')
    })

    it('a tap of one machine alone: the same, and the machine attaches to it', async () => {
      const sun2 = machine('tap1 at le0: tme/host/tun/tap inet 10.0.77.1 netmask 255.255.255.0')
      expect(await fabricsOf({ sun2 })).to.deep.equal({
        tap0: {
          kind: 'hub',
          ports: { host: { tap: 'tap0-host', addresses: ['10.0.77.1/24'] }, tap0: { tap: 'tap0' } },
        },
      })
      expect(await notesOf({ sun2 })).to.include(
        "sun2:3 etherloom makes 'tap0'; write: tap1 at le0: tme/host/bsd/bpf interface tap0",
      )
    })

    it('a tap of OpenVPN', async () => {
      const own = 'tap0: tme/host/openvpn/tun/tap --dev tapA --ifconfig 10.0.77.1 255.255.0.0'
      expect(await fabricsOf({ sun: machine(own) })).to.deep.equal({
        tapA: { kind: 'hub', ports: { host: { tap: 'tapA', addresses: ['10.0.77.1/16'] } } },
      })
    })

    it('taps without names by the names that the kernel gives them, one hub each', async () => {
      const own = ['a: tme/host/tun/tap', 'b: tme/host/tun/tap interface tap0', 'c: tme/host/tun/tap']
      const fabrics = (await fabricsOf({ sun: machine(...own) })) as object
      expect(Object.keys(fabrics)).to.have.members(['tap0', 'tap1', 'tap2'])
    })

    it('an interface that is there already: a packet port, and a TAP for each machine', async () => {
      const bpf = 'bpf0 at le0: tme/host/bsd/bpf interface eth0'
      expect(await fabricsOf({ one: machine(bpf), two: machine(bpf) })).to.deep.equal({
        eth0: {
          kind: 'hub',
          ports: {
            eth0: { packet: 'eth0', direction: 'both' },
            one: { tap: 'one' },
            two: { tap: 'two' },
          },
        },
      })
    })

    it('a bridge between a tap and an interface: one hub', async () => {
      const fabrics = await fabricsOf({
        sun: [tapA, 'bpf1 at tap0: tme/host/bsd/bpf interface eth0'].join('; '),
      })
      expect(fabrics).to.have.nested.property('eth0.ports.eth0')
      expect(fabrics).to.have.nested.property('eth0.ports.host.tap', 'tapA')
    })

    it('a mask by the class of the address where there is none, and says so', async () => {
      const own = 'tap0: tme/host/tun/tap inet 172.16.0.1'
      const fabrics = await fabricsOf({ sun: machine(own) })
      expect(fabrics).to.have.nested.property('tap0.ports.host.addresses[0]', '172.16.0.1/16')
      expect(await notesOf({ sun: machine(own) })).to.include(
        'sun:3 no netmask: 172.16.0.1 is taken as /16, after its class',
      )
    })
  })

  describe('lead away', () => {
    /** The ports of each hub that machines become, before they are checked as a topology. */
    async function portsOf(machines: Record<string, string>): Promise<Record<string, unknown>> {
      const files = Object.entries(machines).map(([name, text]) => ({ file: `${name}.tmesh`, text }))
      const { topology, problems } = await tmesh.convert(files, {})
      expect(problems).to.deep.equal([])
      const { fabrics } = topology as { fabrics: Record<string, { ports: unknown }> }
      return Object.fromEntries(Object.entries(fabrics).map(([name, { ports }]) => [name, ports]))
    }
    const link = 'tme/host/openvpn/socket/link --dev tap'
    const tap1 = 'tap1: tme/host/tun/tap inet 10.0.77.1 netmask 255.255.255.0 nat none'

    it('by links of the trunk: UDP ports; the machine at the other end keeps its own', async () => {
      const machines = {
        a: machine(
          tap1,
          `link2 at tap1: ${link} --local 192.168.0.1 --remote 192.168.0.2 --proto tcp-server`,
        ),
        b: machine(
          `link3: ${link} --local 192.168.0.1 --lport 1195 --remote 192.168.0.3 --ping 10`,
          'bpf1 at le0: tme/host/bsd/bpf interface tap0',
          'bpf2 at link3: tme/host/bsd/bpf interface tap0',
        ),
        c: machine(`link4 at le0: ${link} --remote 192.168.0.1 --proto tcp-client`),
        d: machine(`link5 at le0: ${link} --remote 192.168.0.1 1195`),
      }
      expect(await portsOf(machines)).to.deep.equal({
        tap0: {
          host: { tap: 'tap0-host', addresses: ['10.0.77.1/24'] },
          tap0: { tap: 'tap0' },
          link2: { udp: '192.168.0.1:1194', remote: '192.168.0.2:1194' },
          link3: { udp: '192.168.0.1:1195', remote: '192.168.0.3:1194', keepAlive: '10s' },
        },
      })
      await fabricsOf(machines) // which is a valid topology
      expect(await notesOf(machines)).to.include.members([
        'a:4 --proto tcp-server is UDP here: give the emulator at the other end --proto udp',
        "c:3 stays in its file: it speaks to 'link2' (a.tmesh:4)",
        "d:3 stays in its file: it speaks to 'link3' (b.tmesh:3)",
      ])
    })

    it('by the link of a machine alone: the far end that it speaks to', async () => {
      const own = `link5 at le0: ${link} --local 127.0.0.1 --lport 1196 --remote 127.0.0.1 1195`
      expect(await portsOf({ d: machine(own) })).to.deep.equal({
        d: { d: { udp: '127.0.0.1:1195', remote: '127.0.0.1:1196', pad: true } },
      })
      expect(await portsOf({ a: machine(tap1), d: machine(own) })).to.deep.equal({
        tap0: {
          host: { tap: 'tap0', addresses: ['10.0.77.1/24'] },
          d: { udp: '127.0.0.1:1195', remote: '127.0.0.1:1196', pad: true },
        },
      })
    })

    it('by addresses of IPv6, in quotes', async () => {
      const own = `link5 at le0: ${link} --remote "fd00::1"`
      expect(await portsOf({ d: machine(own) })).to.deep.equal({
        d: { d: { udp: '[fd00::1]:1194', pad: true } },
      })
    })

    it('with a delay: a TAP of the machine, which has it', async () => {
      const sun2 =
        'mie0: tme/machine/sun2; ie0 at mie0: tme/ic/i82586; bpf1 at ie0: tme/host/bsd/bpf delay 10000'
      expect(await portsOf({ sun2 })).to.deep.equal({ sun2: { sun2: { tap: 'sun2', delay: '10ms' } } })
      const { notes } = await tmesh.convert([{ file: 'sun2.tmesh', text: sun2 }], {})
      expect(lines(notes)).to.include(
        'sun2:1 a port of its own; write: bpf1 at ie0: tme/host/bsd/bpf interface sun2',
      )
      const { tapA: ports } = await portsOf({ a: tapA, b: machine(`${onTapA} delay 500`) })
      expect(ports).to.deep.include({ b: { tap: 'b', delay: '500us' } })
      expect(ports).to.have.nested.property('host.tap', 'tapA')
    })
  })

  describe('are read as tmesh reads them', () => {
    it('with comments, semicolons, quotes and the word connect', async () => {
      const text = `a: tme/ic/am7990; tap0: "tme/host/tun/tap" interface "tap#1" # one: two\nconnect tap0 at a\r\n`
      expect(await fabricsOf({ sun: text })).to.have.nested.property('tap-1.ports.tap-1.tap', 'tap#1')
    })

    it('and lines of files that they source', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'etherloom-tmesh-'))
      try {
        writeFileSync(join(folder, 'net'), 'source net')
        const file = join(folder, 'sun.tmesh')
        const again = await importFiles('tmesh', [{ file, text: 'source net' }])
        expect(again.problems[0]?.message).to.equal('net sources itself')
        writeFileSync(join(folder, 'net'), 'tap0: tme/host/tun/tap interface tapA')
        const { topology } = await importFiles('tmesh', [{ file, text: 'source net\ntap0 at tap0' }])
        expect(topology?.fabrics).to.have.keys('tapA')
        const missing = await importFiles('tmesh', [{ file, text: 'source no' }])
        expect(missing.problems[0]?.message).to.equal(
          `cannot read ${join(folder, 'no')} (ENOENT); put its lines here`,
        )
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    it('and names belong to one file', async () => {
      const { problems } = await imported({ one: machine(onTapA), two: `${tapA}\n${machine(onTapA)}` })
      expect(problems).to.deep.equal([])
    })
  })

  describe('whose lines have no place in a topology are reported', () => {
    it('parts of a machine, other elements of the host, commands, and arguments', async () => {
      const sun = machine(
        'con0: tme/host/posix/serial',
        `${tapA} nat none queue 4`,
        'tap0 at tap0',
        'bpf0 at le0: tme/host/bsd/bpf interface tapA rbufsz 4096',
        'v0: tme/host/netmap/vale',
        'command sbus0 power up',
        'alias x y',
      )
      expect(await notesOf({ sun })).to.deep.equal([
        'sun:1 left out: parts of the machine, which stay in its file: sbus0 (line 1), le0 (line 2)',
        "sun:3 left out: 'con0' (tme/host/posix/serial) is no network; it stays with the emulator",
        'sun:4 left out: queue 4',
        "sun:4 this element and its connection with itself go: etherloom makes 'tapA'",
        'sun:6 left out: rbufsz; ports have no buffer of a size to choose',
        "sun:6 stays in its file: the machine attaches to 'tapA' itself",
        "sun:7 left out: 'v0' (tme/host/netmap/vale); nothing here is like it",
        'sun:8 not carried out: command sbus0 power up',
        'sun:9 not carried out: alias x y',
      ])
    })

    it('with no more of them than a reader needs', async () => {
      const [note] = await notesOf({ sun: `command ${'x '.repeat(10_000)}` })
      expect(note).to.match(/^sun:1 not carried out: command x .{170,200}\.\.\.$/)
    })

    it('elements that are connected with nothing, and addresses that do not fit', async () => {
      const sun = machine(
        'tap0: tme/host/tun/tap inet 10.0.0.1 netmask 255.0.0.0 bcast 10.0.0.255',
        'bpf0: tme/host/bsd/bpf interface eth0',
      )
      const notes = await notesOf({ sun })
      expect(notes).to.include(
        'sun:3 left out: bcast 10.0.0.255; the broadcast address of 10.0.0.1/8 is 10.255.255.255',
      )
      expect(notes).to.include("sun:4 left out: 'bpf0' is connected with nothing")
    })
  })

  describe('are refused', () => {
    const refused: [string, string, string][] = [
      ['an unknown target', 'le0 at sbus0: tme/ic/am7990', "1:8 no element 'sbus0' before this line"],
      ['a later target', 'a at b: tme/ic/x; b: tme/bus/y', "1:6 no element 'b' before this line"],
      ['an element connected with itself at once', 'a at a: tme/ic/x', "1:6 no element 'a' before this line"],
      ['a second creation', 'a: tme/ic/x\na: tme/ic/y', "2:1 'a' exists already, since line 1"],
      ['an unknown element', 'a: tme/ic/x\nb at a', "2:1 no element 'b' before this line"],
      ['arguments before a colon', 'a slot 1: tme/ic/x', "1:3 expected 'at' between 'a' and 'slot'"],
      [
        "'at' as an argument",
        'a: tme/ic/x base at',
        "1:18 'at' is a reserved word and must stand before the ':'",
      ],
      ["'at' twice", 'a: tme/ic/x\nb at a at a', "2:8 a second 'at', which is a reserved word"],
      ["nothing after 'at'", 'a at', "1:3 the name of an element must follow 'at'"],
      ['no module', 'a:', "1:2 a module must follow the ':'"],
      ['no name', ': tme/ic/x', "1:1 a name must stand before ':'"],
      ['an unknown command', 'a', "1:1 'a' is no command, and neither 'at' nor ':' follows it"],
      [
        'a MAC address without quotes',
        'a: tme/ic/x mac 02:00',
        "1:19 a second ':'; what has one in it must stand in double quotes",
      ],
      ['a character that no word has', 'a: tme/ic/x k=1', "1:14 '=' must stand in double quotes"],
      ['a quote without end', 'a: tme/ic/x "k', '1:13 a quote that does not end on its line'],
      [
        'an interface that is the beginning of another',
        machine(tapA.replace('tapA', 'tap10'), onTapA.replace('tapA', 'tap1')),
        "4:1 no line makes an interface 'tap1'; TME would take 'tap10' for it, which begins so: write the whole name",
      ],
      [
        'an interface made twice',
        `${tapA}\ntap1: tme/host/tun/tap interface tapA`,
        "2:1 interface 'tapA' is made by 'tap0' already (sun.tmesh:1)",
      ],
      [
        'a second connection',
        `${machine(tapA)}\ntap0 at le0\ntap0 at tap0`,
        "5:1 'tap0' is connected with 'le0' already and cannot be with 'tap0' too",
      ],
      [
        'a link to nowhere',
        machine('l at le0: tme/host/openvpn/socket/link --dev tap'),
        "3:1 'l' has no --remote, so there is no address for the port that it speaks to",
      ],
      [
        'a link of packets',
        machine('l at le0: tme/host/openvpn/socket/link --dev tun'),
        '3:46 --dev must be tap: a link carries Ethernet frames',
      ],
      [
        'a port that is none',
        machine('l at le0: tme/host/openvpn/socket/link --lport 0'),
        '3:48 --lport needs a port from 1 to 65535',
      ],
      ['an argument without value', 'a: tme/host/tun/tap inet', "1:21 'inet' of 'a' needs a value"],
      ['no address', 'a: tme/host/tun/tap inet 10.0.0', "1:26 '10.0.0' is no IPv4 address"],
      [
        'a translation without an address',
        'a: tme/host/tun/tap nat eth0',
        "1:25 'nat' of 'a' needs an address of its own: give it 'inet'",
      ],
      [
        'no mask',
        'a: tme/host/tun/tap inet 10.0.0.1 netmask 255.0.255.0',
        "1:43 '255.0.255.0' is no netmask",
      ],
      [
        'a name that is too long',
        'a: tme/host/tun/tap interface interface-of-mine',
        "1:31 'interface-of-mine' is no name of an interface: 1 to 15 characters without '/'",
      ],
      ['a machine without network', 'a: tme/ic/x', '1:1 no line of this is about a network'],
    ]
    for (const [what, text, problem] of refused)
      it(what, async () => {
        expect(await problemsOf(text)).to.include(problem)
      })

    it('all mistakes at once, in order', async () => {
      expect(await problemsOf('a at b: tme/ic/x\nc\nd at e: tme/ic/y')).to.have.length(3)
    })
  })

  describe('are recognised by their content', () => {
    it('and topology files are not', () => {
      expect(recognise(machine(tapA))).to.deep.equal(['tmesh'])
      expect(recognise('fabrics: { a: { kind: hub, ports: { tap0: { tap: tme } } } }')).to.deep.equal([])
      expect(recognise('name: tme/x\n')).to.deep.equal(['tmesh'])
      expect(recognise('')).to.deep.equal([])
    })

    it('and what could be both is refused by the names of both', async () => {
      const { problems } = await inspectTopology(`${tapA}\nfabrics: {}`, 'lab')
      expect(problems.map(({ message }) => message)).to.deep.equal([
        "this could be a topology file or a tmesh file; turn it into a topology file with 'etherloom import --tmesh'",
      ])
    })

    it('where a topology file is expected', async () => {
      const { topology, notes } = await inspectTopology(machine(tapA, onTapA), 'lab')
      expect(topology?.fabrics).to.have.keys('tapA')
      expect(notes).to.have.length(4)
    })
  })
})
