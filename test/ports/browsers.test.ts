/** WebSockets of others: machines in v86, an emulator for browsers, and pages in Chromium. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { Hub, type WebSocketServerOptions } from '../../lib/index.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeUnless, lacksProgram, lacksWithSanitizer, testFile } from '../helpers/kernel.js'
import { freePort } from '../helpers/sockets.js'

const closes = closing()

/** A program of others, killed with all that it has started when the test is over. */
function start(...[program, ...words]: [string, ...string[]]) {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let complaints = ''
  child.stderr
    .setEncoding('utf8')
    .on('data', (said: string) => (complaints = (complaints + said).slice(-2000)))
  const gone = once(child, 'close')
  closes({
    close: async () => {
      try {
        process.kill(-(child.pid as number), 'SIGKILL')
      } catch {
        // It has ended.
      }
      await gone
    },
  })
  return { child, gone, complaints: () => complaints }
}

function makeFolder(): string {
  const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-browsers-'))
  closes({
    close: () => {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  })
  return folder
}

/** A hub that listens for WebSockets. */
async function serve(options: Partial<WebSocketServerOptions> = {}) {
  const hub = closes(new Hub({ engine: { memory: '16MiB' } }))
  const socket = `127.0.0.1:${await freePort()}`
  return { hub, server: await hub.listen({ protocol: 'websocket', socket, ...options }) }
}

const onX64 = process.arch === 'x64' ? undefined : 'its guest is made by a compiler for x86'
describeUnless(
  onX64 ?? lacksProgram('gcc') ?? lacksWithSanitizer('v86 compiles as it runs'),
  'v86',
  function () {
    this.timeout(120_000)

    it('has two machines that ping each other through a hub', async () => {
      const guest = joinPath(makeFolder(), 'guest')
      const freestanding = [
        '-m32',
        '-Os',
        '-ffreestanding',
        '-fno-pic',
        '-fno-stack-protector',
        '-nostdlib',
        '-static',
      ]
      const linked = ['-Wl,-Ttext=0x100000,-e,start,--build-id=none', '-o', guest]
      const compiler = start('gcc', ...freestanding, ...linked, testFile('ports/programs/v86_guest.c'))
      const [status] = (await compiler.gone) as [number]
      expect(status, compiler.complaints()).to.equal(0)

      const { hub, server } = await serve({ name: 'machine%d' })
      const [witness] = await join(hub, 'witness')
      const boot = async (number: string) => {
        const machine = start(
          process.execPath,
          testFile('ports/programs/v86.mjs'),
          guest,
          number,
          server.address,
        )
        const lines = createInterface({ input: machine.child.stdout })[Symbol.asyncIterator]()
        const connected = once(server, 'connect')
        expect((await lines.next()).value, machine.complaints()).to.equal('up')
        await connected
        return lines
      }
      await boot('2')
      const asking = await boot('1')
      for (let number = 1; number <= 5; number++)
        expect((await asking.next()).value).to.equal(`answer ${number}`)
      expect(server.ports.map(({ name }) => name)).to.deep.equal(['machine0', 'machine1'])
      const answers = new Set<number>()
      while (answers.size < 5)
        for (const { bytes } of await receive(witness, 1))
          if (bytes[12] === 8 && bytes[13] === 0 && bytes[34] === 0) answers.add(bytes[41]!) // ICMP echo replies
      expect([...answers]).to.deep.equal([1, 2, 3, 4, 5])
    })
  },
)

describeUnless(lacksProgram('chromium'), 'a page in Chromium', function () {
  this.timeout(120_000)

  /** A site whose page sends a frame, and tells the site of the first that comes back, or of the end. */
  const makeSite = async (relay: string, sent: Uint8Array) => {
    const page = `<!doctype html><script>
      const tell = (what) => fetch('/told', { method: 'POST', body: what })
      const socket = new WebSocket(${JSON.stringify(relay)})
      socket.binaryType = 'arraybuffer'
      socket.onopen = () => socket.send(new Uint8Array(${JSON.stringify([...sent])}))
      socket.onmessage = ({ data }) => tell('frame ' + [...new Uint8Array(data)].join(' '))
      socket.onclose = ({ code }) => tell('closed ' + code)
    </script>`
    let hear: (what: string) => void
    const told = new Promise<string>((resolve) => (hear = resolve))
    const site: Server = createServer((request, response) => {
      if (request.method === 'POST')
        void text(request).then((what) => {
          hear(what)
          response.end()
        })
      else response.writeHead(200, { 'Content-Type': 'text/html' }).end(page)
    })
    site.listen(0, '127.0.0.1')
    closes({
      close: () => {
        site.close().closeAllConnections()
      },
    })
    await once(site, 'listening')
    return { origin: `http://127.0.0.1:${(site.address() as AddressInfo).port}`, told }
  }

  const browse = (url: string) =>
    start(
      'chromium',
      ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', `--user-data-dir=${makeFolder()}`],
      url,
    )

  it('exchanges frames where its origin is listed, and is refused where it is not', async () => {
    const relay = `127.0.0.1:${await freePort()}`
    const [listed, other] = [
      await makeSite(`ws://${relay}/?token=open-sesame`, frame({ tag: 1 })),
      await makeSite(`ws://${relay}/?token=open-sesame`, frame({ tag: 2 })),
    ]
    const { hub, server } = await serve({ socket: relay, origins: [listed.origin], token: 'open-sesame' })
    const [reader] = await join(hub, 'reader')
    const failed = once(server, 'failure')
    browse(other.origin)
    expect(await other.told).to.equal('closed 1006')
    expect(((await failed)[0] as Error).message).to.contain(`pages of '${other.origin}' may not connect`)

    browse(listed.origin)
    expect((await receive(reader, 1))[0]!.bytes).to.deep.equal(frame({ tag: 1 }))
    reader.send(frame({ tag: 3, length: 1514 }))
    expect(await listed.told).to.equal(`frame ${frame({ tag: 3, length: 1514 }).join(' ')}`)
  })
})
