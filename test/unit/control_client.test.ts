/** The client of the control protocol, as programs use it, and the seam by which a method is added. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectSocket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { connect, EtherloomError, MemoryPort, type Topology } from '../../lib/index.js'
import { controlSocket } from '../../lib/control/directory.js'
import { controlEvents } from '../../lib/control/events.js'
import { Instance } from '../../lib/control/instance.js'
import { fields, method, type AnyMethod } from '../../lib/control/method.js'
import { controlMethods } from '../../lib/control/methods/index.js'
import { asJson } from '../../lib/control/protocol.js'
import { check } from '../../lib/values/check.js'
import { about, required, text, type Rule } from '../../lib/values/options.js'
import { refusal, rejection } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'

const topology: Topology = {
  fabrics: {
    core: { kind: 'hub', ports: { red: { patch: 'edge.red' }, blue: { patch: 'edge.blue' } } },
    edge: { kind: 'switch', ports: { red: { patch: 'core.red' }, blue: { patch: 'core.blue' } } },
  },
}

/** A toy: nothing in lib/ knows of it. */
const shout = method<{ word: string }, { shouted: string; by: string }>({
  description: 'Says a word aloud.',
  parameters: { word: about('what to say', required(text())) },
  result: fields<{ shouted: string; by: string }>({
    shouted: about('the word', required(text())),
    by: about('the instance', required(text())),
  }),
  example: { params: { word: 'ho' }, result: { shouted: 'HO', by: 'lab' } },
  call: async ({ word }, instance) => ({ shouted: word.toUpperCase(), by: (await instance).info().name }),
})

