/** The options of a gateway, in the class and in the file, and the arithmetic of its subnet. */
import { expect } from 'chai'
import { EtherloomError, PasstPort, TapPort } from '../../lib/index.js'
import { freeRange, maskOf, networkOf, overlap, parseSubnet, toText } from '../../lib/gateway/subnet.js'
import { inspectTopology } from '../../lib/topology/load.js'
import { checkTopology } from '../../lib/topology/check.js'
import { topologyOf } from '../../lib/topology/plan.js'

const refusal = (gateway: unknown, addresses: string[] = ['10.0.77.1/24']): string => {
  try {
    new TapPort({ name: 'tap0', addresses, gateway: gateway as { interface: string } })
    return 'taken'
  } catch (error) {
    return (error as Error).message
  }
}

describe('the options of a gateway', () => {
  it('are an interface, and what else it does', () => {
    for (const gateway of [
      { interface: 'eth0' },
      { interface: 'br-1.5', dhcp: true, dns: true },
      { interface: 'eth0', dhcp: { from: '10.0.77.10', to: '10.0.77.10' }, dns: ['192.0.2.53'] },
    ])
      expect(refusal(gateway)).to.equal('taken')
    expect(refusal({ interface: 'eth0' }, ['fd00::1/64', '10.0.77.1/24'])).to.equal('taken')
  })

  const refused: [string, unknown, RegExp][] = [
    ['true', true, /must be an object, not true/],
    ['no interface', {}, /'interface' of 'gateway' of TapPort is required/],
    ['an interface with a quote', { interface: 'a"b' }, /an interface name of 1 to 15 letters/],
    ['a misspelt key', { interface: 'eth0', dchp: true }, /unknown option 'dchp'.*did you mean 'dhcp'/],
    ['the TAP itself', { interface: 'tap0' }, /one that leads outside, not the TAP itself/],
    ['half a range', { interface: 'eth0', dhcp: { from: '10.0.77.2' } }, /'to' .*is required/],
    [
      'a range elsewhere',
      { interface: 'eth0', dhcp: { from: '10.0.78.2', to: '10.0.78.9' } },
      /'dhcp' must lie in 10\.0\.77\.0\/24/,
    ],
    [
      'a range backwards',
      { interface: 'eth0', dhcp: { from: '10.0.77.9', to: '10.0.77.2' } },
      /ends before it begins/,
    ],
    ['a name as a server', { interface: 'eth0', dns: ['one.one'] }, /an IPv4 address such as/],
  ]
  for (const [what, gateway, message] of refused)
    it(`refuse ${what}`, () => expect(refusal(gateway)).to.match(message))

  it('are refused with any name that means something to nft, dnsmasq or a shell', () => {
    const harmless = /^[\w.-]$/
    for (let code = 1; code < 0x180; code++) {
      const character = String.fromCharCode(code)
      for (const name of [`a${character}b`, `${character}b`, `a${character}`]) {
        const tap = (): unknown =>
          new TapPort({ name, addresses: ['10.0.77.1/24'], gateway: { interface: 'eth0' } })
        if (harmless.test(character)) continue
        expect(tap, name).to.throw(EtherloomError, /name/)
        expect(refusal({ interface: name }), name).to.match(/an interface name/)
      }
    }
    for (const name of ['tap%d', 'lab-%d', 'a.1'])
      expect(
        () => new TapPort({ name, addresses: ['10.0.77.1/24'], gateway: { interface: 'eth0' } }),
      ).not.to.throw()
  })

  it('need one IPv4 address, with room for hosts', () => {
    expect(refusal({ interface: 'eth0' }, [])).to.match(/exactly one IPv4 address/)
    expect(refusal({ interface: 'eth0' }, ['10.0.0.1/24', '10.1.0.1/24'])).to.match(/exactly one/)
    expect(refusal({ interface: 'eth0' }, ['10.0.0.1/31'])).to.match(/prefix length from 8 to 30, not 31/)
  })

  it('stand in a topology file, which says where a mistake is', async () => {
    const file = (gateway: string): string => `fabrics:
  lan:
    kind: hub
    ports:
      out: { tap: tap0, addresses: [10.0.77.1/24], gateway: ${gateway} }
`
    const mistakes = async (gateway: string): Promise<string[]> =>
      (await inspectTopology(file(gateway), 'lab.yaml')).problems.map(
        ({ line, message }) => `${line} ${message}`,
      )
    expect(await mistakes('{ interface: eth0, dhcp: { from: 10.0.77.2, to: 10.0.77.9 }, dns: true }')).to.be
      .empty
    expect(await mistakes('{ interface: eth0, dhpc: true }')).to.deep.equal([
      "5 unknown key 'dhpc'; did you mean 'dhcp'?",
    ])
    expect(await mistakes('{ dhcp: true }')).to.deep.equal(["5 'gateway' needs 'interface'"])
    expect(await mistakes('{ interface: eth0, dns: [] }')).to.deep.equal([
      "5 'dns' must have at least 1 entry",
    ])
    expect(await mistakes('{ interface: tap0 }')).to.deep.equal([
      "5 'interface' must be one that leads outside, not the TAP itself",
    ])
    expect(await mistakes('{ interface: eth0, dns: here }')).to.deep.equal([
      "5 'dns' must be true, false, or a list of IPv4 addresses of name servers, not 'here'",
    ])
    expect(await mistakes('{ interface: eth0, dhcp: { from: 10.0.78.2, to: 10.0.78.9 } }')).to.deep.equal([
      "5 'dhcp' must lie in 10.0.77.0/24, the subnet of the TAP",
    ])
  })

  it('come back from the plan of a topology as they were', () => {
    const gateway = { interface: 'eth0', dhcp: true }
    const out = { tap: 'tap0', addresses: ['10.0.77.1/24'], gateway }
    const topology = { fabrics: { lan: { kind: 'hub', ports: { out } } } }
    const checked = checkTopology(topology)
    expect('plan' in checked && topologyOf(checked.plan)).to.deep.equal(topology)
  })
})

