/**
 * Programs beside this process: where they are, and how they are started so that none outlives us. Called by all that starts
 * one, and by `etherloom doctor`.
 *
 * Theory of operation. setpriv(1) asks the kernel to kill the program when the thread that started it ends, however it ends
 * (PR_SET_PDEATHSIG), and then becomes the program: the process stays the same. The kernel forgets that wish when the program
 * becomes another user, by itself or as setuid, and what the program starts has no such wish. So programs of ours that
 * become another user are started as that user.
 */
import { execFile } from 'node:child_process'
import { access, constants, stat } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { EtherloomError } from './errors.js'

/** Each program with the Debian package that has it. */
export const packages = {
  nft: 'nftables',
  dnsmasq: 'dnsmasq-base',
  passt: 'passt',
  ip: 'iproute2',
  bridge: 'iproute2',
  tc: 'iproute2',
  nsenter: 'util-linux',
  flock: 'util-linux',
  setpriv: 'util-linux',
} as const

export type Program = keyof typeof packages

/** Where programs are looked for: PATH, and where system programs are, which many a user's PATH lacks. */
export const searchPath = (): string =>
  [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter)

/** Where the program is; undefined when it is nowhere. */
export async function findProgram(name: Program): Promise<string | undefined> {
  for (const folder of searchPath().split(delimiter)) {
    const file = join(folder, name)
    if (folder !== '' && (await isExecutable(file))) return file
  }
  return undefined
}

/** Where each of them is. @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED with the packages to install */
export async function requirePrograms<const Names extends readonly Program[]>(
  purpose: string,
  names: Names,
): Promise<Record<Names[number], string>> {
  const found = await Promise.all(names.map(async (name) => [name, await findProgram(name)] as const))
  const missing = found.flatMap(([name, file]) => (file === undefined ? [name] : []))
  if (missing.length === 0) return Object.fromEntries(found) as Record<Names[number], string>
  const wanted = [...new Set(missing.map((name) => packages[name]))]
  throw new EtherloomError(
    'ERR_ETHERLOOM_UNSUPPORTED',
    `${purpose} needs ${missing.join(' and ')}, which ${missing.length > 1 ? 'are' : 'is'} not installed`,
    { hint: `install the package${wanted.length > 1 ? 's' : ''} ${wanted.join(' and ')}` },
  )
}

/**
 * What becomes of the program when it is started by that name, in that environment and folder: undefined when it can be
 * started, else the code of the error.
 */
export async function startFault(
  name: string,
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<'ENOENT' | 'EACCES' | undefined> {
  const files = name.includes('/')
    ? [name]
    : (env.PATH ?? '').split(delimiter).map((each) => join(each, name))
  const found = await Promise.all(
    files.map(async (file) => {
      const place = resolve(folder, file)
      if (await isExecutable(place)) return undefined
      return (await stat(place).catch(() => undefined)) ? 'EACCES' : 'ENOENT'
    }),
  )
  if (found.includes(undefined)) return undefined
  return found.includes('EACCES') ? 'EACCES' : 'ENOENT'
}

/**
 * What to start instead of a program, and its words, so that it is killed when the thread that starts it ends; the program
 * itself where there is no setpriv.
 */
export async function tied(program: string, words: readonly string[]): Promise<[string, string[]]> {
  const [first = program, ...rest] = [...(await strictest([['--pdeathsig', 'KILL']])), program, ...words]
  return [first, rest]
}

/** Why programs that are started here outlive a `kill -9` of ours; undefined where they do not. */
export async function strayFault(): Promise<'absent' | 'knows no --pdeathsig' | undefined> {
  if ((await tied('true', []))[0] !== 'true') return undefined
  return (await findProgram('setpriv')) === undefined ? 'absent' : 'knows no --pdeathsig'
}

/** What programs of ours may need of a root's might. */
type Capability = 'kill' | 'net_admin' | 'net_bind_service' | 'net_raw' | 'setgid' | 'setpcap' | 'setuid'

/** The user that has nothing. */
export const nobody = 65_534

/**
 * The words that stand before those of a program of ours, which runs with our rights: it ends with us too, gets no other
 * rights, and of root's keeps those it needs. None without setpriv.
 * `mortal: false` is for who has to outlive us. `nobody`: where we are root, as the user nobody.
 */
export function confined(
  needs: readonly Capability[],
  { mortal = true, nobody: asNobody = false }: { mortal?: boolean; nobody?: boolean } = {},
): Promise<readonly string[]> {
  const kept = ['-all', ...needs.map((name) => `+${name}`)].join(',')
  const becoming = ['--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups', '--ambient-caps', kept]
  const plain = ['--no-new-privs', ...(mortal ? ['--pdeathsig', 'KILL'] : [])]
  const become = asNobody && process.getuid?.() === 0 && !isOnlyUser()
  const inherited = become ? kept : '-all'
  return strictest([
    [...plain, '--bounding-set', kept, '--inh-caps', inherited, ...(become ? becoming : [])],
    plain,
  ])
}

/** Whether this user namespace knows no other user, so that nobody can become one. */
export const isOnlyUser = (): boolean =>
  /^\s*0\s+\d+\s+1$/.test(readFileSync('/proc/self/uid_map', 'utf8').trimEnd())

/** Whether this user namespace has a number for every user of the machine; else those that it lacks, root among them, are nobody. */
export const knowsEveryUser = (): boolean =>
  /^\s*0\s+0\s+4294967295$/.test(readFileSync('/proc/self/uid_map', 'utf8').trimEnd())

const tried = new Map<string, Promise<readonly string[]>>()

/** setpriv with the first of these lists of words that this machine and these rights allow; none where none is. */
function strictest(lists: readonly (readonly string[])[]): Promise<readonly string[]> {
  const key = lists.join(' ')
  const known = tried.get(key) ?? tryEach(lists)
  tried.set(key, known)
  return known
}

async function tryEach(lists: readonly (readonly string[])[]): Promise<readonly string[]> {
  const setpriv = await findProgram('setpriv')
  if (setpriv === undefined) return []
  for (const words of lists) {
    const command = [...words, '--', 'true']
    const works = await promisify(execFile)(setpriv, command, {
      env: { ...process.env, PATH: searchPath() },
    }).then(
      () => true,
      () => false,
    )
    if (works) return [setpriv, ...words, '--']
  }
  return []
}

const isExecutable = (file: string): Promise<boolean> =>
  Promise.all([access(file, constants.X_OK), stat(file)]).then(
    ([, found]) => found.isFile(),
    () => false,
  )
