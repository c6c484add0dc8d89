/** VdeServer: a VDE switch's folder, at which QEMU, user-mode-linux, VirtualBox, vde_plug and others become ports of a fabric. */
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { execFile } from 'node:child_process'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { addon, native } from '../../binding.js'
import type { PortMapping } from '../../ports/index.js'
import { Port, type PortFabric } from '../../ports/port.js'
import { bindSocket, modeRule, padRule, sockets } from '../../ports/sockets.js'
import { vdeFolder, vdeFolderRule, vdeFrameLimit } from '../../ports/vde.js'
import { readRequest, requestRoom, writeReply, type VdeRequest } from '../../ports/vde-request.js'
import { EtherloomError, fromNative } from '../../values/errors.js'
import {
  about,
  either,
  file,
  integer,
  optionsReader,
  refuse,
  required,
  text,
  type RulesOf,
} from '../../values/options.js'
import { patience } from '../../values/patience.js'
import { searchPath } from '../../values/programs.js'
import { quote } from '../../values/quote.js'
import { unlessAborted } from '../../values/signals.js'
import { peerRules, PortServer, type PeerOptions, type ServerKind } from './server.js'
import { VdeConsole, type ManagedSwitch } from './vde-console.js'
import { VdeNumbers } from './vde-numbers.js'

/** Where a fabric listens for programs of VDE, and who may come in. */
export interface VdeServerOptions extends PeerOptions {
  /** The folder of the switch, as `/run/vde.ctl`; it is made where it is missing. Its name has at most 90 bytes. */
  directory: string
  /** The rights of the sockets in it, as 0o660. Default: those of the folder that are no right to search; 0o600 without `dirmode`. */
  mode?: number
  /**
   * The rights of the folder, as 0o3770. Default: 0o3000, and what `mode` needs; 0o2700 without `mode`. Where others may write into
   * the folder, leave 0o1000 in: without it each of them can take away the sockets of the switch and of other peers.
   */
  dirmode?: number
  /** The group of the folder, and so of what is in it: its name or number. Default: ours. */
  group?: string | number
  /**
   * Fills frames that go out with zeros up to 60 bytes, as a network card does: for emulated cards that refuse shorter ones.
   * Default false.
   */
  pad?: boolean
  /**
   * A path of at most 107 bytes, as `/run/vde.mgmt`: a socket at which the switch is managed, as at that of `vde_switch -M`. Its
   * rights and group are those of the sockets in the folder; whoever may connect can end peers, and the server. Default: none.
   */
  management?: string
}

/** Bytes of a path at which a socket can be. */
const longestPath = 107

const vdeServerRules = {
  directory: required(about('The folder of the switch, which peers are told.', vdeFolderRule)),
  mode: about(
    'Rights of the sockets in the folder, as 0o660. Default: what dirmode says of them; 0o600 without it.',
    modeRule,
  ),
  dirmode: about(
    'Rights of the folder, as 0o3770. Default: 0o3000 and what mode needs; 0o2700 without it.',
    integer(0, 0o3777),
  ),
  group: about(
    'Group of the folder, by name or number. Default: ours.',
    either<string | number | undefined>("a group's name or number", [
      text({ max: 32 }),
      integer(0, 0xfffffffe),
    ]),
  ),
  pad: padRule,
  management: about(
    'A socket at which the switch is managed, as that of vde_switch -M. Default: none.',
    file(`a path of at most ${longestPath} bytes`),
  ),
  ...peerRules,
} satisfies RulesOf<VdeServerOptions>

const readOptions = optionsReader('listen', vdeServerRules)

function read(options: VdeServerOptions) {
  const given = readOptions(options)
  return {
    ...given,
    rights: rightsOf(given),
    directory: vdeFolder(given.directory, "option 'directory' of listen"),
    management: given.management === undefined ? undefined : managementPath(given.management),
  }
}

function managementPath(given: string): string {
  const path = resolve(given)
  if (Buffer.byteLength(path) <= longestPath) return path
  return refuse("option 'management' of listen", `a path of at most ${longestPath} bytes`, path)
}

/** The rights of a folder and of the sockets in it, where one of both says what the other is. */
export function rightsOf({ mode, dirmode }: { mode?: number | undefined; dirmode?: number | undefined }): {
  mode: number
  dirmode: number
} {
  // Who may use a socket in a folder may search the folder.
  const search = [0o700, 0o070, 0o007].filter((all) => ((mode ?? 0) & all) !== 0)
  const needed = search.reduce((rights, all) => rights | (all & 0o111), 0o2000 | (mode ?? 0o700))
  return {
    mode: mode ?? (dirmode === undefined ? 0o600 : dirmode & 0o666),
    // Sticky where others write, so that each can remove what is its own, and nothing else.
    dirmode: dirmode ?? ((needed & 0o022) !== 0 ? needed | 0o1000 : needed),
  }
}

