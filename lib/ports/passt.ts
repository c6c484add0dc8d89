/** PasstPort: a way out without any privilege, by a passt process of our own that speaks for us with ordinary sockets. */
import { randomUUID } from 'node:crypto'
import { chown, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { interfaceAddress, isIPv4Prefix } from '../values/addresses.js'
import { EtherloomError } from '../values/errors.js'
import { isOnlyUser } from '../gateway/gateway.js'
import { Guardian } from '../gateway/guardian.js'
import { ipv4Address } from '../gateway/options.js'
import { requirePrograms } from '../gateway/programs.js'
import {
  about,
  integer,
  list,
  mapping,
  optionsReader,
  refuse,
  required,
  type RulesOf,
} from '../values/options.js'
import { interfaceRule, nameRule } from '../values/names.js'
import { unlessAborted } from '../values/signals.js'
import type { PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { SocketPort } from './socket.js'

export interface PasstPortOptions {
  /** Default `passt%d`. */
  name?: string
  /** What the guest is given by DHCP, as `10.0.2.15/24`. Default: this machine's own address. */
  address?: string
  /** Where the guest finds its gateway, as `10.0.2.2`. Default: this machine's gateway. */
  gateway?: string
  /** Name servers that the guest is told, IPv4. Default: those of /etc/resolv.conf. */
  dns?: string[]
  /** The interface whose addresses and routes are the template. Default: that of the default route. */
  interface?: string
  /** What the guest is told to be its MTU, in bytes, 1280 to 65520. Default 1500. */
  mtu?: number
}

/** Runs passt with the words that follow the directory until its own input ends, and removes the directory then. What it ignores passt does not. */
const passtScript = `
directory=$1
shift
"$@" < /dev/null >&3 2>&3 3>&- &
trap '' HUP INT TERM
exec 3>&-
cat > /dev/null
kill $! 2> /dev/null
wait
rm -rf "$directory"
`

/** Of passt, which becomes this user where it is started as root (passt(1), --runas). */
const nobody = 65534

const inFiles = {
  address: about("What the guest is given by DHCP. Default: this machine's own address.", interfaceAddress()),
  gateway: about("Where the guest finds its gateway. Default: this machine's gateway.", ipv4Address()),
  dns: about(
    'Name servers that the guest is told. Default: those of /etc/resolv.conf.',
    list(about('A server.', ipv4Address())),
  ),
  interface: about(
    'Interface whose addresses and routes are the template. Default: that of the default route.',
    interfaceRule(),
  ),
  mtu: about('What the guest is told to be its MTU.', integer(1280, 65520, { unit: 'bytes', default: 1500 })),
}

const readPasstOptions = optionsReader('PasstPort', {
  name: about("The port's name. Default: passt and a number.", nameRule()),
  ...inFiles,
} satisfies RulesOf<PasstPortOptions>)

const passtKeys = {
  passt: required(
    about('A way out for one guest, without privilege, by a passt process of our own.', mapping(inFiles)),
  ),
}

/**
 * A way out by passt: DHCP, name servers, TCP, UDP and pings for one guest, through this process's own network, without
 * privilege. passt answers whoever spoke last: where several hosts shall get out, put a gateway between (docs/gateway.md).
 *
 * Needs the program passt. It ends with the port, also after `kill -9`.
 *
 * @example
 * const out = await wire.attach(new PasstPort({ address: '10.0.2.15/24', gateway: '10.0.2.2' }))
 */
export class PasstPort extends SocketPort {
  readonly #directory: string
  readonly #words: readonly string[]
  #guardian: Guardian | undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: PasstPortOptions = {}) {
    const given = readPasstOptions(options)
    if (given.address !== undefined && !isIPv4Prefix(given.address))
      refuse("option 'address' of PasstPort", "an IPv4 address such as '10.0.2.15/24'", given.address)
    const directory = join(tmpdir(), `etherloom-passt-${randomUUID()}`)
    const socket = join(directory, 'socket')
    super({ socket, name: given.name ?? 'passt%d' })
    this.#directory = directory
    const [address, bits] = given.address?.split('/') ?? []
    this.#words = [
      ...['passt', '--foreground', '--stderr', '--socket', socket, '--mtu', `${given.mtu}`],
      ...(address === undefined ? [] : ['--address', address, '--netmask', bits as string]),
      ...(given.gateway === undefined ? [] : ['--gateway', given.gateway]),
      ...given.dns.flatMap((server) => ['--dns', server]),
      ...(given.interface === undefined ? [] : ['--interface', given.interface]),
    ]
  }

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    await requirePrograms(`port '${this.name}'`, ['passt'])
    await this.undone()
    await mkdir(this.#directory, { mode: 0o700 })
    const guardian = new Guardian(passtScript, [this.#directory, ...this.#words])
    this.#guardian = guardian
    try {
      if (process.getuid?.() === 0 && !isOnlyUser()) await chown(this.#directory, nobody, nobody)
      await unlessAborted(guardian.voice.until(/socket bound at/), signal)
    } catch (cause) {
      await this.undone()
      await rm(this.#directory, { recursive: true, force: true })
      signal?.throwIfAborted()
      const lines = guardian.said.split('\n').filter((line) => line !== '' && !line.includes('syslog'))
      throw new EtherloomError(
        'ERR_ETHERLOOM_DEVICE',
        `port '${this.name}' cannot start passt: ${lines.at(-1) ?? (cause as Error).message}`,
        {
          cause,
          hint: 'passt needs an interface with an address and a default route, or those that you name',
        },
      )
    }
    void guardian.stands(false)
    return super.open(fabric, signal)
  }

  /** Ends passt; resolves when it has ended. */
  override async undone(): Promise<void> {
    await this.#guardian?.close()
  }

  protected override closed(fabric: PortFabric): void {
    void this.undone()
    super.closed(fabric)
  }
}

/** @internal */
export const passtKind: PortKind<{ passt: Omit<PasstPortOptions, 'name'> }> = {
  key: 'passt',
  options: passtKeys,
  make: (name, { passt }) => new PasstPort({ ...passt, name }),
  leadsTo: ({ passt }) => passt.interface ?? 'outside',
  programs: { passt: 'a PasstPort, the way out without privilege, needs it' },
}
