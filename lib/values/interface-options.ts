/** Options of an interface of a host that several parts know. Imports values only: the command line loads it at every start. */
import { interfaceAddress, interfaceMac } from './addresses.js'
import { about, integer, list } from './options.js'

/** @internal */
export const interfaceIdentity = {
  mtu: about(
    'Bytes of the largest IP packet. Default: as it is, 1500 for a new one.',
    integer(68, 65521, { unit: 'bytes' }),
  ),
  mac: about("The interface's MAC address. Default: as it is, random for a new one.", interfaceMac()),
  addresses: about("The interface's addresses.", list(interfaceAddress())),
}
