/**
 * What every port kind does, whatever its device is. A kind's test calls `describePort` with how to make one.
 * Runs on the real clock, so that ports of the outside world can pass it too.
 */
import { expect } from 'chai'
import { Engine, Hub, MemoryPort, PatchPort, Switch, type Port } from '../../lib/index.js'
import { closing, expectBalance, join, receive, sum, tags, until } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { broadcast, frame, numbered, station } from '../helpers/frames.js'

export interface PortSubject {
  /** Not attached yet; its name is the one asked for. */
  port: Port
  /** It takes frames of any length. */
  unlimited?: boolean
  /** Has the other side send frames, which the port then receives, once it is attached. Not for kinds that receive none. */
  feed?: (frames: Uint8Array[]) => void | Promise<void>
  /** Ends what the test needed around the port. */
  close?: () => void | Promise<void>
}

/** Declares the contract's tests. `make` builds a port of this kind that will be attached to a fabric of `engine`. */
export function describePort(
  kind: string,
  make: (engine: Engine, name: string) => PortSubject | Promise<PortSubject>,
): void {
  describe(`${kind}: the contract of every port`, function () {
    this.timeout(120_000) // with sanitizers, beside other work
    const closes = closing()
    const makeEngine = () => closes(new Engine({ workers: 2, memory: '8MiB' }))
    const makeSubject = async (engine: Engine, name = 'subject') => {
      const subject = await make(engine, name)
      if (subject.close) closes({ close: subject.close })
      return subject
    }
    const makePort = async (engine: Engine) => (await makeSubject(engine)).port

    it('is in no fabric at first', async () => {
      const port = await makePort(makeEngine())
      expect([port.state, port.fabric, port.name]).to.deep.equal(['detached', undefined, 'subject'])
      expect((await refusal(() => port.stats())).code).to.equal('ERR_ETHERLOOM_STATE')
    })

    it('is up once attached, known to its fabric, with counters at zero', async () => {
      const engine = makeEngine()
      const hub = new Hub({ engine, forwarding: 'deny' })
      const port = await makePort(engine)
      expect(await hub.attach(port)).to.equal(port)
      expect([port.state, port.fabric]).to.deep.equal(['up', hub])
      expect(hub.ports.get('subject')).to.equal(port)
      expect(port.stats().transmitted).to.deep.equal({ frames: 0n, bytes: 0n })
    })

    it('transmits what paths bring, and counts frames and bytes', async () => {
      const engine = makeEngine()
      const hub = new Hub({ engine })
      const port = await hub.attach(await makePort(engine))
      const [peer] = await join(hub, 'peer')
      await hub.path(port, peer).deny()
      await hub.path(peer, port).allow()
      peer.send(numbered(100, { length: 200 }))
      await until(() => hub.path(peer, port).stats().delivered === 100n)
      expect(port.stats().transmitted).to.deep.equal({ frames: 100n, bytes: 20_000n })
      expect(hub.path(peer, port).stats().deliveredBytes).to.equal(20_000n)
    })

    it('drops what is longer than it takes, as oversize', async () => {
      const engine = makeEngine()
      const hub = new Hub({ engine })
      const { port, unlimited = false } = await makeSubject(engine)
      await hub.attach(port)
      const peer = await hub.attach(new MemoryPort({ name: 'peer', frameLimit: 69_632 }))
      await hub.path(peer, port).allow()
      peer.send(frame({ length: 69_632 }))
      const path = hub.path(peer, port)
      await until(() => path.stats().delivered + path.stats().dropped.oversize === 1n)
      expect([path.stats().delivered, port.stats().dropped.oversize]).to.deep.equal(
        unlimited ? [1n, 0n] : [0n, 1n],
      )
      expect(port.state).to.equal('up')
    })

    it('can be attached once at a time, and elsewhere after a detach, with counters from zero', async () => {
      const engine = makeEngine()
      const [here, there] = [new Hub({ engine, name: 'here' }), new Hub({ engine })]
      const port = await here.attach(await makePort(engine))
      const [peer] = await join(here, 'peer')
      for (const fabric of [here, there]) {
        const error = await refusal(fabric.attach(port))
        expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
        expect(error.message).to.equal("port 'subject' is attached to 'here' already; detach it there first")
      }
      expect([port.state, port.fabric]).to.deep.equal(['up', here])
      peer.send(frame())
      await until(() => port.stats().transmitted.frames === 1n)

      await here.detach(port)
      expect([port.state, port.fabric, here.ports.has('subject')]).to.deep.equal([
        'detached',
        undefined,
        false,
      ])
      await there.attach(port)
      expect([port.state, port.fabric]).to.deep.equal(['up', there])
      expect(port.stats().transmitted.frames).to.equal(0n)
      const [other] = await join(there, 'other')
      other.send(frame())
      await until(() => port.stats().transmitted.frames === 1n)
    })

    it('is refused where its name is in use, and stays free for another fabric', async () => {
      const engine = makeEngine()
      const [here, there] = [new Hub({ engine, name: 'here' }), new Hub({ engine })]
      await join(here, 'subject')
      const port = await makePort(engine)
      const error = await refusal(here.attach(port))
      expect(error.code).to.equal('ERR_ETHERLOOM_NAME')
      expect(error.message).to.equal("'here' has a port 'subject' already; choose another name")
      expect(port.state).to.equal('detached')
      await there.attach(port)
    })

    for (const io of ['io_uring', 'epoll'] as const) {
      it(`on ${io}: what comes in and crosses a patch port, with losses on the way, arrives once and in order`, async () => {
        const engine = closes(new Engine({ workers: 2, memory: '8MiB', io }))
        const [near, far] = [new Switch({ engine }), new Switch({ engine })]
        const subject = await makeSubject(engine)
        const port = await near.attach(subject.port)
        const [up, down] = PatchPort.pair({ names: ['up', 'down'] })
        await near.attach(up)
        await far.attach(down)
        const [local] = await join(near, 'local')
        const [one, two] = await join(far, 'one', 'two')

        const [ofLocal, ofOne, ofTwo, ofOthers] = [station(1), station(2), station(3), station(4)]
        for (const [here, from] of [
          [local, ofLocal],
          [one, ofOne],
          [two, ofTwo],
        ] as const) {
          here.send(frame({ from }))
          for (const other of [local, one, two]) if (other !== here) await receive(other, 1)
        }
        const { feed = (frames: Uint8Array[]) => void local.send(frames) } = subject
        const sender = subject.feed ? port : local
        await near.path(sender, up).allow({ loss: 0.5 })
        await far.path(down, two).allow({ loss: 0.5 })
        const before = [up.stats().transmitted.frames, down.stats().received.frames]

        const destinations = [ofOne, ofLocal, ofTwo, broadcast, ofTwo, ofOne, ofLocal]
        const to = (tag: number) => destinations[tag % destinations.length]!
        const frames = numbered(700).map((_, tag) => frame({ tag, to: to(tag), from: ofOthers }))
        for (let first = 0; first < frames.length; first += 50) {
          const received = sender.stats().received.frames
          await feed(frames.slice(first, first + 50))
          await until(() => sender.stats().received.frames === received + 50n)
        }
        const first = near.path(sender, up)
        const last = far.path(down, two)
        const crossed = () => [
          up.stats().transmitted.frames - before[0]!,
          down.stats().received.frames - before[1]!,
        ]
        const isOver = () => first.stats().inFlight === 0n && crossed()[0] === crossed()[1]
        await until(() => isOver() && last.stats().inFlight + down.stats().defaults.inFlight === 0n)

        expectBalance(first.stats(), 'before the patch port')
        expectBalance(last.stats(), 'behind the patch port')
        expect(first.stats()).to.deep.include({ offered: 500n, delivered: crossed()[0] })
        expect(Number(first.stats().delivered)).to.be.within(150, 350)
        await far.path(one, two).deny() // what was delivered is here when a change holds
        const arrived = { one: tags(one), two: tags(two), local: tags(local) }
        for (const [name, its] of Object.entries({ one: ofOne, two: ofTwo, local: ofLocal })) {
          const here = arrived[name as keyof typeof arrived]
          for (const tag of here) expect(to(tag), `${tag} at ${name}`).to.be.oneOf([its, broadcast])
          for (const destination of [its, broadcast]) {
            const flow = here.filter((tag) => to(tag) === destination)
            expect(flow, name).to.deep.equal([...new Set(flow)].sort((left, right) => left - right))
          }
        }
        if (sender === port) expect(arrived.local).to.have.length(300)
        expect(arrived.two).to.have.length(Number(last.stats().delivered))
        await engine.close() // refuses where a frame is missing
      })
    }

    it('leaves under traffic without harm to others, and the numbers add up', async () => {
      const engine = makeEngine()
      const hub = new Hub({ engine })
      const [left, right] = await join(hub, 'left', 'right')
      await hub.between(left, right).allow({ delay: '100us' })
      const port = await makePort(engine)
      let sent = 0
      for (let round = 0; round < 10; round++) {
        await hub.attach(port)
        await hub.between(left, port).allow({ delay: '1ms', jitter: '1ms' })
        sent += left.send(numbered(50))
        right.send(numbered(50))
        const leaving = hub.detach(port)
        sent += left.send(numbered(50))
        expectBalance(left.stats().defaults, 'left')
        await leaving
      }
      const toRight = hub.path(left, right)
      await until(() => toRight.stats().delivered === BigInt(sent))
      expect(sum(Object.values(toRight.stats().dropped))).to.equal(0n)
    })

    it('says that it is not attached when it is used after it has left', async () => {
      const engine = makeEngine()
      const hub = new Hub({ engine, name: 'here' })
      const port = await hub.attach(await makePort(engine))
      const [peer] = await join(hub, 'peer')
      const path = hub.path(peer, port)
      const leaving = hub.detach(port)
      const uses = [() => port.stats(), () => path.stats(), () => path.allow(), () => hub.path(port, peer)]
      for (const use of uses)
        expect((await refusal(use)).code, 'while it leaves').to.equal('ERR_ETHERLOOM_STATE')
      await leaving
      await hub.detach(port) // is no use
      for (const use of uses) expect((await refusal(use)).code, 'afterwards').to.equal('ERR_ETHERLOOM_STATE')
    })

    it('is detached when its fabric or its engine closes, however often', async () => {
      for (const what of ['fabric', 'engine'] as const) {
        const engine = makeEngine()
        const hub = new Hub({ engine, name: 'here' })
        const port = await hub.attach(await makePort(engine))
        const closable = what === 'fabric' ? hub : engine
        await Promise.all([closable.close(), closable.close()])
        await closable.close()
        expect([port.state, port.fabric, closable.closed]).to.deep.equal(['detached', undefined, true])
        expect((await refusal(hub.attach(port))).code).to.equal('ERR_ETHERLOOM_STATE')
        expect((await refusal(() => port.stats())).code).to.equal('ERR_ETHERLOOM_STATE')
      }
    })
  })
}