describe('the control client', () => {
  const keep = closing()
  let directory: string

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'etherloom-client-'))
    process.env.ETHERLOOM_CONTROL_DIRECTORY = join(directory, 'run')
  })
  after(() => {
    delete process.env.ETHERLOOM_CONTROL_DIRECTORY
    rmSync(directory, { recursive: true })
  })

  const start = async (methods: Record<string, AnyMethod> = controlMethods): Promise<Instance> =>
    keep(await Instance.start('lab', '/lab.yaml', topology, methods))

  it('hears of the events that it asked for, with their errors', async () => {
    const { network } = await start()
    const client = keep(await connect())
    await client.subscribe('port:carrier', 'port:down')
    await client.subscribe('port:carrier')
    const seen: unknown[] = []
    client.on('port:carrier', (event) => seen.push(event))
    client.on('timeline:error', (event) => seen.push(event))
    const told = once(client, 'port:down')
    await client.call('carrier', { port: 'core.red', on: false })
    const error = new EtherloomError('ERR_ETHERLOOM_DEVICE', 'the device went', { hint: 'plug it in' })
    network.emit('timeline:error', { fabric: 'core', error })
    network.emit('port:down', { fabric: 'core', port: 'red', error })
    const [down] = (await told) as [{ error: EtherloomError }]
    expect(down).to.deep.include({ fabric: 'core', port: 'red' })
    expect(down.error).to.be.instanceOf(EtherloomError)
    expect(down.error).to.include({ code: error.code, message: error.message, hint: error.hint })
    expect(seen).to.deep.equal([{ fabric: 'core', port: 'red', on: false }])
    await client.close()
    expect(network.listenerCount('port:down')).to.equal(0)
  })

  it('hears of ports that are attached and detached, by whoever it was', async () => {
    const { network } = await start()
    const client = keep(await connect())
    await client.subscribe('port:attach', 'port:detach')
    const seen: unknown[] = []
    client.on('port:attach', (event) => seen.push(['attach', event]))
    client.on('port:detach', (event) => seen.push(['detach', event]))
    const core = network.fabrics.get('core')!
    await core.attach(new MemoryPort({ name: 'mine' }))
    await core.detach('mine')
    const { fabrics } = structuredClone(topology)
    fabrics.core!.ports.green = { patch: 'edge.green' }
    fabrics.edge!.ports.green = { patch: 'core.green' }
    await client.call('apply', { topology: { fabrics } })
    await client.call('info', {}) // what came before it has been read
    expect(seen).to.deep.equal([
      ['attach', { fabric: 'core', port: 'mine' }],
      ['detach', { fabric: 'core', port: 'mine' }],
      ['attach', { fabric: 'core', port: 'green' }],
      ['attach', { fabric: 'edge', port: 'green' }],
    ])
  })

  it('says what an instance that ends leaves unanswered', async () => {
    const instance = await start()
    const client = keep(await connect({ name: 'lab' }))
    const ended = once(client, 'ended')
    const unanswered = refusal(client.call('step', { count: 1_000_000, world: 'none' }))
    await instance.close()
    await ended
    expect((await unanswered).message).to.match(/no world 'none'|instance 'lab' ended before it answered/)
    const late = { code: 'ERR_ETHERLOOM_CONTROL', message: "instance 'lab' has ended" }
    expect(await refusal(client.call('info', {}))).to.include(late)
    expect(await refusal(client.subscribe('port:up'))).to.include(late)
  })

  it('gives up waiting when it is told to, and goes on', async () => {
    await start()
    const client = keep(await connect())
    const reason = new Error('enough')
    const waiting = client.call('info', {}, { signal: AbortSignal.abort(reason) })
    expect(await rejection(waiting)).to.equal(reason)
    const control = new AbortController()
    const asked = client.call('info', {}, { signal: control.signal })
    control.abort(reason)
    expect(await rejection(asked)).to.equal(reason)
    expect(await client.call('info', {})).to.include({ name: 'lab' })
    expect(await rejection(connect({ signal: AbortSignal.abort(reason) }))).to.equal(reason)
  })

  it('refuses parameters that a method does not have, and events', async () => {
    await start()
    const client = keep(await connect())
    const wrong = await refusal(client.call('carrier', { port: 'red', onn: true } as never))
    expect(wrong).to.include({
      code: 'ERR_ETHERLOOM_UNKNOWN_OPTION',
      message: "unknown option 'onn' of method 'carrier'; did you mean 'on'?",
    })
    expect((await refusal(client.call('carrier', { port: 'red' } as never))).message).to.equal(
      "option 'on' of method 'carrier' is required",
    )
    expect((await refusal(client.subscribe('port:upp' as never))).message).to.contain(
      "did you mean 'port:up'?",
    )
  })

  it('says what to do where the instance speaks another version', async () => {
    const older = {
      ...controlMethods.hello,
      call: () => Promise.resolve({ protocol: 2, etherloom: '9.9.9' }),
    }
    const { hello: _, ...none } = controlMethods
    const instance = await start({ ...none, hello: older })
    const newer = await refusal(connect())
    expect(newer).to.include({ code: 'ERR_ETHERLOOM_CONTROL' })
    expect(newer.message).to.equal(
      'the instance speaks version 2 of the control protocol (etherloom 9.9.9), this program version 1; use the etherloom that started the instance, or end it and start it with this one',
    )
    await instance.close()
    await start()
    const socket = connectSocket(controlSocket('lab')).setEncoding('utf8')
    socket.write('{"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":7}}\n')
    const [line] = (await once(socket, 'data')) as [string]
    socket.destroy()
    expect((JSON.parse(line) as { error: { message: string } }).error.message).to.match(
      /^the instance speaks version 1 .*, this program version 7; use the etherloom/,
    )
  })

  it('says what to do with an instance from before there were versions', async () => {
    await start().then((instance) => instance.close()) // for the directory
    const old = createServer((socket) => {
      socket.setEncoding('utf8').on('data', (line: string) => {
        const { id } = JSON.parse(line) as { id: number }
        socket.write(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"Method not found"}}\n`)
      })
    }).listen(controlSocket('old'))
    await once(old, 'listening')
    try {
      const refused = await refusal(connect({ name: 'old' }))
      expect(refused).to.include({ code: 'ERR_ETHERLOOM_CONTROL' })
      expect(refused.message).to.equal(
        "instance 'old' runs an etherloom from before the control protocol had versions; end it where it runs, with Ctrl-C or by a signal to its process, and start it again",
      )
    } finally {
      old.close()
    }
  })

  it('calls a method that was added, with its types', async () => {
    const methods = { ...controlMethods, shout }
    await start(methods)
    const client = keep(await connect({ methods }))
    const { shouted, by } = await client.call('shout', { word: 'ho' })
    expect([shouted, by]).to.deep.equal(['HO', 'lab'])
    const old = keep(await connect())
    expect((await refusal(old.call('shuot' as never, {} as never))).message).to.match(
      /^no control method 'shuot'/,
    )
  })

  it('answers as each method is declared to', async () => {
    await start()
    const client = keep(await connect())
    const left = [
      'host',
      'down',
      'attach',
      'detach',
      'capture',
      'endCapture',
      'step',
      'apply',
      'hello',
      'subscribe',
    ]
    for (const [name, { example, result }] of Object.entries(controlMethods) as [
      keyof typeof controlMethods,
      AnyMethod,
    ][]) {
      expect(check(result, example.result).problems, `example of ${name}`).to.deep.equal([])
      if (left.includes(name)) continue
      const answer: unknown = await client.call(name, example.params)
      expect(check(result, answer).problems, name).to.deep.equal([])
    }
  })

  it('is told of every event of a network', () => {
    for (const [name, { description, keys }] of Object.entries(controlEvents)) {
      expect(description, name).to.match(/\.$/)
      for (const [key, rule] of Object.entries(keys as Record<string, Rule<unknown>>))
        expect(rule.shape?.description, `${name}.${key}`).to.be.a('string')
    }
  })

  it('carries counters whole', () => {
    expect(asJson({ few: 7n, many: 2n ** 53n, most: 2n ** 53n - 1n })).to.equal(
      '{"few":7,"many":"9007199254740992","most":9007199254740991}',
    )
  })
})
