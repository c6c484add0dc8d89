/** Addresses between text, bytes and the native table's words. */
import { expect } from 'chai'
import { interfaceAddress, interfaceMac, parseMac, readAddress } from '../../lib/values/addresses.js'
import { refusal } from '../helpers/errors.js'

describe('addresses', () => {
  it('parses MAC addresses in either letter case', () => {
    expect([...parseMac('02:00:ab:CD:eF:ff')]).to.deep.equal([2, 0, 0xab, 0xcd, 0xef, 0xff])
  })

  it('refuses what is no MAC address, in words', async () => {
    for (const wrong of [
      '',
      '02:00:00:00:00',
      '02:00:00:00:00:01:02',
      '2:0:0:0:0:1',
      '02-00-00-00-00-01',
      'zz:00:00:00:00:01',
      5,
      null,
    ]) {
      const error = await refusal(() => parseMac(wrong, 'the address'))
      expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(error.message).to.contain("the address must be a MAC address such as '02:00:00:00:00:01', not ")
    }
  })

  it('lets no interface have a group address', async () => {
    expect([...interfaceMac()('02:00:00:00:00:01', 'mac')!]).to.deep.equal([2, 0, 0, 0, 0, 1])
    expect(interfaceMac()(undefined, 'mac')).to.equal(undefined)
    for (const group of ['01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', '03:00:00:00:00:00'])
      expect((await refusal(() => interfaceMac()(group, 'mac'))).message).to.contain(
        'the address of one interface',
      )
  })

  it('takes IP addresses with a prefix length that fits', async () => {
    for (const right of ['10.0.0.1/24', '0.0.0.0/0', '10.0.0.1/32', 'fd00::1/64', '::/0', '::1/128'])
      expect(interfaceAddress()(right, 'address')).to.equal(right)
    expect(interfaceAddress()(undefined, 'address')).to.equal(undefined)
    for (const wrong of [
      '10.0.0.1',
      '10.0.0.1/33',
      '10.0.0/24',
      'fd00::1/129',
      'fd00::1',
      '/24',
      '10.0.0.1/',
      '10.0.0.1/x',
      '10.0.0.1/-1',
      5,
      null,
    ]) {
      const error = await refusal(() => interfaceAddress()(wrong, 'address'))
      expect(error.message).to.contain('an IPv4 or IPv6 address with its prefix length')
    }
  })

  it('reads the words of the native table: VLAN above, address below', () => {
    expect(readAddress(0x020100000001n)).to.deep.equal({ address: '02:01:00:00:00:01', vlan: 0 })
    expect(readAddress((4095n << 48n) | 0xffffffffffffn)).to.deep.equal({
      address: 'ff:ff:ff:ff:ff:ff',
      vlan: 4095,
    })
    expect(readAddress((1n << 48n) | 1n)).to.deep.equal({ address: '00:00:00:00:00:01', vlan: 1 })
  })
})
