/**
 * Programs that are stopped (SIGSTOP) for longer than all that waits for them, and continued: they go on as if nothing had been,
 * and nobody else has noticed more than that they say nothing. All are stopped at once, so that the wait is one.
 */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, Engine, Hub, SocketPort, UdpPort, Wire, type Port } from '../../lib/index.js'
import { controlSocket } from '../../lib/control/directory.js'
import { Instance } from '../../lib/control/instance.js'
import { framings, type Framing } from '../../lib/ports/framings.js'
import { rejection } from '../helpers/errors.js'
import { closing, dropped, join, receive } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { Child, describeOnDevices, eventually, lacksProgram, testFile } from '../helpers/kernel.js'
import { freePort } from '../helpers/sockets.js'
import { cable, Host, processesIn, soon, startHub, transfer } from '../helpers/network.js'

/** In milliseconds: longer than what anybody waits between attempts, or for an answer. */
const stop = 10_000

interface Scene {
  stopped: Child
  /** What is looked at while it is stopped. */
  meanwhile: () => Promise<void>
  /** What is looked at when it has gone on. */
  afterwards: () => Promise<void>
}

describeOnDevices('a program that is stopped and continued', function () {
  this.timeout(120_000)
  const close = closing(after)
  let folder: string

  before(() => {
    folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-stopped-'))
    close({ close: () => rmSync(folder, { recursive: true }) })
    process.env.ETHERLOOM_CONTROL_DIRECTORY = joinPath(folder, 'run')
    close({
      close: () => {
        delete process.env.ETHERLOOM_CONTROL_DIRECTORY
      },
    })
    mkdirSync(joinPath(folder, 'run'), { mode: 0o700 })
  })

  /** What is at the other end of one of its ports. */
  interface Side {
    options: [kind: string, options: object]
    send: (bytes: Uint8Array) => void
    /** The port of this process that leads there; one whose kernel says when its queue is full. */
    port?: Port
  }

  async function ports(): Promise<Scene> {
    const engine = close(new Engine())
    const changes: string[] = []
    /** A hub of ours, and who sends there; what happens to its ports is noted. */
    const seat = async (name: string) => {
      const hub = new Hub({ engine, name })
      const [sender] = await join(hub, 'sender')
      return { hub, send: (bytes: Uint8Array) => void sender.send(bytes) }
    }
    const sides: Side[] = []
    const opening: (() => Promise<void>)[] = []

    const host = close(await Host.create(1))
    const far = close(await Host.create(2))
    await cable(far, host, 'left')
    const namespace = host.namespace.path
    const tap: Side = { options: ['tap', { name: 'tap0', namespace }], send: () => undefined }
    opening.push(async () => {
      const sniffer = await host.sniff('tap0')
      tap.send = (bytes) => {
        sniffer.send(bytes)
      }
    })
    const wire = await far.sniff('eth0')
    sides.push(tap, {
      options: ['packet', { interface: 'left', namespace }],
      send: (bytes) => {
        wire.send(bytes)
      },
    })

    const { hub: udp, send } = await seat('udp')
    const local = `127.0.0.1:${await freePort()}`
    const { local: remote } = await udp.attach(new UdpPort({ local: '127.0.0.1:0', remote: local }))
    sides.push({ options: ['udp', { local, remote, keepAlive: '1s' }], send })

    /** It connects, and our server is there. */
    const toUs = async (name: string, socket: string, framing: Exclude<Framing, 'datagram'>) => {
      const { hub, send } = await seat(name)
      const server = await hub.listen({ socket, framing })
      const side: Side = { options: ['socket', { socket, framing }], send }
      sides.push(side)
      const connected = once(server, 'connect')
      opening.push(async () => {
        ;[side.port] = (await connected) as [SocketPort]
        server.on('connect', () => changes.push(`${name} connect`))
        server.on('disconnect', (port, { message }) => changes.push(`${name} ${message}`))
      })
    }
    /** It listens, and we connect. */
    const toIt = async (name: string, socket: string, framing: Framing) => {
      const { hub, send } = await seat(name)
      const side: Side = { options: ['socket', { socket, framing, role: 'listen' }], send }
      sides.push(side)
      opening.push(async () => {
        const port = await hub.attach(new SocketPort({ socket, framing }))
        side.port = port
        for (const event of ['port:down', 'port:up'] as const)
          hub.on(event, () => changes.push(`${name} ${event}`))
      })
    }
    for (const { key, socket } of framings) {
      const framing = key as Framing
      if (socket !== 'datagram') await toUs(key, joinPath(folder, `${key}.sock`), framing as 'stream')
      await toIt(`${key}-server`, joinPath(folder, `${key}-server.sock`), framing)
    }
    await toUs('tcp', `127.0.0.1:${await freePort()}`, 'stream')
    await toIt('tcp-server', `127.0.0.1:${await freePort()}`, 'stream')

    const given = JSON.stringify(sides.map(({ options }) => options))
    const words = [process.execPath, '--import=tsx', testFile('ports/programs/stopped.ts'), given]
    const child = close(new Child(words))
    expect(await child.line()).to.match(/^ready$|^port:/)
    for (const open of opening) await open()
    interface Answer {
      states: string[]
      steps: string[]
      delay: string
      received: number[]
    }
    /** What it says of itself, and every other line since it was asked before. */
    const ask = async (): Promise<{ answer: Answer; lines: string[] }> => {
      child.tell('')
      const lines: string[] = []
      for (;;) {
        const line = await child.line()
        if (line.startsWith('{')) return { answer: JSON.parse(line) as Answer, lines }
        lines.push(line)
      }
    }
    await eventually('all its ports are up', async () =>
      (await ask()).answer.states.every((state) => state === 'up'),
    )
    const pair = new Wire({ engine })
    const [a, b] = await join(pair, 'a', 'b')
    const exchange = async (): Promise<void> => {
      a.send(numbered(100))
      expect(await receive(b, 100)).to.have.length(100)
    }
    const sendAll = (first: number): string[] =>
      sides.map(({ send }, index) => {
        send(frame({ tag: first + index }))
        return `${first + index}`
      })
    /** Has each have a frame with such tags; says what else it said. */
    const heard = async (tags: string[]): Promise<void> => {
      const lines: string[] = []
      await eventually(`it has said ${tags.join()}`, async () => {
        lines.push(...(await ask()).lines)
        return lines.length >= tags.length
      })
      expect(lines.sort()).to.deep.equal(tags)
    }
    await heard(sendAll(1000))
    changes.length = 0
    let during: string[] = []
    const flooded = sides.filter(({ port }) => port !== undefined)
    return {
      stopped: child,
      meanwhile: async () => {
        during = sendAll(2000)
        const full = ({ port }: Side): boolean => port!.stats().dropped['port-full'] > 0n
        while (!flooded.every(full)) {
          for (const side of flooded)
            if (!full(side)) for (const bytes of numbered(50, { length: 1000 })) side.send(bytes)
          await exchange()
        }
        for (const { port } of flooded)
          expect(Object.keys(dropped(port!.stats().dropped))).to.deep.equal(['port-full'])
      },
      afterwards: async () => {
        await heard(during)
        for (const side of flooded)
          await eventually(`${JSON.stringify(side.options)} has all that counts as transmitted`, async () => {
            const { received } = (await ask()).answer
            return received[sides.indexOf(side)] === Number(side.port!.stats().transmitted.frames)
          })
        await heard(sendAll(3000))
        const { states, steps, delay } = (await ask()).answer
        expect([...new Set(states)]).to.deep.equal(['up'])
        expect({ steps, delay }).to.deep.equal({ steps: ['500ms', '1s', '1.5s'], delay: '3ms' })
        expect(sides.flatMap(({ port }) => port?.state ?? [])).to.deep.equal(flooded.map(() => 'up'))
        expect(changes).to.be.empty
        await exchange()
      },
    }
  }

  /** The processes of a host that have one of these names, by their ids. */
  const processesOf = async (host: Host, ...names: string[]): Promise<string[]> =>
    (await processesIn(host))
      .flatMap(({ name, pid }) => (names.includes(name) ? `${name} ${pid}` : []))
      .sort()

  async function gateway(): Promise<Scene> {
    const machine = close(await Host.create(9))
    const outside = close(await Host.create(5))
    const guest = close(await Host.create(2))
    await cable(outside, machine, 'uplink')
    await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
    await outside.ip('route', 'add', 'default', 'via', machine.address)
    const way = { interface: 'uplink', dhcp: true, dns: false }
    const parts = [
      { tap: { name: 'tap0', addresses: ['10.0.77.1/24' as const], gateway: way } },
      { tap: { name: 'eth0', namespace: guest.namespace.path } },
    ]
    const { program, message } = await startHub(parts, { host: machine })
    expect(message).to.be.undefined
    expect(await guest.lease()).to.contain('via 10.0.77.1')
    expect(await guest.ping(outside, 10, 0.01)).to.include({ received: 10 })
    const helpers = () => processesOf(machine, 'sh', 'nft', 'dnsmasq')
    const before = await helpers()
    expect(before).to.have.length(3)
    return {
      stopped: program,
      meanwhile: async () => {
        expect(await guest.ping(outside, 20, 0.01, soon)).to.include({ received: 0 })
      },
      afterwards: async () => {
        expect(await guest.ping(outside, 10, 0.01)).to.include({ received: 10, duplicates: 0 })
        expect(await guest.lease()).to.contain('via 10.0.77.1')
        expect(await helpers()).to.deep.equal(before)
        program.signal('SIGTERM')
        await eventually('all of it has ended', async () => (await helpers()).length === 0)
        expect(await machine.run('nft', 'list', 'tables')).not.to.contain('etherloom')
      },
    }
  }

  async function passt(): Promise<Scene> {
    const machine = close(await Host.create(9))
    const outside = close(await Host.create(5))
    const guest = close(await Host.create(2))
    await cable(outside, machine, 'uplink')
    await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
    await machine.ip('route', 'add', 'default', 'via', outside.address)
    const parts = [
      { tap: { name: 'eth0', namespace: guest.namespace.path } },
      { passt: { address: '10.0.2.15/24' as const, gateway: '10.0.2.2' } },
    ]
    const { program, message } = await startHub(parts, { host: machine })
    expect(message).to.be.undefined
    await guest.lease()
    await transfer(guest, outside, 100_000)
    const before = await processesOf(machine, 'passt', 'passt.avx2')
    expect(before).to.have.length(1)
    return {
      stopped: program,
      meanwhile: async () => {
        // More than its socket holds: whoever could not wait for us would end.
        expect(await guest.ping('10.0.2.2', 500, 0.001, soon)).to.include({ received: 0 })
      },
      afterwards: async () => {
        await transfer(guest, outside, 1_000_000)
        expect(await processesOf(machine, 'passt', 'passt.avx2')).to.deep.equal(before)
      },
    }
  }

  const etherloom = (...words: string[]): Child =>
    close(new Child([process.execPath, '--import=tsx', testFile('../bin/etherloom.ts'), ...words]))

  async function instance(): Promise<Scene> {
    const topology = joinPath(folder, 'lab.json')
    writeFileSync(
      topology,
      JSON.stringify({
        fabrics: {
          lab: { kind: 'hub', ports: { red: { patch: 'far.blue' } } },
          far: { kind: 'hub', ports: { blue: { patch: 'lab.red' } } },
        },
      }),
    )
    const up = etherloom('up', topology)
    expect(await up.line()).to.match(/^lab: up/)
    const client = await connect({ name: 'lab' })
    close(client)
    await client.subscribe('port:carrier')
    return {
      stopped: up,
      meanwhile: async () => {
        const refused = async (work: Promise<unknown>): Promise<string> =>
          ((await rejection(work)) as Error).message
        const [shown, begun, hasty, second] = await Promise.all([
          refused(etherloom('show', '--name', 'lab').rest()),
          refused(etherloom('up', topology).rest()),
          refused(connect({ name: 'lab', signal: AbortSignal.timeout(100) })),
          refused(Instance.start('lab', topology, { fabrics: {} })),
        ])
        for (const said of [shown, begun])
          expect(said).to.match(
            /: 1: etherloom: instance 'lab' does not answer: it has said nothing for 10 s; it is busy, or stopped .*'kill -CONT'/,
          )
        expect(hasty).to.contain('aborted due to timeout')
        expect(second).to.match(/^an instance named 'lab' is already running/)
      },
      afterwards: async () => {
        expect(await etherloom('show', '--name', 'lab', 'ports').rest()).to.contain('lab')
        const carrier = once(client, 'port:carrier')
        await client.call('carrier', { port: 'lab.red', on: false })
        expect(((await carrier) as [object])[0]).to.include({ fabric: 'lab', on: false })
        await etherloom('down', '--name', 'lab').rest()
        await client.ended
        await up.rest()
      },
    }
  }

  async function subscriber(): Promise<Scene> {
    const fabrics = { lab: { kind: 'hub', ports: {} } } as const
    const { network } = close(await Instance.start('told', '/lab.yaml', { fabrics }))
    const child = close(
      new Child([process.execPath, testFile('ports/programs/subscriber.mjs'), controlSocket('told')]),
    )
    expect(await child.line()).to.equal('subscribed')
    const other = close(await connect({ name: 'told' }))
    await other.subscribe()
    const mebibyte = 'x'.repeat(1 << 20)
    const step = {
      world: 'w',
      up: 0,
      down: 0,
      changed: 0,
      milliseconds: 1,
      overrun: false,
      links: [mebibyte],
    }
    return {
      stopped: child,
      meanwhile: async () => {
        for (let number = 1; number <= 100; number++) {
          const heard = once(other, 'world:step')
          network.emit('world:step', { ...step, step: number } as never)
          expect(((await heard) as [{ step: number }])[0].step).to.equal(number)
        }
        expect(await other.call('hosts', {})).to.deep.equal([])
        expect(network.listenerCount('world:step'), 'who is still told').to.equal(1)
      },
      afterwards: async () => {
        const [, bytes] = /^ended after (\d+)$/.exec(await child.line()) ?? []
        expect(Number(bytes)).to.be.below(64 << 20)
        expect(await other.call('hosts', {})).to.deep.equal([])
      },
    }
  }

  const scenes: [title: string, lacking: string | undefined, set: () => Promise<Scene>][] = [
    [
      'with ports of each kind: loses no port, no connection and none of what was sent, takes each step of its timeline once; its peers drop as port-full',
      undefined,
      ports,
    ],
    [
      'with a gateway: it works again, by the same guardian, nft and dnsmasq',
      lacksProgram('nft', 'dnsmasq', 'busybox'),
      gateway,
    ],
    ['with passt: it works again, by the same passt', lacksProgram('passt', 'busybox'), passt],
    [
      'that is an instance: commands say so within a bounded time, and it answers as before when it goes on',
      undefined,
      instance,
    ],
    [
      'that has subscribed to events: the instance cuts it off beyond 64 MiB, and goes on for others',
      undefined,
      subscriber,
    ],
  ]
  const set = new Map<string, Scene>()
  const outcomes = new Map<string, PromiseSettledResult<void>>()

  before('all are stopped, and go on', async () => {
    await Promise.all(
      scenes.map(async ([title, lacking, make]) => {
        if (lacking === undefined) set.set(title, await make())
      }),
    )
    for (const { stopped } of set.values()) stopped.signal('SIGSTOP')
    const over = pause(stop)
    const hangs = pause(40_000, undefined, { ref: false }).then(() => {
      throw new Error('it hangs')
    })
    const results = await Promise.allSettled(
      [...set.values()].map(({ meanwhile }) => Promise.race([meanwhile(), hangs])),
    )
    await over
    for (const { stopped } of set.values()) stopped.signal('SIGCONT')
    for (const [index, title] of [...set.keys()].entries()) outcomes.set(title, results[index]!)
  })

  for (const [title, lacking] of scenes)
    if (lacking === undefined)
      it(title, async () => {
        const outcome = outcomes.get(title)!
        if (outcome.status === 'rejected') throw outcome.reason
        await set.get(title)!.afterwards()
      })
    else it.skip(`${title} (skipped: ${lacking})`)
})
