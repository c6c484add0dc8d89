/**
 * A port of the TAP that is descriptor 9. Prints its MTU when it is attached, and again when an interface here has one of 600.
 */
import { Hub, TapPort } from '../../../lib/index.js'

const hub = new Hub()
const port = await hub.attach(new TapPort({ fd: 9, name: 'given' }))
// The port has heard it before.
hub.engine.watches.links(undefined, ({ mtu }) => {
  if (mtu === 600) console.log(port.mtu)
})
console.log(port.mtu)
