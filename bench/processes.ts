// What the kernel tells about a process that is measured.

import { readFile } from 'node:fs/promises'

/** The processor time of all threads, in user space and in system calls. */
export async function processorSecondsOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ') // from the third field of proc_pid_stat(5) on
  const ticksPerSecond = 100
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** All pages of a process in memory, those of its shared libraries included; 1 MB is 1,000,000 bytes. */
export async function residentMegabytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return (Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6
}
