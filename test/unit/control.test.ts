/** The control socket: who gets a name, what crosses it, and who may speak. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { ControlClient } from '../../lib/control/client.js'
import { controlDirectory, controlSocket } from '../../lib/control/directory.js'
import { Instance } from '../../lib/control/instance.js'
import type { Topology } from '../../lib/topology/schema.js'
import { refusal } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'

const topology = {
  seed: 2 ** 40,
  fabrics: {
    a: { kind: 'hub', forwarding: 'deny', ports: { one: { patch: 'b.one' }, two: { patch: 'b.two' } } },
    b: { kind: 'switch', ports: { one: { patch: 'a.one' }, two: { patch: 'a.two' } } },
  },
} as Topology

describe('the control socket', () => {
  const keep = closing()
  let directory: string

  before(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'etherloom-control-')), 'run')
    process.env.ETHERLOOM_CONTROL_DIRECTORY = directory
  })
  after(() => {
    delete process.env.ETHERLOOM_CONTROL_DIRECTORY
    rmSync(join(directory, '..'), { recursive: true })
  })

  const start = async (name: string): Promise<Instance> =>
    keep(await Instance.start(name, '/lab.yaml', topology))
  const client = async (name: string): Promise<ControlClient> => keep(await ControlClient.find(name))

  it('does not exist for another user, who knows its path and tries all that connects', async function () {
    if (process.getuid?.() !== 0) return void this.skip() // who is not root cannot become another user
    await start('guarded')
    const path = controlSocket('guarded')
    chmodSync(path, 0o666) // so that nothing but the directory keeps anybody out
    const code = `const { connect } = require('node:net'), { readdirSync } = require('node:fs')
      const say = (error) => console.log(error.code)
      try { readdirSync(${JSON.stringify(directory)}) } catch (error) { say(error) }
      connect(${JSON.stringify(path)}).on('error', say).on('connect', () => { console.log('connected'); process.exit() })`
    const words = [
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      '--',
      process.execPath,
      '-e',
      code,
    ]
    chmodSync(join(directory, '..'), 0o755)
    try {
      const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] })
      expect(await text(child.stdout)).to.equal('EACCES\nEACCES\n')
    } finally {
      chmodSync(join(directory, '..'), 0o700)
    }
  })

  it('is for its user alone', async () => {
    await start('alone')
    expect(statSync(directory).mode & 0o777).to.equal(0o700)
    expect(statSync(controlSocket('alone')).mode & 0o777).to.equal(0o600)
  })

  it('goes with its instance', async () => {
    const instance = await start('gone')
    await instance.close()
    expect(existsSync(controlSocket('gone'))).to.equal(false)
    expect(await ControlClient.connect('gone')).to.equal(undefined)
  })

  it('answers every question', async () => {
    const instance = await start('answers')
    const control = await client('answers')
    expect(await control.call('info', {})).to.deep.equal({
      name: 'answers',
      file: '/lab.yaml',
      pid: process.pid,
      seed: String(2 ** 40),
      workers: 1,
      io: instance.network.engine.io,
      sealed: false,
    })
    expect((await control.call('ports', {})).map(({ port }) => port)).to.deep.equal([
      'one',
      'two',
      'one',
      'two',
    ])
    expect(await control.call('hosts', {})).to.deep.equal([])
    expect(await control.call('addresses', {})).to.deep.equal([])
    expect(await control.call('drops', {})).to.deep.equal([])
    expect(await control.call('export', {})).to.deep.equal(topology)
  })

  /** What comes of what is written to a socket, until there are so many lines or it ends. */
  const answersTo = async (name: string, written: Iterable<string>, lines: number): Promise<string[]> => {
    const socket = connect(controlSocket(name)).setEncoding('utf8')
    let text = ''
    try {
      for (const piece of written) if (!socket.write(piece)) await once(socket, 'drain')
      for await (const piece of socket as AsyncIterable<string>)
        if ((text += piece).split('\n').length > lines) break
    } finally {
      socket.destroy()
    }
    return text.trim().split('\n')
  }

  it('refuses what is no order, and hears the next', async () => {
    await start('nonsense')
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const nonsense = [
      '[null]',
      'null',
      '3',
      '[]',
      '{"jsonrpc":"2.0","id":1,"method":{}}',
      `{"jsonrpc":"2.0","id":${deep},"method":"x"}`,
    ]
    const invalid = '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}'
    for (const line of nonsense)
      expect(await answersTo('nonsense', [`${line}\n`], 1), line.slice(0, 40)).to.deep.equal([invalid])
    const many = '{"jsonrpc":"2.0","id":1,"method":"x"},'.repeat(1001).slice(0, -1)
    const [batch] = await answersTo('nonsense', [`[${many}]\n`], 1)
    expect(batch).to.contain('a batch may have 1,000 orders, and this one has more; send them one by one')
    const values = `{"jsonrpc":"2.0","id":1,"method":"x","params":[${'[],'.repeat(1_000_000)}1]}`
    const [large] = await answersTo('nonsense', [`${values}\n`], 1)
    expect(large).to.contain('an order may have 2,000,000 values, and this one has more; make it of several')
    const hello = '{"jsonrpc":"2.0","id":7,"method":"hello","params":{"protocol":1}}\n'
    expect((await answersTo('nonsense', [`null\n${hello}`], 2))[1]).to.match(/"id":7,"result"/)
  })

  it('passes over blank lines, and has others heard while one sends a flood of nonsense', async () => {
    await start('flood')
    const hello = '{"jsonrpc":"2.0","id":7,"method":"hello","params":{"protocol":1}}\n'
    expect((await answersTo('flood', [`\n \n${hello}`], 1))[0]).to.match(/"id":7,"result"/)

    const other = await client('flood')
    const socket = connect(controlSocket('flood')).setEncoding('utf8')
    let answers = 0
    socket.on('data', (piece: string) => (answers += piece.split('\n').length - 1))
    const count = 100_000
    socket.write('x\n'.repeat(count))
    await once(socket, 'data')
    await other.call('info', {})
    expect(answers).to.be.below(count / 2)
    while (answers < count) await once(socket, 'data')
    socket.destroy()
  })

  it('refuses a line of more than 16 MiB without keeping it, and ends that connection alone', async () => {
    await start('long')
    const other = await client('long')
    const sixteenth = 'x'.repeat(1024 * 1024)
    const found = await answersTo('long', [...Array<string>(17).fill(sixteenth)], 100)
    expect(found).to.have.length(1) // and then the end
    expect(found[0]).to.contain('a line may have 16MiB, and this one has more; the connection ends here')
    expect(await other.call('hosts', {})).to.deep.equal([])
    const fabrics = { [sixteenth.repeat(17)]: {} } as never
    const error = await refusal(other.call('apply', { topology: { fabrics } }))
    expect(error.code).to.equal('ERR_ETHERLOOM_CONTROL')
    expect(error.message).to.match(/^an order may have 16MiB, and this one has \d+B; make it of several/)
    expect(await other.call('hosts', {})).to.deep.equal([])
  })

  it('takes orders, and they hold', async () => {
    const instance = await start('orders')
    const control = await client('orders')
    const policy = { allowed: true, delay: '5ms' } as const
    const applied = await control.call('path', { from: 'one', to: 'two', both: true, fabric: 'a', policy })
    expect(applied).to.deep.equal({ up: 2, down: 0, changed: 0 })
    expect(instance.network.fabrics.get('a')!.path('two', 'one').policy).to.include({ delay: '5ms' })
    expect(await control.call('paths', {})).to.have.length(2)
    const back = await control.call('apply', { topology })
    expect(back).to.deep.equal({ up: 0, down: 2, changed: 0, steps: ['set 2 paths of a'] })
  })

  it('carries errors with their codes', async () => {
    await start('errors')
    const control = await client('errors')
    const policy = { allowed: true, delay: 'soon' } as never
    const bad = await refusal(
      control.call('path', { from: 'one', to: 'two', both: false, fabric: 'a', policy }),
    )
    expect(bad).to.include({ code: 'ERR_ETHERLOOM_OPTION' })
    expect(bad.message).to.match(/'delay' of path policy must be a duration/)
    const unknown = await refusal(control.call('prots' as never, {} as never))
    expect(unknown.message).to.match(/did you mean 'ports'\?/)
    const missing = await refusal(control.call('fly' as never, {} as never))
    expect(missing).to.include({ code: 'ERR_ETHERLOOM_CONTROL' })
  })

  it('ends the instance on request, when everything is closed', async () => {
    const instance = await start('down')
    const control = await client('down')
    await control.call('down', {})
    expect(instance.network.engine.closed).to.equal(true)
    await control.ended
    await instance.ended
    expect(existsSync(controlSocket('down'))).to.equal(false)
  })

  it('keeps a name for whoever has it', async () => {
    await start('taken')
    const error = await refusal(start('taken'))
    expect(error).to.include({ code: 'ERR_ETHERLOOM_CONTROL' })
    expect(error.message).to.match(/^an instance named 'taken' is already running/)
    expect(await (await client('taken')).call('info', {})).to.include({ name: 'taken' })
  })

  it('replaces the socket of an instance that was killed', async () => {
    const dieListening = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', dieListening, controlSocket('stale')])
    expect(existsSync(controlSocket('stale'))).to.equal(true)
    await start('stale')
    expect(await (await client('stale')).call('info', {})).to.include({ name: 'stale' })
  })

  it('gives the name back when the topology cannot come up', async () => {
    const broken = { fabrics: { a: { kind: 'hub', ports: { x: { packet: 'no-such-device' } } } } } as Topology
    await refusal(Instance.start('broken', '/lab.yaml', broken))
    expect(existsSync(controlSocket('broken'))).to.equal(false)
  })

  it('survives peers that speak nonsense or leave early', async () => {
    await start('nonsense')
    const rude = connect(controlSocket('nonsense'))
    await once(rude, 'connect')
    rude.write('hello\n{"jsonrpc":"2.0","id":1,"method":"info"}\n')
    let answers = ''
    rude.setEncoding('utf8')
    while (answers.split('\n').length < 3) answers += String((await once(rude, 'data'))[0])
    const parsed = answers
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { error?: { code: number }; result?: object })
    expect(parsed.map(({ error }) => error?.code)).to.include(-32700)
    expect(parsed.some(({ result }) => result !== undefined)).to.equal(true)
    rude.write('{"jsonrpc":"2.0","id":2,"method":"export"')
    rude.destroy()
    await once(rude, 'close')
    expect(await (await client('nonsense')).call('info', {})).to.include({ name: 'nonsense' })
  })

  describe('is found', () => {
    it('without a name when it is the only one', async () => {
      const none = await refusal(ControlClient.find(undefined))
      expect(none.message).to.contain(`no instance is running (looked in ${directory})`)
      await start('only')
      const found = keep(await ControlClient.find(undefined))
      expect(await found.call('info', {})).to.include({ name: 'only' })
      await start('other')
      const error = await refusal(ControlClient.find(undefined))
      expect(error.message).to.match(
        /^several instances are running; choose one with --name: (only, other|other, only)$/,
      )
    })

    it('by a name that exists, and suggests the nearest', async () => {
      await start('office')
      expect((await refusal(ControlClient.find('ofice'))).message).to.equal(
        "no instance named 'ofice' is running; did you mean 'office'?",
      )
      const killed = createServer().listen(join(directory, 'oficce.sock'))
      await once(killed, 'listening')
      await start('red')
      killed.close()
      for (const [name, hint] of [
        ['rde', "did you mean 'red'?"], // two letters in each other's place
        ['oficce', "did you mean 'office'?"], // not itself, which has ended
        ['lab', 'running: office, red'],
      ] as const)
        expect((await refusal(ControlClient.find(name))).message).to.equal(
          `no instance named '${name}' is running; ${hint}`,
        )
    })
  })

  describe('has a directory', () => {
    afterEach(() => (process.env.ETHERLOOM_CONTROL_DIRECTORY = directory))

    it('that is chosen by the environment', () => {
      const runtime = process.env.XDG_RUNTIME_DIR
      try {
        delete process.env.ETHERLOOM_CONTROL_DIRECTORY
        process.env.XDG_RUNTIME_DIR = '/run/user/1000'
        expect(controlDirectory()).to.equal('/run/user/1000/etherloom')
        delete process.env.XDG_RUNTIME_DIR
        const user = process.getuid!()
        expect(controlDirectory()).to.equal(user === 0 ? '/run/etherloom' : `/tmp/etherloom-${user}`)
      } finally {
        if (runtime !== undefined) process.env.XDG_RUNTIME_DIR = runtime
      }
    })

    it('that nobody else may enter', async () => {
      const open = join(directory, '..', 'open')
      mkdirSync(open)
      chmodSync(open, 0o755)
      process.env.ETHERLOOM_CONTROL_DIRECTORY = open
      expect((await refusal(start('x'))).message).to.contain('is not a directory of this user with mode 0700')
    })

    it('whose sockets nobody else has made: they are not even connected to', async () => {
      const open = join(directory, '..', 'another')
      mkdirSync(open)
      const server = createServer().listen(join(open, 'x.sock'))
      await once(server, 'listening')
      let heard = 0
      server.on('connection', () => heard++)
      process.env.ETHERLOOM_CONTROL_DIRECTORY = open
      try {
        chmodSync(open, 0o777)
        for (const ask of [() => ControlClient.connect('x'), () => ControlClient.find(undefined)])
          expect((await refusal(ask())).message).to.contain('is not trusted')
        chmodSync(open, 0o700)
        if (process.getuid?.() === 0) {
          chownSync(open, 65_534, 65_534)
          expect((await refusal(ControlClient.connect('x'))).message).to.contain('is not trusted')
          chownSync(open, 0, 0)
        }
        expect(heard).to.equal(0)
        await (await ControlClient.connect('x'))?.close() // it is reached where the directory is ours
        expect(heard).to.equal(1)
      } finally {
        server.close()
      }
    })

    it('that nobody else can put another one in the place of, by the folders above it or a link', async () => {
      const above = join(directory, '..', 'above')
      mkdirSync(join(above, 'run'), { recursive: true, mode: 0o700 })
      const link = join(directory, '..', 'link')
      symlinkSync(above, link)
      const server = createServer().listen(join(above, 'run', 'x.sock'))
      await once(server, 'listening')
      let heard = 0
      server.on('connection', () => heard++)
      try {
        const changes = [
          () => chmodSync(above, 0o777),
          () => chmodSync(above, 0o770),
          ...(process.getuid?.() === 0 ? [() => chownSync(above, 65_534, 65_534)] : []),
        ]
        for (const change of changes) {
          change()
          for (const way of [above, link]) {
            process.env.ETHERLOOM_CONTROL_DIRECTORY = join(way, 'run')
            for (const ask of [async () => (await ControlClient.connect('x'))?.close(), () => start('y')])
              expect((await refusal(ask())).message).to.contain('another user can change what is in')
          }
          if (process.getuid?.() === 0) chownSync(above, 0, 0)
          chmodSync(above, 0o755)
        }
        chmodSync(above, 0o1777) // as /tmp: nobody renames what another has there
        if (process.getuid?.() === 0) {
          lchownSync(link, 65_534, 65_534)
          expect((await refusal(ControlClient.connect('x'))).message).to.contain('another user can change')
          lchownSync(link, 0, 0)
        }
        expect(heard).to.equal(0)
        await (await ControlClient.connect('x'))?.close()
        expect(heard).to.equal(1)
      } finally {
        server.close()
      }
    })

    it('that is said to be unreadable, not empty, where it cannot be looked at', async () => {
      const file = join(directory, '..', 'file')
      writeFileSync(file, '')
      process.env.ETHERLOOM_CONTROL_DIRECTORY = join(file, 'run')
      expect((await refusal(ControlClient.find(undefined))).message).to.contain('(ENOTDIR)')
    })

    it('that a name does not lead out of', async () => {
      for (const name of ['../evil', 'a/b', '.', '..', '', 'a\u001b[2J'])
        expect((await refusal(ControlClient.connect(name))).message).to.contain(
          'the name of an instance must be',
        )
      expect((await refusal(start('../evil'))).message).to.contain('the name of an instance must be')
    })

    it('whose name is not too long for a socket', async () => {
      process.env.ETHERLOOM_CONTROL_DIRECTORY = join(directory, 'd'.repeat(100))
      expect((await refusal(ControlClient.connect('x'))).message).to.contain('longer than 107 bytes')
    })
  })
})