describe('subnets of a gateway', () => {
  it('know their network, mask and overlaps', () => {
    const subnet = parseSubnet('192.168.77.130/25')
    expect([networkOf(subnet), maskOf(subnet)]).to.deep.equal(['192.168.77.128/25', '255.255.255.128'])
    const overlaps = (one: string, other: string): boolean => overlap(parseSubnet(one), parseSubnet(other))
    expect(overlaps('10.0.77.1/24', '10.0.0.1/8')).to.be.true
    expect(overlaps('10.0.0.1/8', '10.0.77.1/24')).to.be.true
    expect(overlaps('10.0.77.1/24', '10.0.78.1/24')).to.be.false
    expect(overlaps('255.255.255.1/24', '0.0.0.1/8')).to.be.false
  })

  it('give out the longer run on one side of their own address', () => {
    const range = (text: string): string[] => Object.values(freeRange(parseSubnet(text))).map(toText)
    expect(range('10.0.77.1/24')).to.deep.equal(['10.0.77.2', '10.0.77.254'])
    expect(range('10.0.77.254/24')).to.deep.equal(['10.0.77.1', '10.0.77.253'])
    expect(range('10.0.77.100/24')).to.deep.equal(['10.0.77.101', '10.0.77.254'])
    expect(range('10.0.0.1/30')).to.deep.equal(['10.0.0.2', '10.0.0.2'])
  })
})

describe('the options of a PasstPort', () => {
  const refusal = (options: object): string => {
    try {
      new PasstPort(options)
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }

  it('are all there by default, and refused one by one', () => {
    expect(refusal({})).to.equal('taken')
    expect(
      refusal({ address: '10.0.2.15/24', gateway: '10.0.2.2', dns: ['192.0.2.53'], mtu: 9000 }),
    ).to.equal('taken')
    expect(refusal({ address: 'fd00::2/64' })).to.match(/an IPv4 address such as '10.0.2.15\/24'/)
    expect(refusal({ gateway: '10.0.2' })).to.match(/an IPv4 address such as/)
    expect(refusal({ mtu: 1000 })).to.match(/from 1280 to 65520 bytes/)
    expect(refusal({ socket: '/tmp/x' })).to.match(/unknown option 'socket' of PasstPort/)
  })

  it('stand in a topology, and come back from its plan', () => {
    const passt = { address: '10.0.2.15/24', gateway: '10.0.2.2' }
    const topology = { fabrics: { lan: { kind: 'hub', ports: { out: { passt }, all: { passt: {} } } } } }
    const checked = checkTopology(topology)
    expect('plan' in checked && topologyOf(checked.plan)).to.deep.equal(topology)
    const wrong = checkTopology({ fabrics: { lan: { kind: 'hub', ports: { out: { passt: { mtu: 9 } } } } } })
    expect(wrong.problems.map(({ message }) => message)).to.deep.equal([
      "'mtu' must be a whole number from 1280 to 65520 bytes, not 9",
    ])
  })
})
