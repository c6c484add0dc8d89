/** A process that is stopped for longer than its timers are, and goes on: so do all its ports, and its peers notice nothing. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Hub, UdpPort } from '../../lib/index.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { Child, describeOnDevices, testFile } from '../helpers/kernel.js'
import { cable, Host } from '../helpers/network.js'

/** Longer than everything that it waits for between attempts, and than the steps of its timeline. */
const stop = 3000

describeOnDevices('a process that is stopped and continued', function () {
  this.timeout(120_000)
  const close = closing()

  it('loses no port and no connection, hears what was sent meanwhile, and takes each step of its timeline once', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-stopped-'))
    close({ close: () => rmSync(folder, { recursive: true }) })
    const path = joinPath(folder, 'trunk.sock')
    // Two hubs, or frames would go round.
    const [hub, other] = [close(new Hub()), close(new Hub())]
    const [overSocket] = await join(hub, 'sender')
    const [overUdp] = await join(other, 'sender')
    const server = await hub.listen({ socket: path })
    const free = await other.attach(new UdpPort({ local: '127.0.0.1:0' }))
    const host = close(await Host.create(1))
    const far = close(await Host.create(2))
    await cable(far, host, 'left')
    const space = host.namespace.path
    const given = [
      ['tap', { name: 'tap0', namespace: space }],
      ['packet', { interface: 'left', namespace: space }],
      ['socket', { socket: path }],
      ['udp', { local: '127.0.0.1:0', remote: free.local, keepAlive: '1s' }],
    ]
    const connected = once(server, 'connect')
    const words = [
      process.execPath,
      '--import=tsx',
      testFile('ports/programs/stopped.ts'),
      JSON.stringify(given),
    ]
    const child = close(new Child(words))
    expect(await child.line()).to.equal('ready')
    await connected
    const senders = [await host.sniff('tap0'), await far.sniff('eth0'), overSocket, overUdp]
    const sendAll = (first: number): string[] =>
      senders.map((each, index) => {
        each.send(frame({ tag: first + index }))
        return `${first + index}`
      })
    senders[0]!.send(frame()) // by which the peer by UDP gets to know it
    await receive(overUdp, 1)
    const events: string[] = []
    server.on('connect', () => events.push('connect'))
    server.on('disconnect', () => events.push('disconnect'))

    child.signal('SIGSTOP')
    const during = sendAll(1000)
    await pause(stop)
    child.signal('SIGCONT')
    const lines = async (): Promise<string[]> =>
      [await child.line(), await child.line(), await child.line(), await child.line()].sort()
    expect(await lines()).to.deep.equal(during)
    const after = sendAll(2000)
    expect(await lines()).to.deep.equal(after)
    child.tell('')
    expect(JSON.parse(await child.line())).to.deep.equal({
      states: ['up', 'up', 'up', 'up'],
      steps: ['500ms', '1s', '1.5s'],
      delay: '3ms',
    })
    expect(events).to.be.empty
  })
})
