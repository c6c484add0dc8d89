/** VDE, both sides: VdePort at a vde_switch of Debian's. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { Engine, Hub, SocketPort, VdePort } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, receive, until } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { Child, describeUnless, lacksProgram, served } from '../helpers/kernel.js'

describeUnless(lacksProgram('vde_switch'), 'VdePort at a vde_switch', function () {
  this.timeout(60_000)
  const closes = closing()
  const makeHub = (options = {}) => closes(new Hub({ engine: { memory: '16MiB' }, ...options }))
  const makeFolder = () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-vde-'))
    closes({
      close: () => {
        rmSync(folder, { recursive: true, force: true })
      },
    })
    return joinPath(folder, 'switch')
  }
  /** A switch that serves a folder. */
  const startSwitch = async (folder: string, ...words: string[]) => {
    const program = closes(new Child(['vde_switch', '-s', folder, ...words]))
    await served(joinPath(folder, 'ctl'))
    return program
  }
  const hidden = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('.'))

  it('carries frames of 60 to 1514 bytes unchanged between two fabrics, and leaves no name of its own', async () => {
    const folder = makeFolder()
    await startSwitch(folder)
    const [one, two] = [makeHub(), makeHub()]
    const [[a], [b]] = [await join(one, 'a'), await join(two, 'b')]
    await one.attach(new VdePort({ vde: folder }))
    const port = await two.attach(new VdePort({ vde: folder, port: 7 }))
    expect([port.name, port.state, port.address]).to.deep.equal(['vde0', 'up', folder])
    expect(readdirSync(folder).filter((name) => name.startsWith('007.'))).to.have.length(1)
    expect(hidden(folder)).to.deep.equal([])
    const frames = Array.from({ length: 100 }, (_, tag) => frame({ tag, length: 60 + ((tag * 37) % 1455) }))
    for (const bytes of frames) a.send(bytes)
    expect((await receive(b, 100)).map(({ bytes }) => bytes)).to.deep.equal(frames)
    b.send(frames)
    expect((await receive(a, 100)).map(({ bytes }) => bytes)).to.deep.equal(frames)
  })

  it('waits for a switch, and for the next when that has gone', async () => {
    const folder = makeFolder()
    const [one, two] = [makeHub(), makeHub()]
    const [[a], [b]] = [await join(one, 'a'), await join(two, 'b')]
    const [left, right] = [new VdePort({ vde: folder, name: 'left' }), new VdePort({ vde: folder })]
    const [first] = await Promise.all([once(left, 'down'), one.attach(left), two.attach(right)])
    expect(String(first[0])).to.include(`port 'left' finds nobody at ${folder}/ctl yet`.replace('/ctl', ''))
    a.send(frame())
    await until(() => left.stats().dropped['port-down'] === 1n)
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const up = Promise.all([once(left, 'up'), once(right, 'up')])
      const program = await startSwitch(folder)
      await up
      a.send(numbered(3))
      expect((await receive(b, 3)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2])
      const down = Promise.all([once(left, 'down'), once(right, 'down')])
      program.signal(signal)
      const [[error]] = (await down) as [Error[], Error[]]
      expect(error!.message).to.equal(`the peer of port 'left' at ${folder} has gone`)
      await program.close()
    }
  })

  it('says when the switch gives it no port', async () => {
    const folder = makeFolder()
    await startSwitch(folder, '-n', '4')
    const hub = makeHub()
    const error = await refusal(hub.attach(new VdePort({ vde: folder, port: 99 })))
    expect([error.code, error.message]).to.deep.equal([
      'ERR_ETHERLOOM_DEVICE',
      `the switch at ${folder} gives no port 99: it does not answer; see whether it has so many ports, and lets you have this one`,
    ])
    expect(hub.ports.size).to.equal(0)
    expect(hidden(folder)).to.deep.equal([])
  })

  it('fills what it sends up to 60 bytes where that is asked for', async () => {
    const folder = makeFolder()
    await startSwitch(folder)
    const [one, two] = [makeHub(), makeHub()]
    const [[a], [b]] = [await join(one, 'a'), await join(two, 'b')]
    await one.attach(new VdePort({ vde: folder, pad: true }))
    await two.attach(new VdePort({ vde: folder }))
    a.send(frame({ length: 30 }))
    const [got] = await receive(b, 1)
    expect(got!.bytes).to.deep.equal(Uint8Array.from([...frame({ length: 30 }), ...new Uint8Array(30)]))
  })

  it('stands on the real clock only', async () => {
    const hub = new Hub({ engine: closes(new Engine({ clock: 'virtual' })) })
    const error = await refusal(hub.attach(new VdePort({ vde: '/nowhere' })))
    expect(error.message).to.include('which keeps no virtual clock')
  })
})

