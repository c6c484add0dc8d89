/** How ports come and go: their names, the events, detaching twice, what a signal ends, and who reads. */
import { expect } from 'chai'
import { once } from 'node:events'
import { Engine, Hub, MemoryPort, PatchPort, SinkPort, World } from '../../lib/index.js'
import { refusal, rejection } from '../helpers/errors.js'
import { closing, join, slowPort, tags } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

describe('Ports without names', () => {
  const closes = closing()

  it('have the lowest number that is free in their fabric', async () => {
    const hub = closes(new Hub())
    const [one, other] = [PatchPort.pair(), PatchPort.pair()]
    const ports = [new MemoryPort(), new MemoryPort(), new SinkPort(), one[0], other[0]]
    for (const port of ports) await hub.attach(port)
    expect(ports.map(({ name }) => name)).to.deep.equal(['memory0', 'memory1', 'sink0', 'patch0', 'patch1'])
    await hub.detach('memory0')
    const next = await hub.attach(new MemoryPort())
    expect([...hub.ports.keys()]).to.have.members(['memory0', 'memory1', 'sink0', 'patch0', 'patch1'])
    expect(next.name).to.equal('memory0')
    const second = closes(new Hub())
    await second.attach(new MemoryPort({ name: 'memory0' }))
    await hub.detach(next)
    await second.attach(next)
    expect(next.name).to.equal('memory1')
  })

  it('and fabrics without names draw the same, whatever the process made before', async () => {
    const survivors = async (): Promise<number[]> => {
      const engine = closes(new Engine({ clock: 'virtual', seed: 7 }))
      const hub = new Hub({ engine })
      const [a, b] = [await hub.attach(new MemoryPort()), await hub.attach(new MemoryPort())]
      await hub.path(a, b).allow({ loss: 0.5 })
      for (let tag = 0; tag < 64; tag++) a.send(frame({ tag }))
      engine.advance('1ms')
      return tags(b)
    }
    const first = await survivors()
    closes(new Hub())
    expect(await survivors()).to.deep.equal(first)
  })

  it('nor do worlds', () => {
    const names = [1, 2].map(() => {
      const engine = closes(new Engine({ clock: 'virtual' }))
      const nic = (node: string): MemoryPort => new MemoryPort({ name: node })
      return [new World({ engine, nodes: ['a'], nic }).name, new World({ engine, nodes: ['a'], nic }).name]
    })
    expect(names).to.deep.equal([
      ['world0', 'world1'],
      ['world0', 'world1'],
    ])
  })
})

describe('Attaching and detaching', () => {
  const closes = closing()

  it('are events of the port and of its fabric', async () => {
    const hub = closes(new Hub())
    const port = new MemoryPort({ name: 'a' })
    const seen: string[] = []
    for (const event of ['attach', 'detach'] as const) {
      port.on(event, () => seen.push(`${event} ${port.state} ${port.fabric === undefined}`))
      hub.on(`port:${event}`, (told) => seen.push(`port:${event} ${told.port.name}`))
    }
    await hub.attach(port)
    await hub.detach(port)
    await hub.attach(port)
    await hub.close()
    const once = ['attach up false', 'port:attach a', 'detach detached true', 'port:detach a']
    expect(seen).to.deep.equal([...once, ...once])
  })

  it('detach as often as asked, at once and later, with the fabric closed as well', async () => {
    const hub = closes(new Hub())
    const [a] = await join(hub, 'a', 'b')
    await Promise.all([hub.detach(a), hub.detach('a'), hub.detach(a)])
    await hub.detach(a)
    await hub.detach(new MemoryPort())
    expect((await refusal(hub.detach('a'))).code).to.equal('ERR_ETHERLOOM_NAME')
    await hub.attach(a)
    const closed = hub.close()
    await hub.detach(a)
    expect(a.state).to.equal('detached')
    await closed
    await hub.detach(a)
  })

  it('leave a port alone that has moved to another fabric', async () => {
    const [hub, other] = [closes(new Hub()), closes(new Hub())]
    const port = await hub.attach(new MemoryPort({ name: 'a' }))
    await hub.detach(port)
    await other.attach(port)
    await hub.detach(port)
    expect([port.state, port.fabric === other]).to.deep.equal(['up', true])
  })

  it('detach a port that is being attached as soon as it is', async () => {
    const hub = closes(new Hub())
    const { port, opened } = slowPort('a')
    const attached = refusal(hub.attach(port))
    const detached = hub.detach(port)
    opened()
    await detached
    expect((await attached).code).to.equal('ERR_ETHERLOOM_STATE')
    expect([port.state, hub.ports.size]).to.deep.equal(['detached', 0])
    await hub.attach(port)
    expect(port.state).to.equal('up')
  })

  it('end by a signal, with nothing left', async () => {
    const hub = closes(new Hub())
    const reason = new Error('changed my mind')
    const early = new MemoryPort({ name: 'a' })
    expect(await rejection(hub.attach(early, { signal: AbortSignal.abort(reason) }))).to.equal(reason)
    expect([early.state, hub.ports.size]).to.deep.equal(['detached', 0])

    const control = new AbortController()
    const { port, opened } = slowPort('a')
    const attached = rejection(hub.attach(port, { signal: control.signal }))
    control.abort(reason)
    opened()
    expect(await attached).to.equal(reason)
    expect([port.state, hub.ports.size]).to.deep.equal(['detached', 0])
    await hub.attach(early, { signal: new AbortController().signal })
    expect(early.state).to.equal('up')
    const wrong = await refusal(hub.attach(port, { signal: 'now' as unknown as AbortSignal }))
    expect(wrong.message).to.equal("option 'signal' of attach must be an AbortSignal, not 'now'")
  })

  it('end a program and its port by a signal', async () => {
    const hub = closes(new Hub())
    const control = new AbortController()
    const { program, port } = await hub.spawn('sleep', ['60'], { signal: control.signal, stdio: 'ignore' })
    const gone = once(port, 'detach')
    const ended = once(program, 'exit')
    control.abort()
    expect(await ended).to.deep.equal([null, 'SIGTERM'])
    await gone
    expect(hub.ports.size).to.equal(0)
  })
})

describe('Readers of a memory port', () => {
  const closes = closing()

  it('may be several: each batch goes to one of them, and all end with the port', async () => {
    const hub = closes(new Hub())
    const [a, b] = await join(hub, 'a', 'b')
    let frames = 0
    let heard = (): void => undefined
    const all = new Promise<void>((resolve) => (heard = resolve))
    const read = async (): Promise<void> => {
      for await (const batch of b) if ((frames += batch.length) === 8) heard()
    }
    const readers = [read(), read(), read()]
    for (let tag = 0; tag < 8; tag++) {
      a.send(frame({ tag }))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await all
    await hub.detach(b)
    await Promise.all(readers)
    expect(frames).to.equal(8)
  })

  it('end by a signal, while others go on', async () => {
    const hub = closes(new Hub())
    const [a, b] = await join(hub, 'a', 'b')
    const control = new AbortController()
    const ending = b.batches({ signal: control.signal }).next()
    const staying = b.batches().next()
    control.abort(new Error('enough'))
    expect(((await ending.catch((error: unknown) => error)) as Error).message).to.equal('enough')
    a.send(frame({ tag: 1 }))
    expect((await staying).value?.length).to.equal(1)
  })
})
