/** Scenarios of CORE: what becomes of devices, networks and links, what is noted, and what is refused. */
import { expect } from 'chai'
import { importFiles, recognise, type Imported } from '../../lib/topology/import/index.js'

const imported = (text: string): Promise<Imported> => importFiles('core', [{ file: 'air.xml', text }])

/** A scenario with an element a line: networks from line 3 on. */
const scenario = (networks: string[], devices: string[], links: string[] = [], ...more: string[]): string =>
  [
    ...['<scenario>', '<networks>', ...networks, '</networks>', '<devices>', ...devices, '</devices>'],
    ...['<links>', ...links, '</links>', ...more, '</scenario>'],
  ].join('\n')
const device = (id: number, inside = '', type = 'PC'): string =>
  `<device id="${id}" name="n${id}" type="${type}">${inside}</device>`
const network = (id: number, type: string, name = `net${id}`): string =>
  `<network id="${id}" name="${name}" type="${type}"/>`
const link = (one: number, other: number, inside = ''): string =>
  `<link node1="${one}" node2="${other}">${inside}</link>`
const at = (x: number, y: number): string => `<position x="${x}" y="${y}"/>`
const pair = [device(1), device(2)]

async function topologyOf(text: string): Promise<NonNullable<Imported['topology']>> {
  const { topology, problems } = await imported(text)
  expect(problems).to.deep.equal([])
  return topology!
}
const lines = (found: Imported['notes']): string[] => found.map(({ line, message }) => `${line} ${message}`)
const notesOf = async (text: string): Promise<string[]> => lines((await imported(text)).notes)
async function problemsOf(text: string): Promise<string[]> {
  const { topology, problems } = await imported(text)
  expect(topology).to.equal(undefined)
  return lines(problems)
}
const pathsOf = async (options: string): Promise<unknown> =>
  (await topologyOf(scenario([], pair, [link(1, 2, `<options ${options}/>`)]))).fabrics['n1-n2']?.paths

