/** Counters: bigints in code; numbers and, above 2^53 - 1, decimal text in JSON, on the control socket and in print. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { connect, dropReasons, Hub, type Network, type Topology } from '../../lib/index.js'
import { controlSocket } from '../../lib/control/directory.js'
import { Instance } from '../../lib/control/instance.js'
import { counter } from '../../lib/values/counter.js'
import { readLateness, readPathStats, readPortStats } from '../../lib/values/stats.js'
import { refusal } from '../helpers/errors.js'
import { closing, join } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

const exact = 2n ** 53n - 1n
const more = 2n ** 63n + 1n
const reasons = Object.keys(dropReasons).length

/** Words of the native half, all the same number. */
const words = (count: number, value: bigint): BigUint64Array => new BigUint64Array(count).fill(value)
const roundTrip = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('Counters', () => {
  const closes = closing()

  it('of everything that counts can be written as JSON', async () => {
    const hub = closes(new Hub({ engine: { clock: 'virtual' } }))
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow({ delay: '1ms' })
    const capture = await a.capture('/dev/null')
    a.send(frame({ length: 100 }))
    hub.engine.advance('1s')
    await capture.close()
    expect(roundTrip(a.stats())).to.deep.include({ received: { frames: 1, bytes: 100 } })
    expect(roundTrip(a.stats().dropped)).to.deep.include({ loss: 0, queue: 0 })
    expect(roundTrip(a.stats().received)).to.deep.equal({ frames: 1, bytes: 100 })
    expect(roundTrip(hub.path(a, b).stats())).to.deep.include({
      offered: 1,
      delivered: 1,
      deliveredBytes: 100,
    })
    const { ports, paths } = roundTrip(hub.stats()) as { ports: object; paths: object[] }
    expect(ports).to.have.nested.property('b.transmitted.frames', 1)
    expect(paths[0]).to.deep.include({ from: 'a', to: 'b', allowed: true, delivered: 1 })
    expect(roundTrip(hub.stats().paths[0])).to.deep.include({ from: 'a', delivered: 1 })
    expect(roundTrip(capture.stats())).to.deep.include({ frames: 1, lost: 0 })
    const late = { count: 1, buckets: [{ from: 0, to: 1, count: 1 }] }
    expect(roundTrip(hub.engine.lateness())).to.deep.include(late)
    expect(hub.engine.lateness().count).to.equal(1n)
  })

  it('are exact whatever their size', () => {
    const port = readPortStats(words(4 + reasons + 10 + reasons, more))
    expect(port.received.frames).to.equal(more)
    expect(roundTrip(port)).to.have.nested.property('received.frames', String(more))
    expect(roundTrip(port)).to.have.nested.property('dropped.no-buffer', String(more))
    expect(roundTrip(port.toJSON())).to.have.nested.property('defaults.dropped.loss', String(more))
    expect(roundTrip(readPathStats(words(10 + reasons, exact)))).to.include({ offered: Number(exact) })
    expect(roundTrip(readPathStats(words(10 + reasons, exact + 1n)))).to.include({
      offered: '9007199254740992',
    })
    const late = readLateness([words(4, 2n ** 53n), words(4, 3n)])
    expect(late.count).to.equal(3n * (2n ** 53n + 3n))
    expect(roundTrip(late)).to.deep.include({ count: String(late.count) })
    expect(late.buckets.at(-1)).not.to.have.property('to')
  })

  it('are read from code and from JSON alike, and nothing else is', async () => {
    const read = counter()
    for (const given of [more, String(more)]) expect(read(given, 'it')).to.equal(more)
    expect(read(7, 'it')).to.equal(7n)
    for (const wrong of [-1, -1n, 1.5, 2 ** 53, '-1', '', 'many', true, {}])
      expect((await refusal(() => read(wrong, 'it'))).message).to.match(/^it must be a counter, not /)
  })

  describe('of an instance', function () {
    this.timeout(60_000) // what it needs is loaded while it starts, and a command is a process
    let directory: string
    before(() => {
      directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-counters-'))
      process.env.ETHERLOOM_CONTROL_DIRECTORY = directory
    })
    after(() => {
      delete process.env.ETHERLOOM_CONTROL_DIRECTORY
      rmSync(directory, { recursive: true })
    })

    const topology: Topology = {
      fabrics: {
        core: { kind: 'hub', ports: { red: { patch: 'edge.red' } } },
        edge: { kind: 'hub', ports: { red: { patch: 'core.red' } } },
      },
    }

    /** An instance of which one port has counted very much. */
    async function start(): Promise<Network> {
      const { network } = closes(await Instance.start('lab', '/lab.yaml', topology))
      const red = network.port({ port: 'core.red' })
      red.stats = () => readPortStats(words(4 + reasons + 10 + reasons, more))
      return network
    }

    it('reach the typed client as bigints, and others as text', async () => {
      await start()
      const client = closes(await connect())
      const [red, other] = await client.call('ports', {})
      expect(red).to.include({
        receivedFrames: more,
        transmittedBytes: more,
        dropped: BigInt(reasons) * more,
      })
      expect(other).to.include({ receivedFrames: 0n, dropped: 0n })
      const drops = await client.call('drops', {})
      expect(drops[0]).to.include({ at: 'red', frames: more })
      const [lateness] = await client.call('lateness', {})
      expect(lateness).to.include({ count: 0n })

      const socket = connectSocket(controlSocket('lab')).setEncoding('utf8')
      socket.write('{"jsonrpc":"2.0","id":1,"method":"ports","params":{}}\n')
      const [line] = (await once(socket, 'data')) as [string]
      socket.destroy()
      expect(line).to.contain(`"receivedFrames":"${more}"`).and.to.contain('"receivedFrames":0,')
    })

    it('are printed whole', async () => {
      await start()
      const show = async (...words: string[]): Promise<string> => {
        const child = spawn(process.execPath, ['--import=tsx', 'bin/etherloom.ts', 'show', ...words], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        return text(child.stdout)
      }
      const [red] = (await show('ports', '--json')).split('\n')
      expect(JSON.parse(red!)).to.include({ port: 'red', receivedFrames: String(more) })
      expect(await show('drops')).to.match(/^core +red +loss +9,223,372,036,854,775,809$/m)
    })
  })
})
