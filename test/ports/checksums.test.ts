/** Checksums that a kernel leaves to its device, as those meet them who read frames raw. */
import { expect } from 'chai'
import { Hub, PacketPort, type TapPortOptions } from '../../lib/index.js'
import { parseFrame } from '../../lib/testing/frames.js'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { cable, Host, type Sniffer } from '../helpers/network.js'

describeOnDevices('checksums that were left to the device', function () {
  this.timeout(120_000)
  const close = closing()
  let hub: Hub
  let sender: Host

  beforeEach(async () => {
    hub = close(new Hub())
    sender = close(await Host.create(1))
    await hub.attach(sender.tap())
  })

  /** Whether each of three broadcasts of UDP, as DHCP has them, is complete where it is read raw. */
  async function areComplete(reader: Sniffer): Promise<boolean[]> {
    const program = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for _ in range(3): s.sendto(b'x' * 301, ('10.0.0.255', 68))`
    await sender.run('python3', '-c', program)
    const seen: boolean[] = []
    while (seen.length < 3) {
      const { ipv4, udp, faults } = parseFrame((await reader.next()).bytes)
      if (ipv4 && udp) seen.push(!faults.includes('udp checksum'))
    }
    return seen
  }

  for (const [checksums, complete] of [
    ['complete', true],
    ['undone', false],
    [undefined, false],
  ] as const) {
    it(`are ${complete ? 'done' : 'not done'} for a TAP with ${checksums ?? 'the default'}`, async () => {
      const reader = close(await Host.create(2))
      const options: TapPortOptions = checksums ? { checksums } : {}
      await hub.attach(reader.tap(options))
      expect(await areComplete(await reader.sniff())).to.deep.equal([complete, complete, complete])
    })
  }

  for (const [checksums, complete] of [
    ['undone', false],
    [undefined, true],
  ] as const) {
    it(`are ${complete ? 'done' : 'not done'} for a packet port with ${checksums ?? 'the default'}`, async () => {
      const [far, middle] = [close(await Host.create(3)), close(await Host.create(9))]
      await cable(far, middle, 'left')
      const options = { interface: 'left', namespace: middle.namespace, ...(checksums && { checksums }) }
      await hub.attach(new PacketPort(options))
      expect(await areComplete(await far.sniff())).to.deep.equal([complete, complete, complete])
    })
  }
})
