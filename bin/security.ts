/**
 * `etherloom doctor --security`: what the processes of running instances may do, as the kernel has it in /proc
 * (proc_pid_status(5), capabilities(7)). Called by doctor.
 */
import { readFile, readdir, readlink } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { ControlClient } from '../lib/control/client.js'
import { instanceNames } from '../lib/control/directory.js'
import { lineWidth, printJson, printLine, remark, wrap } from './output.js'

/** Of capabilities(7), by their numbers. */
const capabilities = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service ' +
  'net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin ' +
  'sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override ' +
  'mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ')

/** What a process may do. */
interface Rights {
  pid: number
  /** Its program and words. */
  command: string
  user: number
  /** Names of those in force; all of them over what its user namespace owns, and no more. */
  capabilities: string[]
  /** Whether its user namespace is that of this command; unknown where /proc does not say. */
  ownUserNamespace: boolean | undefined
  ownNetwork: boolean | undefined
  /** Whether programs that it starts can gain no rights. */
  noNewPrivileges: boolean
  /** Whether system calls are refused to it. */
  seccomp: boolean
}

interface Holder extends Rights {
  instance: string
  sealed: boolean
}

/** Prints what each running instance, and what it has started, holds. */
export async function printSecurity(json: boolean): Promise<number> {
  const names = await instanceNames()
  const found = await Promise.all(
    names.map((name) =>
      holders(name).catch((error: unknown) => {
        remark(`${name}: ${(error as Error).message}`)
        return undefined
      }),
    ),
  )
  const all = found.flatMap((each) => each ?? [])
  const asked = !found.includes(undefined)
  if (json) for (const holder of all) printJson(holder)
  else all.forEach(print)
  if (!json && asked && all.length === 0) {
    const rights = await rightsOf(process.pid)
    printLine(`no instance runs; 'up' as ${describeUser(rights.user)} would have ${describeRights(rights)}`)
    printLine(advice({ ...rights, sealed: false }))
  }
  return asked ? 0 : 1
}

/** The process of an instance, and those that it has started, the first first. */
async function holders(instance: string): Promise<Holder[]> {
  const client = await ControlClient.connect(instance)
  if (!client) return [] // it has left a socket
  const { pid, sealed } = await client
    .greet()
    .then(() => client.call('info', {}))
    .finally(() => client.close())
  const pids = [pid, ...(await descendants(pid))]
  const all = await Promise.all(pids.map((each) => rightsOf(each).catch(() => undefined))) // it may have ended
  return all.flatMap((rights) =>
    rights ? [{ instance, sealed: sealed && rights.pid === pid, ...rights }] : [],
  )
}

async function descendants(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  const children = lists.join(' ').split(/\s+/).filter(Boolean).map(Number)
  return [...children, ...(await Promise.all(children.map(descendants))).flat()]
}

/** Of a process, as the kernel has it. Also asked by doctor, of itself. */
export async function rightsOf(pid: number): Promise<Rights> {
  const [status, command] = await Promise.all(
    ['status', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')),
  )
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status ?? '')?.[1] ?? '0'
  const held = BigInt(`0x${field('CapEff')}`)
  const same = async (kind: string): Promise<boolean | undefined> => {
    const links = ['self', `${pid}`].map((each) =>
      readlink(`/proc/${each}/ns/${kind}`).catch(() => undefined),
    )
    const [ours, its] = await Promise.all(links)
    return its === undefined ? undefined : ours !== its
  }
  return {
    pid,
    command: (command ?? '').replaceAll('\0', ' ').trim(),
    user: Number(field('Uid')),
    capabilities: capabilities.filter((_, bit) => (held >> BigInt(bit)) & 1n),
    ownUserNamespace: await same('user'),
    ownNetwork: await same('net'),
    noNewPrivileges: field('NoNewPrivs') === '1',
    seccomp: field('Seccomp') !== '0',
  }
}

function print(holder: Holder): void {
  const { instance, pid, command, user } = holder
  const lines = [
    `${instance}: process ${pid} (${command.length > 60 ? `${command.slice(0, 59)}…` : command})`,
    `as ${describeUser(user)}, with ${describeRights(holder)}`,
    advice(holder),
  ]
  lines
    .filter((line) => line !== '')
    .flatMap((line) => wrap(line, lineWidth() - 2))
    .forEach((line, index) => printLine(`${index === 0 ? '' : '  '}${line}`))
}

function describeUser(user: number): string {
  const { uid, username } = userInfo()
  return user === uid ? `${username} (you)` : `user ${user}`
}

function describeRights({ capabilities: held, ownUserNamespace, ...rights }: Rights): string {
  const names =
    held.length > 30 ? 'all capabilities' : held.map((name) => `CAP_${name.toUpperCase()}`).join(' ')
  return [
    held.length === 0
      ? 'no capability'
      : `${names}${ownUserNamespace === true ? ' over its own namespaces only' : ' over the machine'}`,
    ...(rights.noNewPrivileges ? ['no way to gain more (no_new_privs)'] : []),
    ...(rights.seccomp ? ['system calls refused (seccomp)'] : []),
  ].join(', ')
}

/** How it could do with less; empty where it could not. */
function advice({ capabilities: held, ownUserNamespace, sealed }: Rights & { sealed: boolean }): string {
  if (sealed || held.length === 0) return ''
  return ownUserNamespace === true
    ? "'up --sealed' would leave it nothing but what it has open"
    : "'up --rootless' needs none of the machine's; 'up --sealed' gives all up once the topology is up"
}
