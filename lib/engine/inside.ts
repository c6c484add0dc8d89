/**
 * Programs inside a network namespace that is a host: with the host's interfaces, names and name servers, and all else of the
 * machine. Called by `etherloom exec` and `shell`, and by topologies for the programs of their hosts.
 *
 * Theory of operation. As ip-netns(8) does, nsenter(1) enters the namespace, unshare(1) gives the program mounts of its own,
 * and a shell puts files in their places before it becomes the program; the process stays the same from the first to the last.
 * What the files have to say comes by two descriptors, so it may be of any length, and no other process sees it.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { readlink } from 'node:fs/promises'
import { constants } from 'node:os'
import type { Writable } from 'node:stream'
import { EtherloomError, fromNative } from '../values/errors.js'
import { tied } from '../values/programs.js'

/** A host, and what its programs find in /etc. */
export interface Inside {
  host: string
  /** The path of its network namespace. */
  namespace: string
  /** The path of the user namespace that owns it. */
  userNamespace: string
  etcHosts: string
  /** Absent where nobody has said which name servers there are. */
  resolvConf?: string
}

/**
 * The files of a host are the machine's but for what belongs to its network: in /sys the host's interfaces, in /etc its hosts
 * and resolv.conf, or those of /etc/netns/HOST, of which only what was said of name servers takes the place. The name of the
 * machine is the host's. The files are made on a file system that lies on /sys until then, so that nothing is left of them
 * afterwards.
 */
const enterScript = `
host=$1 stated=$2 group=$3
shift 3
cannot() { echo "etherloom: a program in '$host' has this machine's $1, since it could not be replaced: $2" >&2; }
place() {
  [ -e "$2" ] || { [ "$3" = netns ] || cannot "$2" 'it does not exist'; return; }
  said=$(mount --bind "$1" "$2" 2>&1) || cannot "$2" "$said"
}
if said=$(mount -t tmpfs none /sys 2>&1); then
  cat <&3 > /sys/hosts
  cat <&4 > /sys/resolv.conf
  chmod 644 /sys/hosts /sys/resolv.conf
  for file in hosts resolv.conf; do place /sys/$file /etc/$file; done
  for file in /etc/netns/"$host"/*; do
    [ ! -e "$file" ] || [ "$stated:\${file##*/}" = dns:resolv.conf ] || place "$file" /etc/\${file##*/} netns
  done
  umount /sys
else
  cat <&3 <&4 > /dev/null
  cannot 'files in /etc' "$said"
fi
exec 3<&- 4<&-
said=$(mount -t sysfs none /sys 2>&1) || cannot /sys "$said"
said=$({ hostname "$host" || echo "$host" > /proc/sys/kernel/hostname; } 2>&1) || cannot name "$said"
if [ "$group" = group ]; then
  ( (trap '' HUP INT TERM; read -r _ <&5; kill -KILL 0) < /dev/null > /dev/null 2>&1 & )
  exec 5<&-
fi
exec "$@"
`

/**
 * Starts a program inside a host, as the leader of a process group of its own if that is wanted. It ends with us at the latest:
 * the kernel kills it, and a shell that sees our end all else of its group, if it has one; so does the end of the last of its
 * `stdio`, which belongs to the caller when the program has ended.
 *
 * @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED where nsenter is not installed; ERR_ETHERLOOM_OPTION where the command is
 *   too long for the kernel; ERR_ETHERLOOM_RESOURCE. What cannot be run ends with 126 or 127
 */
export async function startInside(
  { host, namespace, userNamespace, etcHosts, resolvConf }: Inside,
  command: readonly string[],
  {
    stdio,
    env = {},
    group = false,
  }: { stdio: 'inherit' | 'output'; env?: NodeJS.ProcessEnv; group?: boolean },
): Promise<ChildProcess> {
  // A rootless instance has a user namespace of its own, which has to be entered first.
  const sameUser = (await namespaceAt(userNamespace)) === (await namespaceAt('/proc/self/ns/user'))
  const user = sameUser ? [] : [`--user=${userNamespace}`, '--preserve-credentials']
  const place = [...user, `--net=${namespace}`, 'unshare', '--mount', '--uts', '--propagation', 'slave']
  // Last, for who enters a user namespace is another user to the kernel.
  const stated = resolvConf === undefined ? 'none' : 'dns'
  const [shell, rest] = await tied('sh', [
    '-c',
    enterScript,
    'sh',
    host,
    stated,
    group ? 'group' : 'alone',
    ...command,
  ])
  const own: StdioOptions =
    stdio === 'inherit' ? ['inherit', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe']
  let child: ChildProcess
  try {
    child = spawn('nsenter', [...place, shell, ...rest], {
      stdio: [...own, 'pipe', 'pipe', ...(group ? (['pipe'] as const) : [])],
      env: { ...process.env, ...env },
      detached: group,
    })
    await once(child, 'spawn')
  } catch (cause) {
    throw cannotStart(cause as NodeJS.ErrnoException)
  }
  const files = [etcHosts, resolvConf ?? noServer(host)]
  for (const [index, text] of files.entries()) {
    const stream = child.stdio[3 + index] as Writable
    stream.on('error', () => undefined) // it ended before it had read that, and its exit says so
    stream.end(text)
  }
  const lifeline = (child.stdio as readonly unknown[])[5] as Writable | undefined
  lifeline?.on('error', () => undefined)
  return child
}

function cannotStart(cause: NodeJS.ErrnoException): EtherloomError {
  const [message, errno] = ['cannot start nsenter', -(cause.errno ?? 0)]
  return errno === constants.errno.ENOENT
    ? new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', message, {
        cause,
        hint: 'install the package util-linux',
      })
    : fromNative({ message, errno, syscall: 'spawn' })
}

const noServer = (host: string): string =>
  `# no name server: the topology gives ${host} none ('dns'), and there is no /etc/netns/${host}/resolv.conf\n`

const namespaceAt = (path: string): Promise<string | undefined> => readlink(path).catch(() => undefined)
