/** Programs that come with a port: how they attach, and what becomes of the port when they end. */
import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Hub, UdpPort, type Fabric, type SpawnOptions } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import { guestCommand, pingFrom } from '../helpers/guest.js'
import { describeUnless, eventually, lacksNetwork } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'
import { Console, lacksQemu, qemu, qemuWords, writeInitramfs } from '../helpers/qemu.js'

const all = { sent: 100, received: 100, duplicates: 0 }

/** What closes a program that a test has started. */
const ending = (program: ChildProcess): { close(): Promise<void> } => ({
  close: async () => {
    if (program.exitCode !== null || program.signalCode !== null) return
    program.kill('SIGKILL')
    await once(program, 'exit')
  },
})

describe('a program with a port', function () {
  this.timeout(120_000)
  const close = closing()

  /** A guest on the fabric, ready. */
  async function guest(fabric: Fabric, number: number, framing: 'stream' | 'datagram' = 'stream') {
    const options: SpawnOptions = { name: `guest${number}`, framing, stdio: 'pipe' }
    const { program, port } = await fabric.spawn(
      'python3',
      ({ fd }) => guestCommand(`${framing}:${fd}`, number).slice(1),
      options,
    )
    close(ending(program))
    const lines = createInterface(program.stdout!)[Symbol.asyncIterator]()
    const line = async (): Promise<string> => ((await lines.next()) as IteratorYieldResult<string>).value
    const tell = (text: string): void => void program.stdin!.write(`${text}\n`)
    expect(await line()).to.equal('ready')
    return { program, port, line, tell }
  }

  for (const framing of ['stream', 'datagram'] as const)
    it(`reaches others, and they it, by ${framing}`, async () => {
      const hub = close(new Hub())
      const first = await guest(hub, 1, framing)
      await guest(hub, 2, framing)
      expect(await pingFrom(first, '10.0.77.2', 100)).to.deep.equal(all)
      expect(first.port.stats().received.frames).to.equal(101n) // an ARP request and 100 echo requests
    })

  it('has its port detached when it ends, and the name is free again', async () => {
    const hub = close(new Hub())
    const first = await guest(hub, 1)
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const second = await guest(hub, 2)
      expect(await pingFrom(first, '10.0.77.2', 10)).to.include({ received: 10 })
      second.program.kill(signal)
      await eventually('its port is gone', () => second.port.state === 'detached')
      expect(hub.ports.has('guest2')).to.equal(false)
    }
    expect([...hub.ports.keys()]).to.deep.equal(['guest1'])
  })

  it('meets the end of its socket when its port is detached', async () => {
    const hub = close(new Hub())
    const { program } = await guest(hub, 1)
    const ended = once(program, 'exit')
    await hub.detach('guest1')
    expect(await ended).to.deep.equal([0, null])
  })

  it('that cannot be started leaves no port and no descriptor', async () => {
    const hub = close(new Hub())
    await hub.spawn('true', [], { name: 'gone' }) // what is opened once for all is open now
    await eventually('it has ended', () => hub.ports.size === 0)
    const descriptors = (): number => readdirSync('/proc/self/fd').length
    const before = descriptors()
    for (let count = 0; count < 5; count++) {
      const error = await hub.spawn('/no/such/emulator', []).catch((error: unknown) => error)
      expect(error).to.include({ code: 'ERR_ETHERLOOM_UNSUPPORTED' })
      expect((error as Error).message).to.equal(
        "cannot start '/no/such/emulator' (ENOENT); install it, or give its whole path",
      )
    }
    expect(hub.ports.size).to.equal(0)
    await eventually('all descriptors are closed', () => descriptors() <= before)
  })

  it('that shall start in a folder which does not exist says so', async () => {
    const hub = close(new Hub())
    const error = await hub.spawn('true', [], { cwd: '/no/such/folder' }).catch((error: unknown) => error)
    expect(error).to.include({
      code: 'ERR_ETHERLOOM_OPTION',
      message: "option 'cwd' of spawn: no folder '/no/such/folder'",
    })
    expect(hub.ports.size).to.equal(0)
  })

  it('is told apart from options that are none', async () => {
    const hub = close(new Hub())
    const error = await hub.spawn('true', [], { nam: 'x' } as SpawnOptions).catch((error: unknown) => error)
    expect((error as Error).message).to.contain("unknown option 'nam' of spawn; did you mean 'name'?")
  })
})

describeUnless(lacksQemu() ?? lacksNetwork(), 'QEMU', function () {
  this.timeout(240_000) // without KVM, on a busy machine
  const close = closing()

  /** Two machines, started so with the words that all have, and the host 9 on a hub: each of them reaches the others. */
  async function expectAllReach(
    hub: Hub,
    start: (number: number, words: string[]) => Promise<ChildProcess>,
  ): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-qemu-'))
    close({ close: () => rmSync(folder, { recursive: true }) })
    const initramfs = join(folder, 'initramfs')
    writeInitramfs(initramfs)
    const host = close(await Host.create(9))
    await hub.attach(host.tap())
    const machines = await Promise.all(
      [1, 2].map(async (number) => {
        const program = await start(number, qemuWords(initramfs, number))
        close(ending(program))
        const console = new Console(program)
        await console.until(/^ready$/)
        return console
      }),
    )
    const [first, second] = machines as [Console, Console]
    for (const [machine, address] of [
      [first, '10.0.0.2'],
      [second, host.address],
    ] as const) {
      const { text, status } = await machine.run(`ping -q -c 20 -i 0.01 -W 20 ${address}`)
      expect(text).to.contain('20 packets transmitted, 20 packets received, 0% packet loss')
      expect(status).to.equal(0)
    }
    expect(await host.ping('10.0.0.1', 20, 0.01)).to.include({ received: 20, duplicates: 0 })
  }

  for (const framing of ['stream', 'datagram'] as const)
    it(`machines reach each other and the host by ${framing}`, async () => {
      const hub = close(new Hub())
      await expectAllReach(hub, async (number, words) => {
        const options = { name: `machine${number}`, framing, stdio: 'pipe' } as const
        const { program } = await hub.spawn(qemu, ({ netdev }) => [...netdev('net0'), ...words], options)
        return program
      })
    })

  it('machines reach each other and the host by the folder of a VDE switch', async () => {
    const hub = close(new Hub())
    const parent = mkdtempSync(join(tmpdir(), 'etherloom-vde-'))
    close({ close: () => rmSync(parent, { recursive: true }) })
    const { directory } = await hub.listen({ protocol: 'vde', directory: join(parent, 'switch') })
    await expectAllReach(hub, (_number, words) => {
      const netdev = ['-netdev', `vde,id=net0,sock=${directory}`]
      return Promise.resolve(spawn(qemu, [...netdev, ...words], { stdio: 'pipe' }))
    })
  })

  it('machines of a multicast group reach each other, and the host through a member', async () => {
    const group = '239.255.77.78'
    // Another member, whose port nobody else has.
    const member = createSocket({ type: 'udp4', reuseAddr: true })
    close({
      close: () => {
        member.close()
      },
    })
    member.bind(0, group)
    await once(member, 'listening')
    const place = `${group}:${member.address().port}`
    const hub = close(new Hub())
    await hub.attach(new UdpPort({ local: place, interface: 'lo' }))
    await expectAllReach(hub, (_number, words) => {
      const netdev = ['-netdev', `socket,id=net0,mcast=${place},localaddr=127.0.0.1`]
      return Promise.resolve(spawn(qemu, [...netdev, ...words], { stdio: 'pipe' }))
    })
  })
})
