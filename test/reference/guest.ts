/**
 * The reference kernel: Linux in user mode (Debian's package user-mode-linux) as a child of this process, with the
 * host's files, no network of the host, and programs/guest.cpp as its first program. It says what the kernel's netem
 * does to frames. Nothing of it is left when the promise is settled.
 */
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Child, run, testFile } from '../helpers/kernel.js'

const kernel = '/usr/bin/linux.uml'
const modules = ['drivers/net/veth.ko', 'net/sched/sch_netem.ko']

/** It hangs if it has not ended by then: boot and all measurements of the tests take half a minute. */
const patience = 240_000

/** What is sent through netem in one measurement. */
export interface Task {
  /** The words behind `tc qdisc add dev ... root netem`. */
  netem: string
  /** How many frames. */
  count: number
  /** Bytes per frame, 60 to 65000; default 60. */
  length?: number
  /** Bytes of the first frame, default as the others. */
  first?: number
  /** Nanoseconds from one frame to the next; default 0, as fast as it goes. */
  pace?: number
  /** Milliseconds without any arrival after which no frame is expected any more; default 50. */
  settle?: number
}

/** An instant that is known to lie between two, in nanoseconds since the measurement began. */
export interface Interval {
  from: number
  to: number
}

export interface Measured {
  /** When each frame was given to netem. */
  sent: Interval[]
  /** What came out, in its order. */
  arrived: { tag: number; time: Interval }[]
}

/** A namespace of processes, so that the kernel takes all of its own with it; rights over it need a user namespace. */
export const confine = [
  'unshare',
  '--pid',
  '--fork',
  '--kill-child',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
]

/** Why the reference kernel cannot run here; undefined when it can. */
export function lacksReferenceKernel(): string | undefined {
  try {
    accessSync(kernel, constants.X_OK)
  } catch {
    return 'no user-mode-linux, which a Debian package has'
  }
  try {
    execFileSync('g++', ['--version'], { stdio: 'ignore' })
  } catch {
    return 'no g++ for its first program'
  }
  try {
    execFileSync(confine[0]!, [...confine.slice(1), 'true'], { stdio: 'ignore' })
  } catch {
    return 'no right to make process namespaces'
  }
  // Linux 6.1 in user mode has 2,696 bytes for the registers of a program, and tiles alone are 8,192.
  if (/^flags\b.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')))
    return 'this processor has AMX, whose registers this kernel cannot save: it ends at its first program'
  return undefined
}

/** Which Linux it is. */
export const kernelVersion = (): string => execFileSync(kernel, ['--version'], { encoding: 'utf8' }).trim()

/** Boots the guest, has it do all tasks, and returns what it measured, in the order of the tasks. */
export async function measure(tasks: readonly Task[]): Promise<Measured[]> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-guest-'))
  try {
    const init = path.join(scratch, 'init')
    await run(['g++', '-std=c++20', '-O1', '-o', init, testFile('reference/programs/guest.cpp')])
    const folder = `/usr/lib/uml/modules/${kernelVersion()}/kernel`
    writeLines(
      path.join(scratch, 'modules'),
      modules.map((name) => path.join(folder, name)),
    )
    writeLines(path.join(scratch, 'tasks'), tasks.map(lineOf))
    const console = await boot(scratch, init)
    const results = readLines(path.join(scratch, 'results'))
    if (results.length < tasks.length)
      throw new Error(`the guest stopped early:\n${console.split('\n').slice(-8).join('\n')}`)
    return results.map(readMeasured)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Runs the guest until it powers off; resolves with what its console said. */
async function boot(scratch: string, init: string): Promise<string> {
  const words = [
    'mem=256M',
    ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro'], // the host's files, not to be changed
    ...[`init=${init}`, `scratch=${scratch}`],
    ...[`uml_dir=${scratch}/`, 'umid=guest'], // its own files
    ...['con=null', 'con0=null,fd:1', 'panic=-1'],
  ]
  // Where it puts the file that is its memory, if /dev/shm does not suit it.
  const guest = new Child(['env', `TMPDIR=${scratch}`, ...confine, kernel, ...words])
  const timer = setTimeout(() => guest.signal('SIGKILL'), patience)
  try {
    return await guest.rest()
  } finally {
    clearTimeout(timer)
    await guest.close()
  }
}

const writeLines = (file: string, lines: string[]) => {
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''))
}

const readLines = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')

const lineOf = ({ netem, count, length = 60, first = length, pace = 0, settle = 50 }: Task) =>
  [count, length, first, pace, settle, netem].join(' ')

function readMeasured(line: string): Measured {
  const { sent, arrived } = JSON.parse(line) as { sent: number[]; arrived: number[] }
  return {
    sent: Array.from({ length: sent.length / 2 }, (_, index) => interval(sent, 2 * index)),
    arrived: Array.from({ length: arrived.length / 3 }, (_, index) => ({
      tag: arrived[3 * index]!,
      time: interval(arrived, 3 * index + 1),
    })),
  }
}

const interval = (numbers: number[], at: number): Interval => ({ from: numbers[at]!, to: numbers[at + 1]! })