/** What switches and their peers have in a folder. */
const switchFiles = /^(?:ctl|\d{3,8}\.\d{1,10}|\.\d+-\d+)$/
/** How many names are tried for a socket, where others have made files of such names. */
const attempts = 16

/** A peer of a VdeServer, which makes it: it came with a request for a port. */
export class VdePeerPort extends Port {
  /** The number of the port that it asked for or got. Ports of one number do not hear each other. */
  readonly number: number
  /** What the peer says of itself. */
  readonly description: string
  /** @internal The number of the user who connected, by the kernel's word. */
  readonly user: number
  #device: unknown
  readonly #bound: unknown

  /** @internal `device` is that of the socket `bound`, whose path goes with the port. */
  constructor(
    name: string,
    request: { number: number; description: string; user: number },
    bound: unknown,
    device: unknown,
  ) {
    super(name)
    this.number = request.number
    this.description = request.description
    this.user = request.user
    this.#bound = bound
    this.#device = device
  }

  override get carrierOn(): boolean {
    return super.carrierOn && this.state === 'up'
  }

  protected override open(fabric: PortFabric): Promise<number> {
    const device = this.#device
    if (device === undefined)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port '${this.name}' went with its peer; the next one gets another port`,
      )
    this.#device = undefined
    return Promise.resolve(this.seatDevice(fabric, device))
  }

  /** @internal */
  override wentDown(cause: EtherloomError): void {
    const { errno } = cause
    const gone = [constants.errno.ECONNRESET, constants.errno.ECONNREFUSED, constants.errno.EPIPE]
    const words = `the peer of port '${this.name}' has gone${this.description === '' ? '' : ` (${this.description})`}`
    super.wentDown(
      errno !== undefined && gone.includes(errno)
        ? new EtherloomError('ERR_ETHERLOOM_DEVICE', words, { cause, errno })
        : cause,
    )
  }

  protected override closed(_fabric: PortFabric): void {
    sockets.closeSocket(this.#bound)
  }

  /** @internal It was never attached: lets go of what it has. */
  discard(): void {
    sockets.closeSocket(this.#bound)
    if (this.#device !== undefined) addon.discardDevice(this.#device)
    this.#device = undefined
  }
}

/**
 * A VDE switch's folder (vde_switch(1), option `-s`): each program of VDE that connects there is a port of the fabric. Whoever has
 * the rights to the folder can connect; no privilege is needed.
 *
 * A peer's data socket has to be its own user's, as the kernel knows it. The folder goes with the server, unless others have put
 * something into it; what a server that was killed has left there is taken over.
 */
export class VdeServer extends PortServer<VdePeerPort> {
  /** The folder, by its whole name. */
  readonly directory: string
  readonly #options: ReturnType<typeof read>
  #bound: unknown
  #console: VdeConsole | undefined
  /** Whether the folder goes with it. */
  #own = false
  #made = 0
  /** What holds for the numbers of ports, whoever has them. */
  readonly #numbers = new VdeNumbers(() => new Set(this.ports.map(({ number }) => number)))
  /** The VLANs that peers were given, which are those of their number. */
  readonly #vlans = new WeakMap<VdePeerPort, string>()

  /** @internal */
  constructor(fabric: PortFabric, options: VdeServerOptions, stopped: (server: PortServer) => void) {
    const given = read(options)
    super(fabric, given.peers, stopped)
    this.#options = given
    this.directory = given.directory
  }

  override get address(): string {
    return this.directory
  }

  /** @internal */
  override get peer(): PortMapping {
    return { vde: this.directory }
  }

  /** @internal */
  override async start(): Promise<void> {
    const { mode, dirmode, group, management, rights } = this.#options
    const owner = group === undefined ? undefined : await groupNumber(group)
    const control = join(this.directory, 'ctl')
    const made = this.#makeFolder()
    try {
      const stale = !made && isSocket(control)
      const isAsked = [mode, dirmode, group].some((option) => option !== undefined)
      if (!made && isAsked) this.#insistOnOwn()
      this.#bound = bindSocket({ path: control, framing: 'stream', mode: rights.mode })
      if (stale) this.#sweep()
      this.#own = made || stale
      inWords(`cannot set the rights of ${this.directory}`, () => {
        if (owner !== undefined) {
          chownSync(this.directory, -1, owner)
          lchownSync(control, -1, owner)
        }
        // After its group, which takes the bit that passes it on. A folder that was there has its own rights, unless others are asked for.
        const isOurs = lstatSync(this.directory).uid === ourUser()
        if (made || (isOurs && isAsked)) chmodSync(this.directory, rights.dirmode)
      })
      if (management !== undefined)
        this.#console = await VdeConsole.listen(
          management,
          { mode: rights.mode, group: owner },
          this.#managed(),
        )
      this.takeFrom(this.#bound, (control) => {
        this.visit((leaving, limit) => this.#hear(control, leaving, limit))
        return Promise.resolve()
      })
    } catch (error) {
      this.#own ||= made
      this.end()
      throw error
    }
  }

  /** What can be asked of it at its management socket. */
  #managed(): ManagedSwitch {
    const { directory, fabric } = this
    const { rights, peers } = this.#options
    return {
      directory,
      fabric,
      mode: rights.mode,
      peers,
      ports: () => this.ports,
      numbers: this.#numbers,
      settleVlans: async () => {
        await Promise.all(
          this.ports.filter((port) => this.#vlans.has(port)).map((port) => this.#settle(port)),
        )
      },
      sendAway: (port: VdePeerPort) => {
        const reason = `port '${port.name}' was closed at the management socket`
        return this.sendAway(port, new EtherloomError('ERR_ETHERLOOM_STATE', reason))
      },
      shutDown: () => {
        this.inBackground(this.close())
      },
    }
  }

  protected override end(): void {
    this.#console?.close()
    if (this.#bound !== undefined) sockets.closeSocket(this.#bound)
    this.#removeFolder()
  }

  protected override vacant(): void {
    if (this.closed) this.#removeFolder()
    super.vacant()
  }

  /** Whether it was made. What is there must be ours, or the system's. */
  #makeFolder(): boolean {
    const folder = this.directory
    return inWords(`cannot make the folder ${folder}`, () => {
      try {
        mkdirSync(folder, 0o700) // nobody comes in before all is set
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const there = lstatSync(folder)
      const problem = !there.isDirectory()
        ? 'is there and is no folder'
        : [ourUser(), 0].includes(there.uid)
          ? undefined
          : 'belongs to another user, who could do anything with what is in it'
      if (problem === undefined) return false
      throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `${folder} ${problem}`, {
        errno: constants.errno.EEXIST,
        hint: 'choose another folder',
      })
    })
  }

  /** Rights are asked for, and would become those of a folder that others use: /tmp, or somebody's home. */
  #insistOnOwn(): void {
    const console = this.#options.management
    const other = readdirSync(this.directory).find(
      (name) => !switchFiles.test(name) && join(this.directory, name) !== console,
    )
    if (other !== undefined)
      throw new EtherloomError(
        'ERR_ETHERLOOM_DEVICE',
        `${this.directory} is no folder of a switch: it has ${quote(other)} in it`,
        { errno: constants.errno.EEXIST, hint: 'choose a folder that is empty, or is not there yet' },
      )
  }

  #removeFolder(): void {
    if (!this.#own) return
    try {
      rmdirSync(this.directory)
    } catch {
      // Ports that are still attached have sockets there, or others have something of their own.
    }
  }

  /** Removes sockets of a server that was killed: whoever has the control socket is the only one. */
  #sweep(): void {
    for (const name of readdirSync(this.directory)) {
      const file = join(this.directory, name)
      if (!/^\d{3,8}\.\d{1,10}$/.test(name) || !isSocket(file)) continue
      try {
        unlinkSync(file)
      } catch {
        // It is in nobody's way.
      }
    }
  }

  /** Hears what a peer wants, and gives it. */
  async #hear(control: unknown, leaving: AbortController, limit: number): Promise<void> {
    const heard = patience(limit, () => {
      leaving.abort(new Error(`it has asked for nothing within ${limit / 1000} s`))
    })
    try {
      const request = await this.#request(control, leaving.signal)
      if (!request || this.closed) return
      await this.#admit(control, request)
    } finally {
      heard()
      sockets.closeSocket(control)
    }
  }

  /** What a peer asks for; undefined when it goes without a word. */
  async #request(control: unknown, signal: AbortSignal): Promise<VdeRequest | undefined> {
    let got = Buffer.alloc(0)
    for (;;) {
      let unwatch = (): void => undefined
      const readable = new Promise<void>((resolve) => {
        unwatch = this.fabric.engine.watches.socket(control, 'readable', resolve)
      })
      await unlessAborted(readable, signal).finally(() => {
        if (!this.fabric.closed) unwatch()
      })
      const bytes = native(() => sockets.receiveBytes(control, requestRoom))
      if (bytes?.length === 0) {
        if (got.length === 0) return undefined
        throw new Error('it has gone in the middle of its request')
      }
      got = Buffer.concat([got, bytes ?? Buffer.alloc(0)])
      const request = readRequest(got)
      if (request) return request
    }
  }

  async #admit(control: unknown, { port: asked, socket, description }: VdeRequest): Promise<void> {
    const number = asked ?? this.#numbers.free()
    const { user } = native(() => sockets.peerIdentity(control))
    // Whose an abstract one is nobody can see.
    if (socket[0] === 0 && user !== ourUser()) throw new Error('its socket has an abstract name')
    const { bound, path } = this.#bindData(number, user)
    const { name, pad } = this.#options
    let port: VdePeerPort
    try {
      const device = native(() => {
        sockets.connectPeer(bound, socket, Uint32Array.of(user))
        return sockets.makeDatagramPort(bound, { frameLimit: vdeFrameLimit, pad, control })
      })
      port = new VdePeerPort(name, { number, description, user }, bound, device)
    } catch (error) {
      sockets.closeSocket(bound)
      throw error
    }
    try {
      // Peers of one number are behind one port, so they do not hear each other.
      const vlan = this.#numbers.vlansOf(number)
      const group = this.fabric.kind === 'wire' ? undefined : `vde-${number}`
      await this.attach(port, { ...(group !== undefined && { group }), ...(vlan && { vlan }) })
      this.#vlans.set(port, JSON.stringify(vlan ?? null))
      await this.#settle(port) // it may have been put into others meanwhile
    } catch (error) {
      port.discard()
      throw error
    }
    try {
      sockets.sendBytes(control, writeReply(path))
    } catch {
      // It has gone meanwhile, which its port notices.
    }
  }

  /** A socket for the frames of a peer, which that peer's user may send to. */
  #bindData(number: number, user: number): { bound: unknown; path: string } {
    const { mode } = this.#options.rights
    // As root it can be given away, and nobody else needs it then.
    const rights = ourUser() === 0 ? { mode: mode & 0o700, owner: user } : { mode }
    for (let attempt = 1; ; attempt++) {
      const path = join(this.directory, `${`${number}`.padStart(3, '0')}.${this.#made++}`)
      try {
        return { bound: native(() => sockets.bindSocket({ path, framing: 'datagram', ...rights })), path }
      } catch (error) {
        const { EADDRINUSE, EEXIST } = constants.errno
        const taken = [EADDRINUSE, EEXIST].includes((error as EtherloomError).errno ?? 0)
        if (!taken || attempt === attempts) throw error
      }
    }
  }

