// How many 60-byte frames per second get from the sender to the receiver when more are offered than fit.
//
// What is equal: the generator, its namespace, its core, its frames and how it sends them; the receiver, which counts
// a frame when its stack takes it from the interface and then drops it as nobody's protocol.
// What is not: a process forwards on a core of its own, with the generator on the other, and loses what it cannot
// keep up with; the kernel's bridge forwards inside the generator's send call, on the generator's core, and so
// throttles it instead.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { built } from '../build.js'
import type { Measure } from '../case.js'
import { Network, portName } from '../network.js'

/** Long enough for the queues to fill, for a bridge port to forward and for JavaScript to be compiled. */
const warmUpMs = 500

export const forwarding: Measure = {
  figures: [
    { name: 'forwarded', unit: 'frames/s', digits: 0 },
    { name: 'offered', unit: 'frames/s', digits: 0 },
    // How much of its core the forwarding process had, or the generator where the kernel forwards in its calls. Far
    // below 100 %, other programs disturbed the run.
    { name: 'busy', unit: '%', digits: 0 },
    { name: 'resident', unit: 'MB', digits: 0 },
  ],

  async sample(network, { pid }, { machine, seconds }) {
    await network.up()
    const generator = await network.start([built('generator'), portName, Network.receiverAddress], {
      core: machine.generatorCore,
      namespace: network.sender.path,
    })
    await sleep(warmUpMs)
    const before = await observe(network, pid ?? generator.pid)
    await sleep(seconds * 1000)
    const after = await observe(network, pid ?? generator.pid)
    const resident = pid === undefined ? NaN : await residentMegabytes(pid)

    const { sent } = JSON.parse(await generator.stop()) as { sent: number }
    if (after.received === before.received) throw new Error('no frame reached the receiver')
    if (after.received > sent) throw new Error('the receiver got more frames than were sent')
    const perSecond = (quantity: keyof Observation) =>
      (after[quantity] - before[quantity]) / (after.seconds - before.seconds)
    return [perSecond('received'), perSecond('offered'), perSecond('processorSeconds') * 100, resident]
  },
}

interface Observation {
  seconds: number
  offered: number
  received: number
  processorSeconds: number
}

async function observe({ sender, receiver }: Network, pid: number): Promise<Observation> {
  const processorSeconds = await processorSecondsOf(pid)
  const { offered } = await sender.counters()
  const { received } = await receiver.counters()
  return { seconds: performance.now() / 1000, offered, received, processorSeconds }
}

/** The processor time of all threads, in user space and in system calls. */
async function processorSecondsOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ') // from the third field of proc_pid_stat(5) on
  const ticksPerSecond = 100
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** All pages of a process in memory, those of its shared libraries included; 1 MB is 1,000,000 bytes. */
async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return (Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6
}
