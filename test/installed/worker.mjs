// An installed package in worker threads: two of them at a time, each with an engine of its own, beside that of the main one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { Engine, Hub, MemoryPort } from 'etherloom'

/** When a frame arrives that is 3 ms under way, in nanoseconds. */
async function travel() {
  const engine = new Engine({ clock: 'virtual' })
  const hub = new Hub({ engine })
  const [a, b] = [
    await hub.attach(new MemoryPort({ name: 'a' })),
    await hub.attach(new MemoryPort({ name: 'b' })),
  ]
  await hub.path(a, b).allow({ delay: '3ms' })
  a.send(new Uint8Array(60))
  engine.advance('5ms')
  const arrived = b.read()?.at(0)
  await engine.close()
  return arrived
}

if (isMainThread) {
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url)))
  const times = await Promise.all([
    travel(),
    ...workers.map(async (worker) => (await once(worker, 'message'))[0]),
  ])
  await Promise.all(workers.map((worker) => worker.terminate()))
  assert.deepEqual(times, [3_000_000n, 3_000_000n, 3_000_000n])
  console.log('worker: ok')
} else {
  parentPort.postMessage(await travel())
}
