/** The port contract, for the kinds that are devices of a kernel. */
import { PacketPort, TapPort } from '../../lib/index.js'
import { describePort } from '../contracts/port-contract.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { cable, Host } from '../helpers/network.js'

describeOnDevices('ports on devices', () => {
  describePort('TapPort', async (_engine, as) => {
    const host = await Host.create(1)
    return {
      port: new TapPort({ as, name: 'eth0', namespace: host.namespace }),
      close: () => host.close(),
    }
  })

  describePort('PacketPort', async (_engine, name) => {
    const [near, far] = [await Host.create(1), await Host.create(2)]
    await cable(near, far, 'eth1')
    return {
      port: new PacketPort({ name, interface: 'eth0', namespace: near.namespace }),
      close: async () => {
        await near.close()
        await far.close()
      },
    }
  })
})
