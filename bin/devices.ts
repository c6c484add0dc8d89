/** What doctor needs of the library once its addon is known to load. Called by doctor, and by Node.js in a user namespace. */
import { Engine } from '../lib/engine/engine.js'
import { Namespace } from '../lib/engine/namespace.js'
import { Hub } from '../lib/fabrics/hub.js'
import { leftovers, mend } from '../lib/gateway/gateway.js'
import { compileFilter } from '../lib/policy/filters/index.js'
import { portKinds } from '../lib/ports/index.js'
import { PacketPort } from '../lib/ports/packet.js'
import { TapPort } from '../lib/ports/tap.js'

export { compileFilter, Engine, leftovers, mend, portKinds }

/** The URL of this module. */
export const itself = import.meta.url

/**
 * Makes a TAP and a packet port on it, in a network namespace that is made for them and goes with them; says what they
 * offer. Doctor calls it, also in a user namespace.
 *
 * @throws EtherloomError where that is not possible
 */
export async function tryDevices(): Promise<{ superFrames: readonly string[]; method: string | undefined }> {
  const hub = new Hub()
  let namespace: Namespace | undefined
  try {
    namespace = await Namespace.create()
    const tap = await hub.attach(new TapPort({ name: 'probe', namespace }))
    const packet = await hub.attach(new PacketPort({ interface: 'probe', name: 'packet', namespace }))
    return { superFrames: tap.superFrames ?? [], method: packet.method }
  } finally {
    await hub.close()
    namespace?.close()
  }
}
