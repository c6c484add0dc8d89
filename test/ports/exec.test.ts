/** `etherloom exec`: a command inside a host meets the host's network, and nothing of the machine's. */
import { expect } from 'chai'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

const topology = `
hosts: { red: { addresses: [10.0.0.1/24] } }
fabrics: { lab: { kind: hub, ports: { red: { host: red } } } }
`

describeOnDevices('etherloom exec', function () {
  this.timeout(120_000)
  const close = closing()

  it('runs a command with the interfaces, /sys, hosts and resolv.conf of the host, and returns its exit code', async () => {
    const machine = close(await Host.create(1))
    const folder = await mkdtemp(join(tmpdir(), 'etherloom-exec-'))
    try {
      await writeFile(join(folder, 'lab.yaml'), topology)
      const up = machine.etherloom(folder, 'up', join(folder, 'lab.yaml'))
      expect(await up.line()).to.match(/^lab: up/)
      const seen = [
        'ls /sys/class/net | sort | tr "\\n" " "; echo',
        'cat /sys/class/net/eth0/mtu',
        'getent hosts red | cut -d " " -f 1',
        'grep -c "^nameserver" /etc/resolv.conf',
        'exit 7',
      ].join('; ')
      const text = await machine.etherloom(folder, 'exec', 'red', '--', 'sh', '-c', seen).rest(7)
      expect(text.split('\n').map((line) => line.trim())).to.deep.equal(['eth0 lo', '1500', '10.0.0.1', '0'])
      expect(await machine.run('sh', '-c', 'grep -c " red$" /etc/hosts || true'), 'outside').to.equal('0')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
