/**
 * The control socket: whatever is sent, each line of the answers is JSON-RPC, the instance answers the next client, and what a
 * method answers is, read by its declaration, what was sent.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { controlSocket } from '../../../lib/control/directory.js'
import { readAnswer, type AnyMethod } from '../../../lib/control/method.js'
import { Instance } from '../../../lib/control/instance.js'
import { controlMethods } from '../../../lib/control/methods/index.js'
import { asJson } from '../../../lib/control/protocol.js'
import { insists, sentence, type Target } from '../target.js'

/** Without those that end the instance, or make interfaces and files. */
const { down: _down, apply: _apply, capture: _capture, ...methods } = controlMethods
const topology = {
  fabrics: {
    core: { kind: 'hub', ports: { red: { patch: 'edge.red' }, blue: { patch: 'edge.blue' } } },
    edge: { kind: 'switch', ports: { red: { patch: 'core.red' }, blue: { patch: 'core.blue' } } },
  },
} as const

let directory: string | undefined
let starting: Promise<Instance> | undefined

function start(): Promise<Instance> {
  directory = mkdtempSync(join(tmpdir(), 'etherloom-fuzz-'))
  process.env.ETHERLOOM_CONTROL_DIRECTORY = join(directory, 'run')
  return Instance.start('lab', '/lab.yaml', topology, methods)
}

const last = '{"jsonrpc":"2.0","id":"last","method":"info"}'

/** Everything that comes back until the last order is answered, or the connection ends. */
async function answers(socket: Socket, lines: Buffer): Promise<string[]> {
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    if (text.includes('"id":"last"')) socket.end()
  })
  socket.on('error', () => socket.destroy())
  socket.write(Buffer.concat([lines, Buffer.from(`\n${last}\n`)]))
  await once(socket, 'close')
  return text.split('\n').filter((line) => line !== '')
}

interface Answer {
  jsonrpc?: string
  id?: unknown
  result?: unknown
  error?: { message: string }
}

/** Which methods the lines call, by the ids that one order alone has. */
function methodsOf(text: string): Map<unknown, AnyMethod> {
  const found = new Map<unknown, AnyMethod>()
  const twice = new Set<unknown>()
  for (const line of text.split('\n')) {
    try {
      for (const { id, method } of [JSON.parse(line) as { id?: unknown; method?: string }].flat()) {
        const known = Object.entries(methods).find(([name]) => name === method)
        if (found.has(id)) twice.add(id)
        if (known) found.set(id, known[1])
      }
    } catch {
      // no order
    }
  }
  for (const id of twice) found.delete(id)
  return found
}

export const target: Target = {
  together: 16,
  words: [
    '{"jsonrpc":"2.0","id":1,"method":"',
    '"params":',
    '"id":null',
    '"method":"path"',
    '"hello"',
    '"subscribe"',
    '"events"',
    '"carrier"',
    '"port":"core.red"',
    '"on":true',
    '"showPath"',
    '"paths"',
    '"from"',
    '"to"',
    '"step"',
    '"export"',
    '"__proto__":',
    '"constructor"',
    '[',
    ']',
    '{',
    '}',
    ',',
    '\n',
    'null',
    '1e400',
    '"\\u0000"',
  ],
  seeds: Object.entries(methods)
    .map(([method, { example }]) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: example.params }))
    .concat('[]', '[{"jsonrpc":"2.0","id":1,"method":"info"},1]', '{"method":"info"}'),
  async read(input) {
    await (starting ??= start())
    const text = input.toString()
    const socket = connect(controlSocket('lab'))
    await once(socket, 'connect')
    const found = await answers(socket, input)
    insists(
      found.some((line) => line.includes('"id":"last"')),
      'the last order is not answered',
    )
    const called = methodsOf(text)
    for (const line of found)
      for (const each of [JSON.parse(line) as Answer].flat()) {
        insists(each.jsonrpc === '2.0', `an answer that is none: ${line.slice(0, 200)}`)
        if (each.error) sentence(each.error.message, text)
        const method = called.get(each.id)
        if (method && each.result !== undefined)
          insists(
            asJson(readAnswer(method, each.result)) === asJson(each.result),
            `another answer of ${method.description}: ${line.slice(0, 200)}`,
          )
      }
  },
  async close() {
    await (await starting)?.close()
    if (directory !== undefined) rmSync(directory, { recursive: true })
  },
}