  /** Gives a port the VLANs of its number, unless it has gone. */
  async #settle(port: VdePeerPort): Promise<void> {
    const vlan = this.#numbers.vlansOf(port.number)
    const words = JSON.stringify(vlan ?? null)
    if (!vlan || port.id < 0 || this.#vlans.get(port) === words) return
    await this.fabric.configure(port, { vlan })
    this.#vlans.set(port, words)
  }
}

const ourUser = (): number => process.geteuid?.() ?? -1

function isSocket(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSocket() ?? false
}

/** Does what the system may refuse, and says what that was. @throws EtherloomError */
function inWords<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof EtherloomError) throw error
    const { errno = 0, syscall = '' } = error as NodeJS.ErrnoException
    throw fromNative({ errno: -errno, syscall, message: what })
  }
}

/** The number of a group by its name: of group(5), or of a directory of users, which getent(1) asks. */
async function groupNumber(group: string | number): Promise<number> {
  if (typeof group === 'number') return group
  const lines = inWords('cannot read the groups of this machine', () => readFileSync('/etc/group', 'utf8'))
  const here = lines.split('\n').find((each) => each.startsWith(`${group}:`)) ?? (await askForGroup(group))
  const number = here?.split(':')[2]?.trim()
  if (number === undefined || !/^\d+$/.test(number))
    return refuse("option 'group' of listen", 'a group that this machine knows, or its number', group)
  return Number(number)
}

/** What getent says of a group; undefined where it knows none, or is not there. */
async function askForGroup(group: string): Promise<string | undefined> {
  const env = { ...process.env, PATH: searchPath() }
  const asked = promisify(execFile)('getent', ['group', '--', group], { env, timeout: 5000 })
  return asked.then(({ stdout }) => stdout).catch(() => undefined)
}

/** @internal */
export const vdeServerKind: ServerKind<VdeServerOptions, VdeServer> = {
  key: 'vde',
  description: 'Programs of VDE, at the folder of a VDE switch.',
  options: vdeServerRules,
  make: (fabric, given, stopped) => new VdeServer(fabric, given, stopped),
  check: (given) => void read(given),
  listensAt: ({ directory, management }) => [
    { key: 'directory', place: directory },
    ...(management === undefined ? [] : [{ key: 'management', place: management }]),
  ],
}
