// For scripts that leave something on the machine until they tidy up: Ctrl-C and SIGTERM end what they run, and then they do.
// `await endable()` comes first in such a script. Called by image.mjs, fresh-root.mjs and pack-smoke.mjs.
//
// Theory of operation. A script that waits for its commands hears no signal until they have ended, and one that is only told to
// end itself would leave them. So it is run again as a process of its own session, which hears none; this one stays, and when it
// is told to end, ends all that descends from the other, by id, again and again: each command fails, and so the script comes to
// its end by itself, through every `finally`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'

import { run } from './tools.mjs'

const mark = 'ETHERLOOM_SCRIPT_RUNS'

/** Milliseconds that a command has to end in after SIGTERM, and between two looks. */
const [grace, interval] = [15_000, 100]

/** Returns where the script is to do its work. */
export async function endable() {
  if (process.env[mark] !== undefined) {
    Reflect.deleteProperty(process.env, mark)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined)
    return
  }
  const script = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [mark]: '1' },
    detached: true,
  })
  let told
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      if (told === undefined) void endDescendants(script)
      told ??= signal
    })
  const [code, signal] = await once(script, 'exit')
  process.exit(told !== undefined ? 128 + constants.signals[told] : signal !== null ? 1 : code)
}

/** Until the script has ended. */
async function endDescendants(script) {
  const since = new Map()
  while (script.exitCode === null && script.signalCode === null) {
    for (const pid of descendantsOf(script.pid)) {
      if (!since.has(pid)) {
        since.set(pid, performance.now())
        send(pid, 'SIGTERM')
      } else if (performance.now() - since.get(pid) > grace) send(pid, 'SIGKILL')
    }
    await pause(interval)
  }
}

function send(pid, signal) {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name))

function read(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return '' // it has ended
  }
}

function descendantsOf(ancestor) {
  const parents = new Map(
    processes().map((pid) => {
      const stat = read(pid, 'stat')
      return [Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])]
    }),
  )
  const isBelow = (pid) => parents.has(pid) && (parents.get(pid) === ancestor || isBelow(parents.get(pid)))
  return [...parents.keys()].filter(isBelow)
}

/** Removes a folder with what is left in it: processes that were started with its name are ended, and what is mounted is not. */
export function removeWhole(folder) {
  for (const pid of processes())
    if (Number(pid) !== process.pid && Number(pid) !== process.ppid && read(pid, 'cmdline').includes(folder))
      send(Number(pid), 'SIGKILL')
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((place) => place.startsWith(`${folder}/`))
  for (const place of mounted.reverse()) run('umount', ['--lazy', place], { quiet: true })
  rmSync(folder, { recursive: true, force: true })
}
