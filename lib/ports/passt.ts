/** PasstPort: a way out without any privilege, by a passt process of our own that speaks for us with ordinary sockets. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { native } from '../binding.js'
import { interfaceAddress, isIPv4Prefix } from '../values/addresses.js'
import { EtherloomError } from '../values/errors.js'
import { ipv4Address } from '../gateway/options.js'
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
import { confined, requirePrograms, searchPath } from '../values/programs.js'
import { unlessAborted } from '../values/signals.js'
import type { PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { SocketPort } from './socket.js'
import { sockets } from './sockets.js'

/** How a passt port runs passt. */
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

/** What passt says, once, when it is set up; a version that says something else is waited for a moment, in milliseconds. */
const setUp = /^\W*(MAC|DHCP|NDP|DNS)\b/m
const patience = 2000

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
 * privilege. passt answers whoever spoke last: where several hosts shall get out, put a gateway between (docs/reference/gateway.md).
 *
 * Needs the program passt. When passt ends, the port is down until there is another one, which it starts at once, and later
 * again and again. passt ends with the port and with this process, also after `kill -9`; it has no file.
 *
 * @example
 * const out = await wire.attach(new PasstPort({ address: '10.0.2.15/24', gateway: '10.0.2.2' }))
 */
export class PasstPort extends SocketPort {
  readonly #words: readonly string[]
  #passt: Passt | undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: PasstPortOptions = {}) {
    const given = readPasstOptions(options)
    if (given.address !== undefined && !isIPv4Prefix(given.address))
      refuse("option 'address' of PasstPort", "an IPv4 address such as '10.0.2.15/24'", given.address)
    super({ name: given.name ?? 'passt%d' }, 'passt')
    const [address, bits] = given.address?.split('/') ?? []
    this.#words = [
      ...['--mtu', `${given.mtu}`],
      ...(address === undefined ? [] : ['--address', address, '--netmask', bits as string]),
      ...(given.gateway === undefined ? [] : ['--gateway', given.gateway]),
      ...given.dns.flatMap((server) => ['--dns', server]),
      ...(given.interface === undefined ? [] : ['--interface', given.interface]),
    ]
  }

  protected override async nextPeer(fabric: PortFabric, signal?: AbortSignal): Promise<unknown> {
    await this.undone()
    const { passt: program } = await requirePrograms(`port '${this.name}'`, ['passt'])
    const prefix = await confined([], { nobody: true })
    signal?.throwIfAborted()
    if (this.fabric !== fabric || this.state === 'detaching') throw new Error('it is detached')
    const [ours, theirs] = native(() => sockets.socketPair('stream'))
    try {
      const passt = new Passt([...prefix, program, ...this.#words], theirs)
      this.#passt = passt
      await unlessAborted(passt.stands(), signal).catch(async (cause: unknown) => {
        await this.undone()
        signal?.throwIfAborted()
        throw new EtherloomError(
          'ERR_ETHERLOOM_DEVICE',
          `port '${this.name}' cannot start passt: ${passt.said || (cause as Error).message}`,
          {
            cause,
            hint: 'passt needs an interface with an address and a default route, or those that you name',
          },
        )
      })
      return this.adopt(ours)
    } finally {
      closeSync(ours)
      closeSync(theirs)
    }
  }

  /** Ends passt; resolves when it has ended. */
  override async undone(): Promise<void> {
    await this.#passt?.end()
  }

  protected override closed(fabric: PortFabric): void {
    void this.undone()
    super.closed(fabric)
  }
}

/** A passt that speaks for whoever has the other end of its socket, and ends when that is closed. */
class Passt {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #said = ''
  #heard: () => void = () => undefined

  constructor([program = '', ...words]: readonly string[], fd: number) {
    const child = spawn(program, [...words, '--foreground', '--stderr', '--fd', '3'], {
      cwd: '/',
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe', fd],
      detached: true, // a terminal's Ctrl-C does not reach it
    })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    child.once('error', (error) => (this.#said += error.message))
    child.stderr?.on('data', (text: Buffer) => {
      this.#said = `${this.#said}${text.toString()}`.slice(-4096)
      this.#heard()
    })
  }

  /** The last line that it said. */
  get said(): string {
    const lines = this.#said.split('\n').filter((line) => line !== '' && !line.includes('syslog'))
    return lines.at(-1) ?? ''
  }

  /** Resolves when it is set up, and keeps the process alive no longer. @throws Error when it ends instead */
  async stands(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const set = new Promise<true>((resolve) => {
      this.#heard = () => {
        if (setUp.test(this.#said)) resolve(true)
      }
      timer = setTimeout(resolve, patience, true)
    })
    const stands = await Promise.race([set, this.#ended.then(() => false)])
    clearTimeout(timer)
    if (!stands) throw new Error('it has ended')
    this.#child.unref()
    ;(this.#child.stderr as Socket).unref()
  }

  /** Ends it; resolves when it has ended. Idempotent. */
  async end(): Promise<void> {
    this.#child.ref()
    this.#child.kill('SIGKILL') // it writes nothing that could stay half done, and one that was stopped ends, too
    await this.#ended
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
