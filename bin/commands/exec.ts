/** `etherloom exec`: runs a command inside a host, as `ip netns exec` does, with nsenter(1) and unshare(1). It ends with us. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlink } from 'node:fs/promises'
import { constants } from 'node:os'
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'
import { tied } from '../../lib/values/programs.js'
import { quote } from '../../lib/values/quote.js'
import { action, instanceCommand, withInstance, type ExitCode, type InstanceFlags } from '../command.js'

/**
 * The files of a host are the machine's but for what belongs to its network. In a mount namespace of its own the command sees
 * the host's interfaces in /sys, and in /etc the files of /etc/netns/HOST, as with ip-netns(8); where there is no hosts or
 * resolv.conf among them, one that names the host alone, and one that names no server. The two are made on a file system that
 * lies on /sys until then, so that nothing is left of them afterwards.
 */
const enterScript = `
host=$1
shift
cannot() { echo "etherloom: 'exec' shows this machine's $1, since it could not be replaced: $2" >&2; }
if said=$(mount -t tmpfs none /sys 2>&1); then
  printf '127.0.0.1 localhost %s\n::1 localhost %s\n' "$host" "$host" > /sys/hosts
  echo '# no name server: etherloom exec reads /etc/netns/'"$host"'/resolv.conf' > /sys/resolv.conf
  for file in /sys/hosts /sys/resolv.conf /etc/netns/"$host"/*; do
    place=/etc/\${file##*/}
    [ ! -e "$file" ] || [ ! -e "$place" ] || said=$(mount --bind "$file" "$place" 2>&1) || cannot "$place" "$said"
  done
  umount /sys
else
  cannot 'files in /etc' "$said"
fi
said=$(mount -t sysfs none /sys 2>&1) || cannot /sys "$said"
exec "$@"
`

export const exec = instanceCommand('exec', 'run a command inside a host')
  .argument('<host>', 'host of a running instance')
  .argument('<command...>', 'command to run inside its network namespace')
  .passThroughOptions()
  .action(action(runInside))

async function runInside(host: string, words: string[], options: InstanceFlags): Promise<ExitCode> {
  const command = words[0] === '--' ? words.slice(1) : words
  const hosts = await withInstance(options, (instance) => instance.call('hosts', {}))
  const found = hosts.find((row) => row.host === host)
  if (found === undefined) {
    const names = hosts.map((row) => row.host)
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `no host ${quote(host)}${suggestion(host, names)}`)
  }
  // A rootless instance has a user namespace of its own, which has to be entered first.
  const sameUser = (await namespaceAt(found.userNamespace)) === (await namespaceAt('/proc/self/ns/user'))
  const user = sameUser ? [] : [`--user=${found.userNamespace}`, '--preserve-credentials']
  const place = [...user, `--net=${found.namespace}`, 'unshare', '--mount', '--propagation', 'slave']
  // Last, for who enters a user namespace is another user to the kernel.
  const [shell, rest] = await tied('sh', ['-c', enterScript, 'sh', host, ...command])
  return runAttached('nsenter', [...place, shell, ...rest])
}

const namespaceAt = (path: string): Promise<string | undefined> => readlink(path).catch(() => undefined)

/** Runs a program on our terminal and returns its exit code, as a shell counts it. */
async function runAttached(program: string, args: string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' })
  // Ctrl-C goes to both; the command decides what it means.
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const [code, signal] = (await once(child, 'exit').catch((cause: unknown) => {
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `cannot start ${program}`, {
      cause,
      hint: 'install the package util-linux',
    })
  })) as [number | null, NodeJS.Signals | null]
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}