describe('scenarios of CORE', () => {
  it('become hosts and wires, with the addresses of interfaces', async () => {
    const inside =
      '<iface1 id="0" name="eth0" mac="00:00:00:aa:00:00" ip4="10.0.0.20" ip4_mask="24" ip6="2001::14" ip6_mask="64"/><iface2 id="3"/>'
    const text = scenario([], pair, [link(1, 2, inside)])
    expect(await topologyOf(text)).to.deep.equal({
      hosts: { n1: {}, n2: {} },
      fabrics: {
        'n1-n2': {
          kind: 'wire',
          ports: {
            n1: {
              ...{ host: 'n1', interface: 'eth0', mac: '00:00:00:aa:00:00' },
              addresses: ['10.0.0.20/24', '2001::14/64'],
            },
            n2: { host: 'n2', interface: 'eth3' },
          },
        },
      },
    })
    expect(await notesOf(text)).to.deep.equal([])
  })

  it('become switches, hubs, patches between them, and interfaces of this machine', async () => {
    const networks = [network(3, 'SWITCH', 's'), network(4, 'HUB', 'h'), network(5, 'RJ45', 'enp3s0')]
    const { fabrics } = await topologyOf(
      scenario(networks, pair, [link(1, 3), link(3, 4), link(2, 4), link(2, 5)]),
    )
    expect(fabrics).to.deep.equal({
      s: { kind: 'switch', ports: { n1: { host: 'n1', interface: 'eth0' }, h: { patch: 'h.s' } } },
      h: { kind: 'hub', ports: { s: { patch: 's.h' }, n2: { host: 'n2', interface: 'eth0' } } },
      'n2-enp3s0': {
        kind: 'wire',
        ports: { n2: { host: 'n2', interface: 'eth1' }, enp3s0: { packet: 'enp3s0' } },
      },
    })
  })

  describe('have options of links', () => {
    it('in microseconds, bits per second, per cent and frames; 0 is none', async () => {
      const all =
        'delay="25000" jitter="1500" bandwidth="512000" loss="2.5" dup="1" buffer="20" unidirectional="0"'
      expect(await pathsOf(all)).to.deep.equal([
        {
          ...{ between: ['n1', 'n2'], rate: '512kbit', queue: '20frames', delay: '25ms', jitter: '1500us' },
          ...{ loss: 0.025, duplicate: 0.01 },
        },
      ])
      expect(await pathsOf('delay="0" bandwidth="0" loss="0.0" dup="0" jitter="0" buffer="0"')).to.equal(
        undefined,
      )
    })

    it('of one direction: the second element of the link has those of the other', async () => {
      const there = link(1, 2, '<options delay="3000" unidirectional="1"/>')
      const back = link(2, 1, '<options loss="1" unidirectional="1"/>')
      expect((await topologyOf(scenario([], pair, [there, back]))).fabrics['n1-n2']?.paths).to.deep.equal([
        { from: 'n1', to: 'n2', delay: '3ms' },
        { from: 'n2', to: 'n1', loss: 0.01 },
      ])
      expect((await topologyOf(scenario([], pair, [there]))).fabrics['n1-n2']?.paths).to.have.length(1)
    })

    it('that are no numbers are refused', async () => {
      const options = '<options delay="-1" loss="101" bandwidth="x"/>'
      expect(await problemsOf(scenario([], pair, [link(1, 2, options)]))).to.deep.equal([
        "9 'delay' must be a number from 0 to 1,000,000,000,000, not '-1'",
        "9 'bandwidth' must be a number from 0 to 1,000,000,000,000, not 'x'",
        "9 'loss' must be a number from 0 to 100, not '101'",
      ])
    })
  })

  describe('have wireless networks: a hub, and a world with the places of the canvas', () => {
    const devices = [device(1, at(0, 0)), device(2, at(30, 40)), device(3, at(300, 0))]
    const links = [1, 2, 3].map((id) => link(id, 9))
    const settings = (more: string): string =>
      `<mobility_configurations>\n<mobility_configuration node="9" model="basic_range">${more}</mobility_configuration>\n<mobility_configuration node="9" model="ns2script"/>\n</mobility_configurations>`
    const setting = (name: string, value: string): string =>
      `<configuration name="${name}" value="${value}"/>`

    it('with range, bandwidth and delay', async () => {
      const more = [
        setting('range', '50'),
        setting('bandwidth', '11000000'),
        setting('delay', '5000'),
        setting('error', '1'),
      ]
      const text = scenario([network(9, 'WIRELESS_LAN', 'air')], devices, links, settings(more.join('')))
      const { fabrics, worlds } = await topologyOf(text)
      expect(worlds).to.deep.equal({
        air: {
          fabric: 'air',
          nodes: ['n1', 'n2', 'n3'],
          model: { range: { range: 51, bandwidth: '11Mbit' } },
          movement: {
            matrix: [
              [0, 50, 300],
              [50, 0, 273],
              [300, 273, 0],
            ],
          },
        },
      })
      expect(fabrics.air).to.include({ kind: 'hub', forwarding: 'deny' })
      expect(fabrics.air?.ports.n1).to.deep.equal({ host: 'n1', interface: 'eth0', delay: '5ms' })
      expect(await notesOf(text)).to.deep.equal([
        "16 left out: 'error' of a wireless network",
        "17 left out: the movement 'ns2script'; devices stay where they stand on the canvas",
      ])
    })

    it('of type WIRELESS, whose settings are in it', async () => {
      const wireless = (...more: string[]): string =>
        `<network id="9" name="air" type="WIRELESS">\n<wireless>${more.join('\n')}</wireless></network>`
      const moving = [
        ...[setting('movement', '1'), setting('max-range', '100'), setting('bandwidth', '11000000')],
        ...[setting('delay', '7000'), setting('loss-range', '100'), setting('jitter', '3')],
      ]
      const text = scenario([wireless(...moving)], devices, links)
      const { fabrics, worlds } = await topologyOf(text)
      expect(worlds?.air).to.deep.include({ model: { range: { range: 101, bandwidth: '11Mbit' } } })
      expect(fabrics.air?.ports.n1).to.include({ delay: '7ms' })
      expect(await notesOf(text)).to.deep.equal(["9 left out: 'jitter' of a wireless network"])
      const plain = scenario([network(9, 'WIRELESS', 'air')], devices, links)
      expect((await topologyOf(plain)).worlds?.air).to.deep.include({
        model: { range: { range: 401, bandwidth: '54Mbit' } },
      })
      expect(await notesOf(plain)).to.deep.equal([
        "3 'air' links who is in range here, and not by what is said of each pair",
        "3 left out: the loss of 'air', which in CORE grows from a distance of 300 pixels on",
      ])
    })

    it("with CORE's own settings where there are none", async () => {
      const text = scenario([network(9, 'WIRELESS_LAN', 'air')], devices, links)
      expect((await topologyOf(text)).worlds?.air).to.deep.include({
        model: { range: { range: 276, bandwidth: '54Mbit' } },
      })
      expect(await notesOf(text)).to.deep.equal([
        "3 a wireless network without settings: it has CORE's, a range of 275 pixels",
      ])
    })

    it('and need the places of their members', async () => {
      const text = scenario([network(9, 'WIRELESS_LAN')], [device(1), device(2, at(1, 1))], links.slice(0, 2))
      expect(await problemsOf(text)).to.deep.equal([
        '6 a member of a wireless network must have a position with x and y',
      ])
    })
  })

  it('note services, EMANE, tunnels and containers', async () => {
    const services = (...names: string[]): string => listed('services', names)
    const listed = (list: string, names: string[]): string =>
      `<${list}>${names.map((name) => `<service name="${name}"/>`).join('')}</${list}>`
    const networks = [network(5, 'EMANE'), network(6, 'TUNNEL')]
    const devices = [
      device(1, services('zebra', 'IPForward'), 'router'),
      device(2, services('zebra'), 'router'),
      device(3, '', 'mdr'),
      '<device id="4" name="n4" type="DOCKER" image="ubuntu"/>',
      // As CORE 7 and 8 write it, which have services of two kinds.
      device(7, listed('configservices', ['zebra', 'IPForward']), 'PC'),
    ]
    const text = scenario(networks, devices, [link(1, 5), link(2, 5), link(3, 6)])
    expect(await notesOf(text)).to.deep.equal([
      "3 'net5' is a hub here, on which everybody hears everybody: EMANE's models are not run",
      "4 left out: 'net6', a network of type 'TUNNEL'",
      "7 left out: the service 'zebra', 3 times; start what it does by 'etherloom exec HOST ...'",
      "10 'n4' is a plain host here: no container of its image is started",
    ])
    const { hosts, fabrics } = await topologyOf(text)
    expect(hosts).to.deep.equal({
      n1: { forwarding: true },
      n2: {},
      n3: { forwarding: true },
      n4: {},
      n7: { forwarding: true },
    })
    expect(fabrics['n3-eth0']?.kind).to.equal('hub')
  })

  it('keep entities that XML does not define as they are written', async () => {
    const device = '<device id="1" name="a&constructor;&amp;b" type="PC"/>'
    expect(await notesOf(scenario([], [device]))).to.include(
      "5 'a&constructor;&b' is called 'a-constructor-b' here",
    )
  })

  it('are refused with the place and the nearest word', async () => {
    const text = scenario([network(3, 'SWICH'), network(3, 'HUB')], pair, [
      link(1, 7),
      link(1, 2),
      link(1, 2, '<iface1 name="eth0"/>'),
    ])
    expect(await problemsOf(text)).to.deep.equal([
      "3 'SWICH' is no type of network; did you mean 'SWITCH'?",
      "4 a second node with the id '3'",
      "11 no node with the id '7'",
    ])
    const twice = link(1, 2, '<iface1 name="eth0"/><iface2 name="eth0"/>')
    expect(await problemsOf(scenario([], pair, [twice, twice]))).to.deep.equal([
      "10 'eth0' of 'n1' has a link already",
      "10 'eth0' of 'n2' has a link already",
    ])
    expect(await problemsOf('<scenario>\n<devices>\n</scenario>')).to.deep.equal([
      '3 </scenario> ends what was not begun',
    ])
    expect((await problemsOf('<scenario version="1.0"><host id="n1"/></scenario>'))[0]).to.match(
      /^1 a file of CORE before version 5/,
    )
  })

  it('are recognised by what is in them', () => {
    expect(recognise(scenario([], pair), 'any.xml')).to.deep.equal(['core'])
    expect(recognise('<html/>', 'any.xml')).to.deep.equal([])
  })
})
