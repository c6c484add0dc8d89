/** What the demo needs of the machine, checked before anything starts; each refusal says what to do. */
import { execFile } from 'node:child_process'
import { access, constants, readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { EtherloomError } from '../../lib/errors.js'

const tun = '/dev/net/tun'
const tools = { nsenter: 'util-linux', unshare: 'util-linux', ping: 'iputils-ping' }

/** CAP_NET_ADMIN for TAPs and addresses, CAP_SYS_ADMIN for namespaces (capabilities(7)). */
const capabilities = (1n << 12n) | (1n << 21n)

/** @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED, ERR_ETHERLOOM_PRIVILEGE */
export async function checkMachine(): Promise<void> {
  for (const [tool, name] of Object.entries(tools))
    if (!(await succeeds(tool, ['-V'])))
      throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `the demo uses ${tool}, which is not installed`, {
        hint: `as root, install the package ${name}`,
      })
  await checkTun()
}

/** Whether this process may make network namespaces and TAPs. */
export async function isPrivileged(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return (effective & capabilities) === capabilities
}

/** Whether a user namespace of our own would give us the rights: some systems allow it, but grant nothing inside. */
export async function checkUserNamespaces(): Promise<void> {
  if (await succeeds('unshare', ['--user', '--map-root-user', '--net', 'unshare', '--net', 'true'])) return
  throw new EtherloomError(
    'ERR_ETHERLOOM_PRIVILEGE',
    'the demo makes network namespaces, and may not do so here, nor in a user namespace',
    {
      hint: "run it as root (in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN); 'etherloom doctor' says more",
    },
  )
}

async function checkTun(): Promise<void> {
  const found = await stat(tun).catch(() => undefined)
  if (!found)
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `${tun} is missing, so there are no TAP devices`, {
      hint: `as root, run 'modprobe tun', or give the container '--device ${tun}'`,
    })
  const opens = await access(tun, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  if (opens) return
  const mode = (found.mode & 0o7777).toString(8).padStart(4, '0')
  throw new EtherloomError('ERR_ETHERLOOM_PRIVILEGE', `${tun} is closed to this user (its mode is ${mode})`, {
    hint: `as root, run 'chmod 0666 ${tun}', as most distributions have it, or run the demo as root`,
  })
}

const succeeds = (program: string, args: string[]): Promise<boolean> =>
  promisify(execFile)(program, args).then(
    () => true,
    () => false,
  )