describe('VdePort at a switch among strangers', function () {
  this.timeout(60_000)
  const closes = closing()

  it('takes no frames that others sent to its socket before it knew its switch', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-vde-'))
    closes({
      close: () => {
        rmSync(folder, { recursive: true, force: true })
      },
    })
    const program = `
import os, socket, struct, sys
folder, strange, right = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
control = socket.socket(socket.AF_UNIX)
control.bind(folder + '/ctl')
control.listen()
request = b''
while not request:
    connection, _ = control.accept()
    request = connection.recv(256)
client = request[14:].split(b'\\0')[0]
stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(5): stranger.sendto(strange, client)
data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
data.bind(folder + '/001.1')
data.connect(client)
connection.send(struct.pack('=H108s', 1, (folder + '/001.1').encode()))
data.recv(2048)
data.send(right)
sys.stdin.read()
`
    const hex = (tag: number) => Buffer.from(frame({ tag, length: 60 })).toString('hex')
    closes(new Child(['/usr/bin/python3', '-c', program, folder, hex(1), hex(2)]))
    await served(joinPath(folder, 'ctl'))
    const hub = closes(new Hub({ engine: { memory: '16MiB' } }))
    const [end] = await join(hub, 'end')
    const port = await hub.attach(new VdePort({ vde: folder }))
    end.send(frame())
    expect((await receive(end, 1)).map(({ tag }) => tag)).to.deep.equal([2])
    expect(port.stats().received.frames).to.equal(1n)
  })
})

describe("The framing 'vde' of streams", function () {
  this.timeout(60_000)
  const closes = closing()

  it('has two bytes of length before each frame, in pieces of any size; none of 0 bytes is a frame', async () => {
    const hub = closes(new Hub({ engine: { memory: '16MiB' } }))
    const [reader] = await join(hub, 'reader')
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-vde-'))
    closes({
      close: () => {
        rmSync(folder, { recursive: true })
      },
    })
    const port = await hub.attach(
      new SocketPort({ socket: joinPath(folder, 'a.sock'), role: 'listen', framing: 'vde' }),
    )
    const peer = createConnection(joinPath(folder, 'a.sock')).on('error', () => undefined)
    closes({ close: () => void peer.destroy() })
    await once(port, 'up')
    const heard: Buffer[] = []
    peer.on('data', (bytes) => heard.push(bytes))
    const frames = [60, 255, 256, 1514].map((length, tag) => frame({ tag, length }))
    const stream = Buffer.concat(
      frames.flatMap((bytes) => [Uint8Array.of(bytes.length >> 8, bytes.length), bytes]),
    )
    for (const byte of stream) peer.write(Uint8Array.of(byte))
    expect((await receive(reader, 4)).map(({ bytes }) => bytes)).to.deep.equal(frames)
    reader.send(frames)
    await until(() => Buffer.concat(heard).length === stream.length)
    expect(Buffer.concat(heard)).to.deep.equal(stream)
    peer.write(Buffer.concat([Buffer.alloc(4), stream]))
    await receive(reader, 4)
    expect(dropped(port.stats().dropped)).to.deep.equal({ runt: 2 })
    const down = once(port, 'down') as Promise<[Error]>
    peer.write(Uint8Array.of(0x24, 0x13)) // 9235
    expect((await down)[0].message).to.contain('sends no frames: a length that no frame has')
  })
})
