/**
 * The seal of a process that runs an instance: what it gives up once its topology is up. Called by Instance; the system
 * calls that are refused from then on are those of native/os/seal.cpp.
 */
import { calls, native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { isOnlyUser, nobody } from '../values/programs.js'

const { sealProcess } = calls<{ sealProcess(): void }>()

/** The user who called sudo, else nobody. */
function ordinaryUser(): { user: number; group: number } {
  const [user, group] = [Number(process.env.SUDO_UID), Number(process.env.SUDO_GID)]
  return user > 0 && group > 0 ? { user, group } : { user: nobody, group: nobody }
}

/**
 * Root becomes an ordinary user, which takes every capability from every thread; then programs, files, sockets, devices
 * and namespaces are out of reach for good.
 *
 * @throws EtherloomError ERR_ETHERLOOM_PRIVILEGE where root may not; ERR_ETHERLOOM_UNSUPPORTED where the kernel or the
 *   machine has no seccomp. Some of it may be given up then: end the process
 */
export async function seal(): Promise<void> {
  // What an instance loads when it first needs it: the files may be root's alone.
  await Promise.all([
    import('yaml'),
    import('../topology/check.js'),
    import('../topology/report.js'),
    import('../topology/links-report.js'),
  ])
  if (process.getuid?.() === 0 && !isOnlyUser()) become(ordinaryUser())
  native(() => {
    sealProcess()
  })
}

function become({ user, group }: { user: number; group: number }): void {
  try {
    process.setgroups?.([])
    process.setgid?.(group)
    process.setuid?.(user)
  } catch (cause) {
    throw new EtherloomError('ERR_ETHERLOOM_PRIVILEGE', `root cannot become the user ${user} here`, {
      cause,
      hint: 'this needs CAP_SETUID and CAP_SETGID, which a container may lack; without --sealed it needs neither',
    })
  }
}
