/** The port contract, for the kinds that are devices of a kernel. */
import { Hub, MemoryPort, PacketPort, TapPort, type Engine, type Namespace } from '../../lib/index.js'
import { describePort } from '../contracts/port-contract.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { cable, Host } from '../helpers/network.js'

/** Sends into an interface from its own side, as programs there do. */
function feedInto(
  engine: Engine,
  name: string,
  namespace: Namespace,
): (frames: Uint8Array[]) => Promise<void> {
  let source: Promise<MemoryPort> | undefined
  const open = async () => {
    const outside = new Hub({ engine })
    await outside.attach(new PacketPort({ name: 'inside', interface: name, namespace }))
    return outside.attach(new MemoryPort({ name: 'source' }))
  }
  return async (frames) => {
    source ??= open()
    const port = await source
    port.send(frames)
  }
}

describeOnDevices('ports on devices', () => {
  describePort('TapPort', async (engine, name) => {
    const host = await Host.create(1)
    return {
      port: new TapPort({ name, interface: 'eth0', namespace: host.namespace }),
      feed: feedInto(engine, 'eth0', host.namespace),
      close: () => host.close(),
    }
  })

  describePort('PacketPort', async (engine, name) => {
    const [near, far] = [await Host.create(1), await Host.create(2)]
    await cable(near, far, 'eth1')
    return {
      port: new PacketPort({ name, interface: 'eth0', namespace: near.namespace }),
      feed: feedInto(engine, 'eth1', far.namespace),
      close: async () => {
        await near.close()
        await far.close()
      },
    }
  })
})
