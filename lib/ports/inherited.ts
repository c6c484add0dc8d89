/**
 * Sockets that whoever started this process has made for it, as systemd does for a unit with a socket unit (sd_listen_fds(3)):
 * found by name in $LISTEN_FDNAMES, from descriptor 3 on. Called by sockets.ts.
 */
import { constants } from 'node:os'
import { EtherloomError } from '../values/errors.js'
import { quote } from '../values/quote.js'

const firstDescriptor = 3

let known: [name: string, descriptor: number][] | undefined

/** What was handed over, by name, in the order of descriptors. The variables are gone afterwards: they are for nobody else. */
function inherited(): [name: string, descriptor: number][] {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names = '' } = process.env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) Reflect.deleteProperty(process.env, name)
  if (Number(pid) !== process.pid || !/^\d{1,4}$/.test(count ?? '')) return []
  const given = names === '' ? [] : names.split(':')
  return Array.from({ length: Number(count) }, (_, index) => [
    given[index] ?? 'unknown',
    firstDescriptor + index,
  ])
}

/** The descriptor of the socket of that name; it stays the starter's. @throws EtherloomError ERR_ETHERLOOM_DEVICE */
export function inheritedSocket(name: string): number {
  known ??= inherited()
  const found = known.filter(([given]) => given === name)
  const [only] = found
  if (only !== undefined && found.length === 1) return only[1]
  const names = [...new Set(known.map(([given]) => given))]
  const [message, hint] =
    found.length > 1
      ? [
          `${found.length} sockets named ${quote(name)} were handed over`,
          'give each a socket unit with a FileDescriptorName of its own',
        ]
      : [
          `no socket named ${quote(name)} was handed over`,
          known.length === 0
            ? "start it by a unit that a socket unit activates; none was handed to this process, as to one that '--rootless' starts"
            : `set FileDescriptorName=${name} in the socket unit; what was handed over is named ${names.map((each) => quote(each)).join(', ')}`,
        ]
  throw new EtherloomError('ERR_ETHERLOOM_DEVICE', message, { errno: constants.errno.ENOENT, hint })
}
