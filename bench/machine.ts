// The facts about a machine without which its figures mean nothing, and the two cores that the benchmark uses.

import { readFile } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { run } from './children.js'

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly virtual: boolean
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly compiler: string
  /** The mean number of running threads in the last minute before the start: more than 0.5 disturbs. */
  readonly load: number
  /** The core that sends. A kernel peer also forwards on it, in the sender's context. */
  readonly generatorCore: number
  /** The core of the process that forwards. */
  readonly forwarderCore: number
  /** Why the two cores are not independent; undefined if they are. */
  readonly caveat: string | undefined
}

export async function describeMachine(): Promise<Machine> {
  const [forwarderCore, generatorCore] = await allowedCores()
  const siblings = await hyperThreadsOf(forwarderCore)
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    virtual: /^flags\b.*\bhypervisor\b/m.test(await readFile('/proc/cpuinfo', 'utf8')),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    compiler: (await run(['gcc', '--version'])).split('\n')[0] ?? 'unknown',
    load: loadavg()[0] ?? NaN,
    generatorCore,
    forwarderCore,
    caveat:
      generatorCore === forwarderCore
        ? 'generator and forwarder share the only core'
        : siblings.includes(generatorCore)
          ? 'generator and forwarder are hyper-threads of one core'
          : undefined,
  }
}

/** The first two cores that this process may use; the same one twice if there is only one. */
async function allowedCores(): Promise<[number, number]> {
  const status = await readFile('/proc/self/status', 'utf8')
  const [first = 0, second = first] = parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '0')
  return [first, second]
}

async function hyperThreadsOf(core: number): Promise<number[]> {
  const file = `/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`
  return readFile(file, 'utf8').then(parseCpuList, () => []) // absent where the kernel does not know
}

/** `0-2,5` is 0, 1, 2 and 5. */
function parseCpuList(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
}
