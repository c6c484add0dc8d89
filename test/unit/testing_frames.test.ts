import { expect } from 'chai'
import {
  buildFrame,
  numberedFrame,
  numberOf,
  parseFrame,
  type FrameLayers,
} from '../../lib/testing/frames.js'
import { refusal } from '../helpers/errors.js'

describe('Frames for tests', () => {
  const ip4 = { from: '10.0.0.1', to: '10.0.0.2' }
  const ip6 = { from: 'fd00::1', to: '2001:db8:0:1::2' }
  const cases: Record<string, FrameLayers> = {
    arp: { arp: { senderIp: '10.0.0.1', targetIp: '10.0.0.2' } },
    'udp in ipv4': { ipv4: ip4, udp: { from: 5000, to: 53 }, payload: 'odd' },
    'tcp in ipv4, tagged twice': {
      vlans: [
        { id: 5, type: 0x88a8 },
        { id: 6, priority: 3 },
      ],
      ipv4: { ...ip4, ttl: 3 },
      tcp: { from: 1, to: 65535, sequence: 0xffffffff, flags: ['syn', 'ack'], options: new Uint8Array(4) },
    },
    'icmp in ipv4': { ipv4: ip4, icmp: { type: 8, identifier: 7, sequence: 9 }, payload: 'ping' },
    'icmpv6 in ipv6': { ipv6: ip6, icmpv6: { type: 128 }, payload: new Uint8Array(200).fill(255) },
    'udp in ipv6': { ipv6: ip6, udp: { from: 1, to: 2 }, payload: 'x' },
    'tcp in ipv6': { ipv6: { ...ip6, flowLabel: 0xabcde }, tcp: { from: 1, to: 2, flags: ['rst'] } },
  }
  for (const [name, layers] of Object.entries(cases))
    it(`are parsed into what they were built of: ${name}`, () => {
      const frame = buildFrame(layers)
      const parsed = parseFrame(frame)
      expect(parsed.faults).to.deep.equal([])
      for (const [key, layer] of Object.entries(layers))
        if (key === 'payload') expect(Buffer.from(parsed.payload)).to.deep.equal(Buffer.from(layer as string))
        else if (key === 'vlans') expect(parsed.vlans.map(({ id }) => id)).to.deep.equal([5, 6])
        else expect(parsed).to.have.property(key).that.deep.includes(layer)
      const { faults: _, ...again } = parsed
      expect(buildFrame(again)).to.deep.equal(frame)
    })

  it('have the checksums of RFC 1071, as another program computed them', () => {
    // The header 4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7.
    const frame = buildFrame({
      ipv4: { from: '192.168.0.1', to: '192.168.0.199', protocol: 17 },
      payload: new Uint8Array(95),
    })
    expect([...frame.subarray(24, 26)]).to.deep.equal([0xb8, 0x61])
  })

  it('say which checksum is wrong when a bit is flipped, and never throw for bytes', () => {
    const frame = buildFrame(cases['udp in ipv4'])
    for (let at = 0; at < frame.length * 8; at++) {
      const broken = frame.slice()
      broken[at >> 3]! ^= 1 << (at & 7)
      const { faults } = parseFrame(broken)
      if (at >= 14 * 8 && at < (14 + 20 + 8 + 3) * 8) expect(faults, `bit ${at}`).to.not.be.empty
    }
    for (let length = 0; length < frame.length; length++) parseFrame(frame.subarray(0, length))
  })

  it('carry numbers', () => {
    expect(numberOf(numberedFrame(70_000, { vlan: 7 }))).to.equal(70_000)
    expect(numberOf(buildFrame(cases.arp))).to.equal(undefined)
  })

  it('are refused where layers do not go together, or do not fit', async () => {
    const wrong: [FrameLayers, RegExp][] = [
      [{ udp: { from: 1, to: 2 } }, /'ipv4' or 'ipv6'/],
      [{ ipv6: ip6, icmp: { type: 8 } }, /'icmpv6'/],
      [{ ipv4: ip4, ipv6: ip6 }, /one layer/],
      [{ ipv4: { ...ip4, to: 'fd00::1' } }, /an IPv4 address/],
      [{ ipv4: ip4, udp: { from: 1, to: 70_000 } }, /65535/],
      [{ ipv5: {} } as never, /unknown layer/],
      [{ ipv4: null } as never, /an object/],
      [{ ipv4: { ...ip4, from: ['10.0.0.1'] } } as never, /an IPv4 address/],
      [{ vlans: { id: 1 } } as never, /a list of tags/],
      [{ ipv4: ip4, tcp: { from: 1, to: 2, flags: 'syn' } } as never, /a list of fin/],
      [{ payload: new DataView(new ArrayBuffer(4)) } as never, /a Uint8Array or text/],
    ]
    for (const [layers, message] of wrong)
      expect((await refusal(() => buildFrame(layers))).message).to.match(message)
  })
})
