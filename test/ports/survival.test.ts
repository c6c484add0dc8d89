/** What stops, dies or is killed on one port harms no other; what was killed with everything leaves nothing. */
import { expect } from 'chai'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub, PacketPort } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices, eventually } from '../helpers/kernel.js'
import { cable, connect, Host, soon, startHub } from '../helpers/network.js'

describeOnDevices('survival', function () {
  this.timeout(120_000)
  const close = closing()

  it('a program that no longer reads its interface costs the others nothing', async () => {
    const hub = close(new Hub())
    const [left, right, third] = (await connect(hub, close, 3)) as [Host, Host, Host]
    const reader = await third.sniff()
    reader.signal('SIGSTOP')
    const flood = await left.sniff()
    for (let count = 0; count < 2000; count++) flood.send(frame({ tag: count, length: 1514 }))
    expect(await left.ping(right, 1000, 0.001)).to.include({ received: 1000, duplicates: 0 })
    reader.signal('SIGKILL')
    expect(await left.ping(right, 500, 0.001)).to.include({ received: 500, duplicates: 0 })
    for (const name of ['host1', 'host2'])
      expect(
        Object.values(hub.port(name).stats().dropped).every((frames) => frames === 0n),
        name,
      ).to.be.true
  })

  it('another etherloom that is stopped, continued and killed costs the others nothing', async () => {
    const hub = close(new Hub())
    const [left, right] = (await connect(hub, close, 2)) as [Host, Host]
    const beyond = close(await Host.create(4))
    const middle = close(await Host.create(9))
    await cable(middle, beyond, 'uplink')
    await hub.attach(new PacketPort({ interface: 'eth0', name: 'uplink', namespace: middle.namespace }))
    const { program } = await startHub(
      [
        { packet: { interface: 'uplink' } },
        { tap: { name: 'eth1', mac: beyond.mac, addresses: [`${beyond.address}/24`] } },
      ],
      { host: beyond },
    )
    expect(await left.ping(beyond, 20, 0.002)).to.include({ received: 20, duplicates: 0 })

    program.signal('SIGSTOP')
    const [unheard, pings] = await Promise.all([
      left.ping(beyond, 200, 0.002, soon),
      left.ping(right, 1000, 0.001),
    ])
    expect(unheard).to.include({ received: 0 })
    expect(pings).to.include({ received: 1000, duplicates: 0 })

    program.signal('SIGCONT')
    await eventually('it answers again', async () => (await left.ping(beyond, 1, 1, soon)).received === 1)
    await program.close()
    expect(await left.ping(right, 200, 0.002)).to.include({ received: 200, duplicates: 0 })
  })

  it('kill -9 leaves no interface, no namespace and no file', async () => {
    const host = close(await Host.create(1))
    const scratch = await mkdtemp(join(tmpdir(), 'etherloom-survival-'))
    close({ close: () => rm(scratch, { recursive: true }) })
    const ports = [{ tap: { name: 'left0' } }, { tap: { name: 'right0' } }]
    const { program, namespace } = await startHub(ports, { before: ['env', `TMPDIR=${scratch}`], host })
    // A cable into the namespace that the other process made: the near end goes when that namespace ends.
    await host.ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far')
    await host.ip('link', 'set', 'far', 'netns', namespace!)
    for (const name of ['left0', 'right0', 'near']) expect(await host.link(name), name).to.exist

    await program.close()

    await eventually(
      'its interfaces are gone',
      async () => !(await host.link('left0')) && !(await host.link('right0')),
    )
    await eventually('its namespace is gone', async () => !(await host.link('near')))
    expect((await readdir(scratch)).filter((name) => !name.startsWith('tsx-'))).to.be.empty
  })
})
