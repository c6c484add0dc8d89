/** A pair of ports that has no part in what peers of `listen` do to the worker of both: it loses nothing. test/native/innocent_test.cpp has the other attacks. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { WebSocket } from 'ws'
import { Engine, Hub } from '../../lib/index.js'
import { closing, join, receive, until } from '../helpers/fabric.js'
import { numbered } from '../helpers/frames.js'
import { freePort } from '../helpers/sockets.js'

/** A stream's record without a frame in it. */
const empty = new Uint8Array(4)

describe('innocent ports', function () {
  this.timeout(120_000)
  const closes = closing()
  let path: string

  beforeEach(() => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-innocent-'))
    path = joinPath(directory, 'lab.sock')
    closes({
      close: () => {
        rmSync(directory, { recursive: true, force: true })
      },
    })
  })

  /** A hub that listens and another one with the pair, on one worker; `exchange` sends frames both ways and says what came. */
  const beside = async (peers: number) => {
    const engine = closes(new Engine({ memory: '16MiB' }))
    const theirs = new Hub({ engine })
    const server = await theirs.listen({ socket: path, peers })
    const [a, b] = await join(new Hub({ engine }), 'a', 'b')
    const expected = Array.from({ length: 100 }, (_, tag) => tag)
    const exchange = async () => {
      a.send(numbered(100))
      b.send(numbered(100))
      for (const port of [a, b])
        expect((await receive(port, 100)).map(({ tag }) => tag)).to.deep.equal(expected)
    }
    return { server, exchange }
  }
  /** Exchanges frames until `attack` has ended. How often. */
  const during = async (attack: Promise<void>, exchange: () => Promise<void>) => {
    const state = { running: true }
    const ended = attack.finally(() => (state.running = false))
    let rounds = 0
    for (; state.running; rounds++) await exchange()
    await ended
    return rounds
  }
  /** Connects, as soon as there is a place among those that wait to be let in. */
  const dial = async (): Promise<net.Socket> => {
    for (;;) {
      const socket = net.connect(path)
      try {
        await once(socket, 'connect')
        return socket.on('error', () => undefined)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      }
    }
  }

  it('lose nothing to a storm of 504 connections', async () => {
    const { server, exchange } = await beside(64)
    let connected = 0
    server.on('connect', () => connected++)
    const storm = async () => {
      for (let round = 0; round < 63; round++) {
        const sockets = await Promise.all(Array.from({ length: 8 }, dial))
        for (const socket of sockets) socket.write(empty, () => socket.destroy())
      }
    }
    expect(await during(storm(), exchange)).to.be.above(0)
    await until(() => connected === 504)
    await until(() => server.ports.length === 0)
    await exchange()
  })

  it('lose nothing to 4,096 peers that never send', async () => {
    const { server, exchange } = await beside(4096)
    const sockets: net.Socket[] = []
    closes({
      close: () => {
        for (const socket of sockets) socket.destroy()
      },
    })
    const silence = async () => {
      while (sockets.length < 4096) sockets.push(...(await Promise.all(Array.from({ length: 32 }, dial))))
      await until(() => server.ports.length === 4096)
    }
    expect(await during(silence(), exchange)).to.be.above(0)
    for (let round = 0; round < 100; round++) await exchange()
  })

  it('lose nothing to browsers: a flood, peers that do not read, and 200 connections that come and go', async () => {
    const engine = closes(new Engine({ memory: '16MiB' }))
    const theirs = new Hub({ engine })
    const socket = `127.0.0.1:${await freePort()}`
    const server = await theirs.listen({ protocol: 'websocket', socket })
    const [a, b] = await join(new Hub({ engine }), 'a', 'b')
    const connect = async (): Promise<WebSocket> => {
      const peer = new WebSocket(server.address).on('error', () => undefined)
      closes({
        close: () => {
          peer.terminate()
        },
      })
      await once(peer, 'open')
      return peer
    }
    const attack = async () => {
      const [mad, ...deaf] = await Promise.all(Array.from({ length: 8 }, connect))
      for (const each of deaf) each.pause()
      await until(() => server.ports.length === 8)
      const frames = numbered(64, { length: 1514 })
      for (let round = 0; round < 200; round++) {
        const passing = connect()
        for (const bytes of frames) mad!.send(bytes)
        ;(await passing).terminate()
      }
      await until(() => server.ports[0]!.stats().received.frames === 200n * 64n)
      await until(() => server.ports.length === 8)
    }
    const expected = Array.from({ length: 100 }, (_, tag) => tag)
    const exchange = async () => {
      a.send(numbered(100))
      b.send(numbered(100))
      for (const port of [a, b])
        expect((await receive(port, 100)).map(({ tag }) => tag)).to.deep.equal(expected)
    }
    expect(await during(attack(), exchange)).to.be.above(0)
    expect(server.ports.slice(1).every((port) => port.stats().dropped['port-full'] > 0n)).to.equal(true)
  })
})
