/** Several processes joined by trunks: killing any of them disturbs nobody else, and it comes back by being started again. */
import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Hub, SocketPort, type MemoryPort } from '../../lib/index.js'
import { closing, join, take, until } from '../helpers/fabric.js'
import { frame, station } from '../helpers/frames.js'

const program = fileURLToPath(new URL('programs/trunk.ts', import.meta.url))

describe('A trunk of several processes', function () {
  this.timeout(120_000)
  const closes = closing()
  let path: string

  beforeEach(() => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-trunk-'))
    path = joinPath(directory, 'trunk.sock')
    closes({
      close: () => {
        rmSync(directory, { recursive: true, force: true })
      },
    })
  })

  const start = async (role: 'hub' | 'echo', number = 0): Promise<ChildProcess> => {
    const child = spawn(process.execPath, ['--import=tsx', program, role, path, String(number)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    closes({
      close: () => {
        child.kill('SIGKILL')
      },
    })
    await once(child.stdout, 'data')
    return child
  }
  const kill = async (child: ChildProcess) => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  /** A station of this process on the trunk. */
  const attend = async () => {
    const hub = closes(new Hub({ engine: { memory: '8MiB' } }))
    const trunk = await hub.attach(new SocketPort({ socket: path, name: 'trunk' }))
    const [own] = await join(hub, 'own')
    return { trunk, own }
  }
  const ask = (own: MemoryPort, to: number, tag: number) => {
    own.send(frame({ to: station(to), from: station(1), tag }))
  }
  /** Asks until that station answers. */
  const reach = async (own: MemoryPort, to: number) => {
    for (let asked = false; !asked;) {
      ask(own, to, 99_999)
      await new Promise((resolve) => setTimeout(resolve, 20))
      asked = take(own).some(({ tag }) => tag === 99_999)
    }
  }
  /** The tags of 100 frames that came back from a station, one at a time; `meanwhile` happens after 30. */
  const hundred = async (own: MemoryPort, to: number, meanwhile?: () => unknown) => {
    const back: number[] = []
    for (let tag = 0; tag < 100; tag++) {
      if (tag === 30) meanwhile?.()
      ask(own, to, tag)
      await until(() => {
        back.push(
          ...take(own)
            .map((each) => each.tag)
            .filter((each) => each < 99_999),
        )
        return back.length > tag
      })
    }
    return back
  }
  const all = Array.from({ length: 100 }, (_, tag) => tag)

  it('loses nothing between the others when one is killed, and has it back when it is started again', async () => {
    await start('hub')
    const [, other] = await Promise.all([start('echo', 2), start('echo', 3)])
    const { own } = await attend()
    await reach(own, 2)
    await reach(own, 3)
    expect(await hundred(own, 2, () => other.kill('SIGKILL'))).to.deep.equal(all)
    await start('echo', 3)
    await reach(own, 3)
    expect(await hundred(own, 3)).to.deep.equal(all)
  })

  it('outlives its hub: the others count port-down, and are back when the hub is', async () => {
    const hub = await start('hub')
    await start('echo', 2)
    const { trunk, own } = await attend()
    await reach(own, 2)
    expect(await hundred(own, 2)).to.deep.equal(all)
    await kill(hub)
    await until(() => trunk.state === 'down')
    for (let tag = 0; tag < 50; tag++) ask(own, 2, tag)
    await until(() => trunk.stats().dropped['port-down'] === 50n)
    await start('hub') // takes over the path that the killed one left behind
    await until(() => trunk.state === 'up')
    await reach(own, 2)
    expect(await hundred(own, 2)).to.deep.equal(all)
  })
})
