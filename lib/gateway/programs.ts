/** Programs of other packages that a way out needs. Called by the gateway, PasstPort and `etherloom doctor`. */
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { EtherloomError } from '../values/errors.js'

/** Each program with the Debian package that has it. */
export const packages = {
  nft: 'nftables',
  dnsmasq: 'dnsmasq-base',
  passt: 'passt',
  ip: 'iproute2',
  nsenter: 'util-linux',
  flock: 'util-linux',
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

const isExecutable = (file: string): Promise<boolean> =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
