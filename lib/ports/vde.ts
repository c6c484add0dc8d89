/** VdePort: a port of a VDE switch, of vde_switch or of another fabric that listens for VDE. */
import path from 'node:path'
import { constants } from 'node:os'
import { native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import {
  about,
  file,
  integer,
  optionsReader,
  refuse,
  required,
  text,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { patience } from '../values/patience.js'
import { unlessAborted } from '../values/signals.js'
import type { PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { SocketPort } from './socket.js'
import { padRule, sockets } from './sockets.js'
import { descriptionSize, lastPort, readReply, writeRequest } from './vde-request.js'

/** The switch that a VdePort connects to, and what it asks for there. */
export interface VdePortOptions {
  /** The folder of the switch, as `/run/vde.ctl`: what `-s` of vde_switch names. At most 90 bytes. */
  vde: string
  /** The number of the switch's port, 1 to 16777215; others can have the same. Default: one that is free. */
  port?: number
  /** What the switch is told who this is, at most 128 characters. Default: the names of port and fabric. */
  description?: string
  /**
   * Fills frames that go out with zeros up to 60 bytes, as a network card does: for emulated cards that refuse shorter ones.
   * Default false.
   */
  pad?: boolean
  /** Default `vde%d`. */
  name?: string
}

/** @internal Bytes of the longest frame that programs of VDE pass on: a jumbo frame with a VLAN tag. */
export const vdeFrameLimit = 9216 + 14 + 4

/** Bytes that the name of a switch's folder may have, so that there is room for those of sockets in it. */
const folderLimit = 90

/** @internal The rule for the folder of a switch. */
export const vdeFolderRule = file('the folder of a VDE switch')

/** @internal The whole name of a switch's folder. */
export function vdeFolder(given: string, subject: string): string {
  const folder = path.resolve(given)
  if (Buffer.byteLength(folder) <= folderLimit) return folder
  return refuse(
    subject,
    `a folder whose name has at most ${folderLimit} bytes, for sockets in it need names, too`,
    folder,
  )
}

/** How long a switch may take to answer, in milliseconds. */
const answerLimit = 2000

/** Where a socket of our own may be, if not beside those of the switch. */
const otherFolders = ['/var/run', '/var/tmp', '/tmp']

/** Counts the sockets that this process has made. */
let made = 0

const folder = required(about('The folder of a VDE switch, to which the port connects.', vdeFolderRule))
const inFiles = {
  port: about("The number of the switch's port. Default: one that is free.", integer(1, lastPort)),
  description: about(
    'What the switch is told who this is. Default: the names of port and fabric.',
    text({ max: descriptionSize }),
  ),
  pad: padRule,
}

const readVdeOptions = optionsReader('VdePort', {
  vde: folder,
  ...inFiles,
  name: about("The port's name. Default: vde and a number.", nameRule()),
} satisfies RulesOf<VdePortOptions>)

const vdeKeys = { vde: folder, ...inFiles }

/**
 * A port of a VDE switch that runs on this machine: vde_switch, or a fabric here or in another process that listens for VDE
 * (`Fabric.listen`). Frames up to 9234 bytes pass.
 *
 * While the switch is not there the port is down, and what is sent to it is dropped as `port-down`; it comes up as soon as there
 * is one again. What the switch does not take in time is dropped as `port-full`. Privilege: the rights to the folder.
 *
 * @example
 * const uplink = await hub.attach(new VdePort({ vde: '/run/vde.ctl', port: 2 }))
 */
export class VdePort extends SocketPort {
  readonly #folder: string
  readonly #options: ReturnType<typeof readVdeOptions>

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: VdePortOptions) {
    const given = readVdeOptions(options)
    const folder = vdeFolder(given.vde, "option 'vde' of VdePort")
    super({ name: given.name ?? 'vde%d', frameLimit: vdeFrameLimit, pad: given.pad }, folder)
    this.#folder = folder
    this.#options = given
  }

  protected override async nextPeer(fabric: PortFabric, signal?: AbortSignal): Promise<unknown> {
    const control = native(
      () => sockets.connectSocket({ path: `${this.#folder}/ctl`, framing: 'stream' }).socket,
    )
    let bound: unknown
    try {
      const { user } = native(() => sockets.peerIdentity(control))
      const own = this.#bind(user)
      bound = own.bound
      const { port, description = `${this.name} of ${fabric.name}, etherloom PID=${process.pid}` } =
        this.#options
      const request = writeRequest({ port, description, socket: Buffer.from(own.path) })
      native(() => {
        sockets.sendBytes(control, request)
      })
      const reply = await this.#reply(fabric, control, signal)
      return native(() => {
        // vde_switch gives its sockets to their users where it can.
        sockets.connectPeer(bound, reply, Uint32Array.of(user, process.geteuid?.() ?? user))
        return sockets.makeDatagramPort(bound, {
          frameLimit: vdeFrameLimit,
          pad: this.#options.pad,
          control,
        })
      })
    } finally {
      if (bound !== undefined) sockets.closeSocket(bound) // its path; the port has the socket
      sockets.closeSocket(control)
    }
  }

  /** A socket that a switch of that user can send to. */
  #bind(user: number): { bound: unknown; path: string } {
    const mode = user === 0 || user === process.geteuid?.() ? 0o700 : 0o777
    const [pid, number] = [process.pid, made++].map((each) => `${each}`.padStart(5, '0'))
    const places = [
      `${this.#folder}/.${pid}-${number}`,
      ...otherFolders.map((folder) => `${folder}/vde.${pid}-${number}`),
    ]
    let refusal: unknown
    for (const path of places) {
      try {
        return { bound: native(() => sockets.bindSocket({ path, framing: 'datagram', mode })), path }
      } catch (error) {
        refusal ??= error
      }
    }
    throw refusal
  }

  /** The path of the switch's socket. @throws EtherloomError when it gives none */
  async #reply(fabric: PortFabric, control: unknown, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const refused = (why: string): EtherloomError => {
      const { port } = this.#options
      const what = port === undefined ? 'no port' : `no port ${port}`
      const hint =
        port === undefined ? undefined : 'see whether it has so many ports, and lets you have this one'
      return new EtherloomError(
        'ERR_ETHERLOOM_DEVICE',
        `the switch at ${this.#folder} gives ${what}: ${why}`,
        {
          errno: constants.errno.EACCES,
          hint,
        },
      )
    }
    let answered = (): void => undefined
    const silent = new Promise<never>((_, reject) => {
      answered = patience(answerLimit, () => {
        reject(refused('it does not answer'))
      })
    })
    let got: Uint8Array = new Uint8Array()
    try {
      for (;;) {
        let unwatch = (): void => undefined
        const readable = new Promise<void>((resolve) => {
          unwatch = fabric.engine.watches.socket(control, 'readable', resolve)
        })
        await unlessAborted(Promise.race([readable, silent]), signal).finally(unwatch)
        const bytes = native(() => sockets.receiveBytes(control, 256))
        if (bytes?.length === 0) throw refused('it has closed the connection')
        got = Buffer.concat([got, bytes ?? new Uint8Array()])
        const path = readReply(got)
        if (path) return path
      }
    } catch (error) {
      if (error instanceof EtherloomError || signal?.aborted) throw error
      throw refused((error as Error).message)
    } finally {
      answered()
    }
  }
}

/** @internal */
export const vdeKind: PortKind<Omit<VdePortOptions, 'name'>, VdePort> = {
  key: 'vde',
  options: vdeKeys,
  make: (name, given) => new VdePort({ ...given, name }),
  leadsTo: ({ vde }) => vde,
}
