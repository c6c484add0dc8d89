/** `etherloom exec`: runs a command inside a host's network namespace, with nsenter(1). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlink } from 'node:fs/promises'
import { constants } from 'node:os'
import { ControlClient } from '../../lib/control/client.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'

export async function exec(host: string, words: string[], { name }: { name?: string }): Promise<number> {
  const command = words[0] === '--' ? words.slice(1) : words
  const instance = await ControlClient.find(name)
  const hosts = await instance.show('hosts').finally(() => instance.close())
  const found = hosts.find((row) => row.host === host)
  if (found === undefined) {
    const names = hosts.map((row) => row.host)
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `no host '${host}'${suggestion(host, names)}`)
  }
  // A rootless instance has a user namespace of its own, which has to be entered first.
  const sameUser = (await namespaceAt(found.userNamespace)) === (await namespaceAt('/proc/self/ns/user'))
  const user = sameUser ? [] : [`--user=${found.userNamespace}`, '--preserve-credentials']
  return runAttached('nsenter', [...user, `--net=${found.namespace}`, '--', ...command])
}

const namespaceAt = (path: string): Promise<string | undefined> => readlink(path).catch(() => undefined)

/** Runs a program on our terminal and returns its exit code, as a shell counts it. */
async function runAttached(program: string, args: string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' })
  // Ctrl-C goes to both; the command decides what it means.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}
