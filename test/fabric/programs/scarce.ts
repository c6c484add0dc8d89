/**
 * What a process meets whose memory is short: `scarce.ts CASE...`. Started by scarce.test.ts; prints lines of JSON.
 *
 * `space`: leaves itself little address space, and says what becomes of engines and a capture then.
 * `locked`: says what becomes of an engine of each kind of `io`, where no memory may be locked.
 * `held MEMORY SOCKET`: an engine with that memory holds all frames that it can, and echoes frames at a trunk. Says `{}` when
 * that is up, and then by what reason frames are dropped, once some are.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import {
  Engine,
  EtherloomError,
  GeneratorPort,
  Hub,
  SinkPort,
  SocketPort,
  Wire,
  type EngineOptions,
  type Size,
} from '../../../lib/index.js'
import { dropped, join, receive } from '../../helpers/fabric.js'
import { numbered } from '../../helpers/frames.js'

const say = (value: object): void => console.log(JSON.stringify(value))

/** From now on the process can have so many bytes of address space more. */
function leave(bytes: number): void {
  const [, size] = /^VmSize:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${Number(size) * 1024 + bytes}:`])
}

/** What it comes to: 'ok', or an error's code and message. */
async function outcome(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'ok'
  } catch (error) {
    if (!(error instanceof EtherloomError)) return `no error of ours: ${String(error)}`
    return `${error.code}: ${error.message}`
  }
}

async function space(): Promise<void> {
  const wire = new Wire({ engine: { memory: '1MiB' } })
  const [a, b] = await join(wire, 'a', 'b')
  const make = (options: EngineOptions): Promise<string> => outcome(() => new Engine(options).close())
  await make({ memory: '1MiB' })
  leave(64 << 20)
  const outcomes = {
    memory: await make({ memory: '4GiB' }),
    workers: await make({ memory: '64MiB', workers: 64 }),
    capture: await outcome(() => a.capture('/dev/null', { buffer: '1GiB' })),
  }
  const sizes = []
  for (let mebibytes = 16; mebibytes <= 64; mebibytes += 4)
    for (const workers of [1, 4]) sizes.push(await make({ memory: `${mebibytes}MiB`, workers }))
  const modest = await make({ memory: '2MiB' })
  a.send(numbered(100))
  const others = (await receive(b, 100)).length === 100
  say({ ...outcomes, sizes: [...new Set(sizes.map((each) => each.split(':')[0]))].sort(), modest, others })
}

/** What a descriptor leads to; the one that lists them has gone. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

async function locked(): Promise<void> {
  const kinds: Record<string, string> = {}
  for (const io of ['auto', 'io_uring', 'epoll'] as const)
    kinds[io] = await outcome(async () => {
      const wire = new Wire({ engine: { io, workers: 2 } })
      const [a, b] = await join(wire, 'a', 'b')
      a.send(numbered(100))
      await receive(b, 100)
      const files = readdirSync('/proc/self/fd').map(linkOf)
      const rings = files.filter((file) => file.includes('io_uring')).length
      kinds[`${io} is`] = `${wire.engine.io}, ${rings} rings`
      await wire.close()
    })
  say(kinds)
}

async function held(memory: Size, socket: string): Promise<void> {
  const engine = new Engine({ memory })
  const trunk = new Hub({ engine })
  const [echo] = await join(trunk, 'echo')
  await trunk.attach(new SocketPort({ socket }))
  void (async () => {
    for await (const batch of echo) echo.send([...batch])
  })()
  say({})
  const hub = new Hub({ engine })
  const generator = await hub.attach(new GeneratorPort({ name: 'from', length: 1000 }))
  await hub.attach(new SinkPort({ name: 'to' }))
  await hub.between('from', 'to').set({ allowed: true, delay: '1h' })
  await generator.start()
  for (;;) {
    const reasons = Object.keys(dropped(hub.path('from', 'to').stats().dropped))
    if (reasons.length > 0) {
      say({ reasons })
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const [what, ...rest] = process.argv.slice(2)
if (what === 'held') await held(rest[0] as Size, rest[1]!)
else {
  await (what === 'locked' ? locked() : space())
  process.exit()
}
