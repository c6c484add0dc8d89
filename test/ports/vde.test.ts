/** VDE with programs of others: vde_plug, dpipe, wirefilter, vde_plug2tap and vde_switch of Debian, and Linux in user mode. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import {
  Hub,
  type MemoryPort,
  Switch,
  VdePort,
  type Fabric,
  type VdePeerPort,
  type VdeServer,
} from '../../lib/index.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import {
  Child,
  describeUnless,
  eventually,
  lacksNetwork,
  lacksProgram,
  served,
  testFile,
} from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'
import { Console, lacksBusybox, userModeCommand, writeInitramfs } from '../helpers/qemu.js'
import { lacksReferenceKernel } from '../reference/guest.js'

const lacking = lacksProgram('vde_switch', 'vde_plug', 'dpipe', 'wirefilter', 'vde_plug2tap')

describeUnless(lacking, 'programs of VDE', function () {
  this.timeout(120_000)
  const close = closing()
  const makeFolder = (): string => {
    const parent = mkdtempSync(joinPath(tmpdir(), 'etherloom-vde-'))
    close({
      close: () => {
        rmSync(parent, { recursive: true, force: true })
      },
    })
    return parent
  }
  const serve = async <F extends Fabric>(fabric: F) => {
    const server = await fabric.listen({ protocol: 'vde', directory: joinPath(makeFolder(), 'switch') })
    return { fabric, server, folder: server.directory }
  }
  const makeHub = () => close(new Hub({ engine: { memory: '16MiB' } }))
  /** A program that becomes a peer of these. */
  const start = async (command: string[], ...servers: VdeServer[]): Promise<Child> => {
    const here = servers.map((server) => once(server, 'connect'))
    const program = close(new Child(command))
    await Promise.all(here)
    return program
  }
  /** What each of them sends the other hears, unchanged, once all between them is ready, which programs do not say. */
  async function expectBothHear(left: MemoryPort, right: MemoryPort): Promise<void> {
    const early = 999
    await eventually('frames pass', async () => {
      left.send(frame({ tag: early }))
      await new Promise((resolve) => setImmediate(resolve))
      return right.read() !== undefined
    })
    const frames = Array.from({ length: 50 }, (_, tag) => frame({ tag, length: 60 + ((tag * 37) % 1455) }))
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      from.send(frames)
      const heard: Uint8Array[] = []
      while (heard.length < frames.length)
        for (const { tag, bytes } of await receive(to, 1)) if (tag !== early) heard.push(bytes)
      expect(heard).to.deep.equal(frames)
    }
  }

  for (const middle of [[], ['wirefilter', '=']])
    it(`dpipe joins two fabrics by two vde_plugs${middle.length > 0 ? ' and a wirefilter' : ''}, and the ports go with it`, async () => {
      const [one, two] = [await serve(makeHub()), await serve(makeHub())]
      const [[a], [b]] = [await join(one.fabric, 'a'), await join(two.fabric, 'b')]
      const command = ['dpipe', 'vde_plug', one.folder, '=', ...middle, 'vde_plug', two.folder]
      const pipe = await start(command, one.server, two.server)
      expect(one.server.ports[0]!.description).to.match(/^vdeplug: user=/)
      await expectBothHear(a, b)
      const gone = once(two.server, 'disconnect')
      await pipe.close()
      await one.fabric.close() // ends the first plug, whose end is that of the others
      await gone
    })

  it('etherloom plug is the other end of a vde_plug, goes on with the next switch, and ends with its input', async () => {
    const [one, two] = [await serve(makeHub()), await serve(makeHub())]
    const [[a], [b]] = [await join(one.fabric, 'a'), await join(two.fabric, 'b')]
    const plug = [process.execPath, '--import=tsx', testFile('../bin/etherloom.ts'), 'plug']
    const command = ['dpipe', 'vde_plug', one.folder, '=', ...plug, two.folder, '--port', '3']
    const pipe = await start(command, one.server, two.server)
    expect(two.server.ports[0]!.number).to.equal(3)
    await expectBothHear(a, b)
    await two.server.close()
    const again = await two.fabric.listen({ protocol: 'vde', directory: two.folder })
    await once(again, 'connect')
    await expectBothHear(a, b)
    const gone = once(again, 'disconnect')
    await one.fabric.close()
    await gone
    await pipe.rest(0, 1)
  })

  it('vde_plug has the port that it asks for', async () => {
    const { server, folder } = await serve(makeHub())
    await start(['vde_plug', `vde://${folder}[5]`], server)
    expect(server.ports.map(({ number }) => number)).to.deep.equal([5])
  })

  it('a vde_switch is joined by dpipe, or by a VdePort', async () => {
    const { fabric, server, folder } = await serve(close(new Switch({ engine: { memory: '16MiB' } })))
    const other = joinPath(makeFolder(), 'switch')
    close(new Child(['vde_switch', '-s', other]))
    await served(joinPath(other, 'ctl'))
    await start(['dpipe', 'vde_plug', folder, '=', 'vde_plug', other], server)
    const far = makeHub()
    await far.attach(new VdePort({ vde: other }))
    const [[a], [b]] = [await join(fabric, 'a'), await join(far, 'b')]
    await expectBothHear(a, b)
  })

  it('vde_plug2tap joins a TAP of another network namespace', async function () {
    if (lacksNetwork() !== undefined) return this.skip()
    const { fabric, server, folder } = await serve(makeHub())
    const [near, far] = [close(await Host.create(1)), close(await Host.create(2))]
    await fabric.attach(near.tap())
    await far.run('ip', 'tuntap', 'add', 'vde0', 'mode', 'tap')
    const here = once(server, 'connect')
    close(new Child(['vde_plug2tap', '-s', folder, 'vde0'], far.namespace.path))
    await here
    await far.run('ip', 'address', 'add', `${far.address}/24`, 'dev', 'vde0')
    await far.run('ip', 'link', 'set', 'vde0', 'up')
    expect(await near.ping(far, 100, 0.002)).to.include({ sent: 100, received: 100, duplicates: 0 })
  })

  describeUnless(lacksReferenceKernel() ?? lacksBusybox(), 'Linux in user mode', () => {
    for (const card of ['vde', 'daemon'] as const)
      it(`machines reach each other by their card '${card}'`, async () => {
        const { server, folder } = await serve(makeHub())
        const scratch = makeFolder()
        const initramfs = joinPath(scratch, 'initramfs')
        writeInitramfs(initramfs, [])
        const machines = await Promise.all(
          [1, 2].map(async (number) => {
            const words = card === 'vde' ? `vde,${folder}` : `daemon,,unix,${folder}/ctl`
            const [program, ...rest] = userModeCommand(initramfs, scratch, number, words) as [
              string,
              ...string[],
            ]
            const machine = spawn(program, rest, { stdio: 'pipe' })
            close({
              close: async () => {
                const ended = once(machine, 'exit')
                if (machine.exitCode === null && machine.signalCode === null) {
                  machine.kill('SIGKILL')
                  await ended
                }
              },
            })
            const console = new Console(machine)
            await console.until(/^ready$/)
            return { machine, console }
          }),
        )
        expect(server.ports).to.have.length(2)
        const { text, status } = await machines[0]!.console.run('ping -q -c 20 -i 0.01 -W 20 10.0.0.2')
        expect([status, text]).to.satisfy(
          ([code, said]: [number, string]) =>
            code === 0 && said.includes('20 packets transmitted, 20 packets received, 0% packet loss'),
        )
        const gone = once(server, 'disconnect') as Promise<[VdePeerPort]>
        machines[1]!.machine.kill('SIGKILL')
        await gone
      })
  })
})
