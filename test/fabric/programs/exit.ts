/**
 * Ways to end with an open fabric, one per run: `exit.ts CASE`. Started by exit.test.ts.
 * Prints `ready` when frames are under way, and `still here` when nothing else has ended it for a while.
 */
import { isMainThread, Worker } from 'node:worker_threads'
import { Engine, Hub, MemoryPort } from '../../../lib/index.js'
import { until, workerThreads } from '../../helpers/fabric.js'
import { numbered } from '../../helpers/frames.js'

/** A hub on two threads, with frames on their way for an hour and more waiting to be read. */
async function busyHub(): Promise<Hub> {
  const hub = new Hub({ engine: { workers: 2 } })
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => hub.attach(new MemoryPort({ name }))))
  await hub.path(a!, b!).allow({ delay: '1h' })
  a!.send(numbered(500))
  while (c!.stats().transmitted.frames < 500n) await new Promise((resolve) => setImmediate(resolve))
  console.log('ready')
  return hub
}

/** Says, without keeping the process alive, that something else does. */
const stillHere = () =>
  setTimeout(() => {
    console.log('still here')
    process.exit()
  }, 200).unref()

/** Runs another case in a worker thread until it ends, or terminates it, and tells what is left of it. */
async function inWorker(name: string, terminate = false): Promise<void> {
  const start = `import('${import.meta.resolve('tsx/esm/api')}').then((tsx) => {
    tsx.register()
    return import('${import.meta.url}')
  })`
  const worker = new Worker(start, { eval: true, argv: [name], stdout: true })
  const exit = new Promise<number>((resolve) => worker.once('exit', resolve))
  worker.once('error', (error) => console.log('worker failed:', error.message))
  if (terminate) worker.stdout.once('data', () => void worker.terminate())
  const code = await exit
  console.log('ready')
  await until(() => workerThreads() === 0)
  console.log(`worker ${code}, no thread left`)
}

const cases: Record<string, () => Promise<unknown>> = {
  attached: async () => {
    await busyHub()
    stillHere()
  },
  empty: async () => {
    new Hub()
    new Engine({ workers: 2 })
    console.log('ready')
    stillHere()
    return Promise.resolve()
  },
  detached: async () => {
    const hub = await busyHub()
    await Promise.all([...hub.ports.values()].map((port) => hub.detach(port)))
    stillHere()
  },
  closed: async () => {
    await (await busyHub()).close()
    stillHere()
  },
  unref: async () => {
    ;(await busyHub()).unref()
    stillHere()
  },
  'unref and ref': async () => {
    ;(await busyHub()).unref().ref()
    stillHere()
  },
  'process.exit': async () => {
    await busyHub()
    process.exit(7)
  },
  'process.exit before attached': async () => {
    const attaching = new Hub({ engine: { workers: 4 } }).attach(new MemoryPort())
    console.log('ready')
    process.exit(7)
    await attaching
  },
  throw: async () => {
    await using hub = await busyHub()
    process.once('exit', () => console.log(`closed ${hub.closed}`))
    throw new Error('on purpose')
  },
  'end of block': async () => {
    {
      await using hub = await busyHub()
      hub.setMaxListeners(0)
    }
    stillHere()
  },
  'signal handler': async () => {
    const opening = busyHub()
    process.once('SIGTERM', () => void opening.then((hub) => hub.close()))
    await opening
  },
  forever: busyHub,
  'worker ends': () => inWorker('closed'),
  'worker exits': () => inWorker('process.exit'),
  'worker throws': () => inWorker('throw'),
  'worker is terminated': () => inWorker('forever', true),
}

const name = process.argv[2] ?? ''
const run = cases[name]
if (!run) throw new Error(`no case '${name}'${isMainThread ? '' : ' in a worker'}`)
await run()
