/** What the built package loads before it does anything: it stays quick to start, whatever is added. No clock is asked. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'

const dist = resolve('dist')
const commandLine = join(dist, 'bin/etherloom.js')

/** Has Node write the URL of every module that it loads to descriptor 3. */
const hooks = `
import { writeSync } from 'node:fs'
export async function load(url, context, next) {
  writeSync(3, url + '\\n')
  return next(url, context)
}`
const asModule = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`
const tracer = asModule(
  `import { register } from 'node:module'; register(${JSON.stringify(asModule(hooks))})`,
)

/** Has Node write which of its own modules it has loaded in the end. */
const builtinTracer = asModule(
  `process.on('exit', () => process.getBuiltinModule('fs').writeSync(3, process.moduleLoadList.join(',')))`,
)

/** Node's own modules that are loaded beyond those of an empty program. */
function builtinsBeyondNothing(program: string): string[] {
  const [after, before] = [program, ''].map((each) => {
    const run = spawnSync(
      process.execPath,
      [`--import=${builtinTracer}`, '--input-type=module', '--eval', each],
      { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], encoding: 'utf8' },
    )
    expect(run.status, run.stderr).to.equal(0)
    return (run.output[3] ?? '').split(',').map((entry) => entry.replace('NativeModule ', ''))
  })
  expect(before, 'what is traced').to.include('fs')
  return (after ?? []).filter((name) => !before?.includes(name))
}

/** The files of dist/ that Node loads, and the sources of this project and of packages that are in them. */
function loadedBy(words: string[], status = 0): { files: string[]; sources: string[] } {
  const run = spawnSync(process.execPath, [`--import=${tracer}`, ...words], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, ETHERLOOM_CONTROL_DIRECTORY: join(dist, 'nothing-runs-here') },
  })
  expect(run.status, run.stderr).to.equal(status)
  const urls = [...new Set((run.output[3] ?? '').split('\n'))]
  const files = urls
    .filter((url) => url.startsWith(pathToFileURL(dist).href))
    .map((url) => fileURLToPath(url))
  expect(files, 'what is traced').not.to.deep.equal([])
  const sources = files.flatMap((file) => {
    const { sources } = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as { sources: string[] }
    return sources.map((source) => resolve(join(file, '..'), source).slice(resolve('.').length + 1))
  })
  return { files, sources }
}

const packages = {
  yaml: /^node_modules\/yaml\//,
  rpc: /^node_modules\/json-rpc/,
  commander: /^node_modules\/commander/,
}
const library = pathToFileURL(join(dist, 'lib/index.js')).href
const network = /^lib\/(binding|policy|engine|capture|gateway|ports|timeline|world|fabrics\/fabric)\b/

describe('what is loaded at the start', function () {
  this.timeout(60_000) // each is a process of its own; against hangs only

  before(() => {
    expect(existsSync(commandLine), "dist/ is built by 'npm run build:lib'").to.equal(true)
  })

  const cases: [string, string[], { files: number; not: RegExp[]; status?: number }][] = [
    [
      "import 'etherloom'",
      ['--input-type=module', '--eval', `await import(${JSON.stringify(library)})`],
      {
        files: 9,
        not: [
          packages.yaml,
          packages.rpc,
          packages.commander,
          /^lib\/(topology\/(check|site|run)|control\/(client|methods)|gateway\/gateway|engine\/guardian|containers\/(docker|places))\b/,
        ],
      },
    ],
    ['--help', [commandLine, '--help'], { files: 4, not: [packages.yaml, packages.rpc, network] }],
    ['--version', [commandLine, '--version'], { files: 4, not: [packages.yaml, packages.rpc, network] }],
    ['show', [commandLine, 'show'], { files: 9, not: [packages.yaml, network], status: 1 }],
    [
      'validate',
      [commandLine, 'validate', 'examples/two-sites.yaml'],
      { files: 14, not: [packages.rpc, /^lib\/(topology\/network|control\/client|control\/server)/] },
    ],
  ]
  for (const [name, words, { files: most, not, status }] of cases)
    it(`of ${name}`, () => {
      const { files, sources } = loadedBy(words, status)
      for (const pattern of not) expect(sources.filter((source) => pattern.test(source))).to.deep.equal([])
      expect(files.length, files.join('\n')).to.be.at.most(most)
    })

  it("leaves Node's own modules alone until they are used", () => {
    const slow = ['crypto', 'net', 'child_process', 'dns/promises', 'stream', 'dgram', 'readline']
    const loading = `await import(${JSON.stringify(library)})`
    const loaded = (program: string): string[] =>
      builtinsBeyondNothing(program).filter((name) => slow.includes(name))
    expect(loaded(loading)).to.deep.equal([])
    expect(loaded(`const { UdpPort } = ${loading}; new UdpPort({ local: '127.0.0.1:0' })`)).to.include('net')
  })

  it('has everything, for import and for require', () => {
    const names = (program: string, type: string): string[] => {
      const run = spawnSync(process.execPath, ['--no-warnings', `--input-type=${type}`, '--eval', program], {
        encoding: 'utf8',
      })
      expect(run.status, run.stderr).to.equal(0)
      return JSON.parse(run.stdout) as string[]
    }
    const imported = names(
      `console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(library)}))))`,
      'module',
    )
    const required = names(
      `console.log(JSON.stringify(Object.keys(require(${JSON.stringify(fileURLToPath(library))}))))`,
      'commonjs',
    )
    expect(imported).to.include.members(['Hub', 'Network', 'World', 'TapPort', 'connect', 'loadTopology'])
    expect(required).to.include.members(imported)
  })

  it('loads what is loaded later: a WebSocket between two hubs, a VDE switch, a network', () => {
    const program = `
      import { mkdtempSync, rmSync } from 'node:fs'
      import { createServer } from 'node:net'
      import { once } from 'node:events'
      const { Hub, MemoryPort, Network, VdePort, WebSocketPort } = await import(${JSON.stringify(library)})
      const probe = createServer().listen(0, '127.0.0.1')
      await once(probe, 'listening')
      const socket = '127.0.0.1:' + probe.address().port
      probe.close()
      await once(probe, 'close')
      const folder = mkdtempSync('/tmp/etherloom-start-')
      const [here, there] = [new Hub(), new Hub()]
      for (const [listen, uplink] of [
        [{ protocol: 'websocket', socket }, new WebSocketPort({ websocket: 'ws://' + socket + '/' })],
        [{ protocol: 'vde', directory: folder + '/vde' }, new VdePort({ vde: folder + '/vde' })],
      ]) {
        const server = await here.listen(listen)
        const [a, b] = [await here.attach(new MemoryPort()), await there.attach(new MemoryPort())]
        const come = once(server, 'connect')
        await there.attach(uplink)
        await come
        a.send(new Uint8Array(60).fill(255))
        for await (const batch of b) {
          console.log(listen.protocol, batch.frame(0).length)
          break
        }
        await server.close()
        for (const port of [a, b, uplink]) await port.fabric.detach(port)
      }
      await Promise.all([here.close(), there.close()])
      await (await Network.up({ fabrics: { lan: { kind: 'hub', ports: {} } } })).close()
      rmSync(folder, { recursive: true })
      console.log('network')`
    const run = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], {
      encoding: 'utf8',
      timeout: 9000,
    })
    expect([run.stderr, run.stdout]).to.deep.equal(['', 'websocket 60\nvde 60\nnetwork\n'])
  })
})
