/**
 * VdeConsole: the management socket of a VDE switch (vde_switch(1), option `-M`), for unixterm, vdeterm, vdecmd and scripts.
 * Made by VdeServer.
 *
 * Theory of operation. Each line is a command. What it answers are lines between `0000 DATA END WITH '.'` and `.`, where there are
 * any, and then `1000 Success`, or 1000 and an errno with its words. Who sends many commands has no more of them read until these are
 * answered and the answers are taken, and others have their turn after each. A line that never ends ends its console alone.
 */
import { constants } from 'node:os'
import { createServer, type Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { native } from '../../binding.js'
import { listenAtPath } from '../../ports/path-server.js'
import type { Port, PortFabric } from '../../ports/port.js'
import { readAddress } from '../../values/addresses.js'
import { limits } from '../../values/limits.js'
import { visible } from '../../values/quote.js'

/** A peer of the server: see VdePeerPort. */
export interface ManagedPeer extends Port {
  readonly number: number
  readonly description: string
  readonly user: number
}

/** The server of such a console, as far as it can be asked there. */
export interface ManagedSwitch {
  readonly directory: string
  readonly fabric: PortFabric
  /** The rights of its sockets. */
  readonly mode: number
  /** How many peers there may be. */
  readonly peers: number
  ports(): readonly ManagedPeer[]
  sendAway(port: ManagedPeer): Promise<void>
  shutDown(): void
}

/** What errors are called here: programs compare the words. */
const refusals = {
  ENXIO: 'No such device or address',
  EIO: 'Input/output error',
  E2BIG: 'Argument list too long',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  EFBIG: 'File too large',
  ENOSYS: 'Function not implemented',
} as const

/** A command that is refused; nothing of it was done. */
class Refusal extends Error {
  constructor(readonly code: keyof typeof refusals) {
    super(refusals[code])
  }
}

const prompt = '\nvde$ '
const farewell = '9999 END OF SESSION'
/** How long a client that is ended has for reading what was said last, in milliseconds. */
const parting = 1000

interface Command {
  /** The words behind its name; those in brackets may be missing. */
  readonly syntax?: string
  readonly help: string
  /** What it answers: lines, none where it has nothing to say. */
  readonly answer: (here: VdeConsole, ...words: string[]) => readonly string[] | Promise<undefined>
}

const commands = new Map<string, Command>([
  ['help', { syntax: '[NAME]', help: 'these commands, or those of a name', answer: (_, name) => help(name) }],
  ['showinfo', { help: 'what this is', answer: (here) => here.info() }],
  ['ds/showinfo', { help: 'where peers connect', answer: (here) => here.place() }],
  [
    'port/showinfo',
    { help: 'the kind of the fabric, and how many peers it takes', answer: (here) => here.kind() },
  ],
  [
    'port/print',
    { syntax: '[N]', help: 'ports, with peers and counters', answer: (here, n) => here.ports(n) },
  ],
  [
    'port/allprint',
    { syntax: '[N]', help: 'the same: there is no port without peers', answer: (here, n) => here.ports(n) },
  ],
  [
    'port/epclose',
    { syntax: 'N ID', help: 'sends a peer of a port away', answer: (here, n, id) => here.endPeer(n, id) },
  ],
  ['vlan/print', { syntax: '[N]', help: 'VLANs, with ports', answer: (here, n) => here.vlans(n) }],
  ['vlan/allprint', { syntax: '[N]', help: 'the same', answer: (here, n) => here.vlans(n) }],
  ['hash/print', { help: 'addresses that a switch has learned', answer: (here) => here.addresses() }],
  [
    'hash/find',
    { syntax: 'MAC [VLAN]', help: 'where an address is', answer: (here, mac, vlan) => here.find(mac, vlan) },
  ],
  ['logout', { help: 'ends this connection', answer: () => [] }],
  ['shutdown', { help: 'ends all peers, and listens no more', answer: () => [] }],
])

/** A listening management socket. */
export class VdeConsole {
  readonly #path: string
  readonly #mode: number
  readonly #server: Server
  readonly #switch: ManagedSwitch
  readonly #began = performance.now()
  readonly #sockets = new Set<Socket>()

  private constructor(path: string, mode: number, server: Server, managed: ManagedSwitch) {
    this.#path = path
    this.#mode = mode
    this.#server = server
    this.#switch = managed
  }

  /** Listens at a path, which has these rights. @throws EtherloomError ERR_ETHERLOOM_DEVICE */
  static async listen(
    path: string,
    { mode, group }: { mode: number; group: number | undefined },
    managed: ManagedSwitch,
  ): Promise<VdeConsole> {
    const server = createServer()
    server.maxConnections = limits.vdeConsoles
    const made = new VdeConsole(path, mode, server, managed)
    server.on('connection', (socket) => void made.#serve(socket))
    await listenAtPath(server, path, { mode, group, advice: "choose another path for 'management'" })
    server.on('error', () => undefined) // a client that could not be taken, as where descriptors are used up
    return made
  }

  /** Listens no more, removes the path, and ends every connection. Idempotent. */
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
    try {
      await this.#converse(socket)
      // What it has sent beyond that is taken, so that it can still read what was said last.
      socket.end()
      socket.resume()
      setTimeout(() => socket.destroy(), parting).unref()
    } catch {
      socket.destroy() // the client has gone
    }
  }

  /** Answers line by line, until the client ends, or is ended. */
  async #converse(socket: Socket): Promise<void> {
    await send(socket, [...this.#banner(), prompt].join('\n'))
    let rest = ''
    for await (const piece of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const lines = (rest + piece.toString('latin1')).split('\n')
      rest = lines.pop() as string
      for (const line of lines) {
        const [name = '', ...words] = line.trim().split(/\s+/)
        const isRight = line.length <= limits.vdeCommand && words.length === 0
        if (isRight && (name === 'logout' || name === 'shutdown')) {
          await send(socket, farewell)
          if (name === 'shutdown') this.#switch.shutDown()
          return
        }
        await send(
          socket,
          line.length > limits.vdeCommand ? reply('E2BIG') : await this.#perform(name, words),
        )
        await setImmediate() // others have their turn
      }
      if (rest.length <= limits.vdeCommand) continue
      await send(socket, reply('E2BIG'))
      return
    }
  }

  async #perform(name: string, words: readonly string[]): Promise<string> {
    if (name === '') return prompt
    try {
      const command = commands.get(name)
      if (!command) throw new Refusal('ENOSYS')
      const wanted = command.syntax?.split(' ') ?? []
      const least = wanted.filter((word) => !word.startsWith('[')).length
      if (words.length < least || words.length > wanted.length) throw new Refusal('EINVAL')
      return reply(undefined, await command.answer(this, ...words))
    } catch (error) {
      return reply(error instanceof Refusal ? error.code : 'EIO')
    }
  }

  /** Clients look for the first words. */
  #banner(): string[] {
    const { fabric } = this.#switch
    return ['VDE switch V.2.3.2', `spoken by etherloom for the ${fabric.kind} ${fabric.name}`]
  }

  info(): string[] {
    const seconds = Math.floor((performance.now() - this.#began) / 1000)
    return [
      ...this.#banner(),
      '',
      `pid ${process.pid} uptime ${seconds}`,
      `mgmt ${visible(this.#path)} perm ${octal(this.#mode)}`,
    ]
  }

  place(): string[] {
    const { directory, mode } = this.#switch
    return [`ctl dir ${visible(directory)}`, `std mode ${octal(mode)}`]
  }

  kind(): string[] {
    const { fabric, peers } = this.#switch
    return [`Numports=${peers}`, `HUB=${fabric.kind !== 'switch'}`, 'counters=true']
  }

  ports(asked?: string): string[] {
    return this.#numbers(asked).flatMap(([number, peers]) => {
      const counters = peers.map((peer) => peer.stats())
      const sum = (way: 'received' | 'transmitted', what: 'frames' | 'bytes', room: number): string =>
        `${counters.reduce((all, counter) => all + counter[way][what], 0n)}`.padStart(room)
      const count = (way: 'received' | 'transmitted'): string =>
        `pkts ${sum(way, 'frames', 10)}          bytes ${sum(way, 'bytes', 20)}`
      return [
        `Port ${digits(number, 4)} untagged_vlan=0000 ACTIVE - Unnamed Allocatable`,
        ` Current User: ${peers[0]?.user} Access Control: (User: NONE - Group: NONE)`,
        ` IN:  ${count('received')}`,
        ` OUT: ${count('transmitted')}`,
        ...peers.map(
          ({ id, description, name }) =>
            `  -- endpoint ID ${digits(id, 4)} module unix prog   : ${description} (${name})`,
        ),
      ]
    })
  }

  async endPeer(asked?: string, id?: string): Promise<undefined> {
    const wanted = number(id)
    const peer = this.#numbers(asked)[0]?.[1].find((each) => each.id === wanted)
    if (!peer) throw new Refusal('ENXIO')
    await this.#switch.sendAway(peer)
  }

  /** Peers are in no VLAN of a switch, which VDE counts as VLAN 0. */
  vlans(asked?: string): string[] {
    if (asked !== undefined && number(asked) !== 0) throw new Refusal('ENXIO')
    const ports = this.#numbers().map(
      ([each]) => ` -- Port ${digits(each, 4)} tagged=0 active=1 status=Forwarding`,
    )
    return ['VLAN 0000', ...ports]
  }

  addresses(): string[] {
    const { fabric } = this.#switch
    if (fabric.kind !== 'switch') return []
    const places = new Map([...fabric.ports.values()].map(({ id, name }) => [id, name]))
    for (const peer of this.#peers()) places.set(peer.id, digits(peer.number, 3))
    const known = native(() => fabric.engine.native.addresses(fabric.id))
    if (known.length > limits.vdeAddresses) throw new Refusal('EFBIG')
    return known.flatMap(({ address: word, port, age }, row) => {
      const { address, vlan } = readAddress(word)
      const at = places.get(port)
      const seconds = age / 1_000_000_000n
      if (at === undefined) return []
      return [
        `Hash: ${digits(row, 4)} Addr: ${address} VLAN ${digits(vlan, 4)} to port: ${at}  age ${seconds} secs`,
      ]
    })
  }

  find(mac = '', vlan = '0'): string[] {
    if (!/^([\da-f]{2}:){5}[\da-f]{2}$/i.test(mac)) throw new Refusal('EINVAL')
    const words = ` Addr: ${mac.toLowerCase()} VLAN ${digits(number(vlan), 4)} `
    const found = this.addresses().filter((line) => line.includes(words))
    if (found.length === 0) throw new Refusal('ENODEV')
    return found
  }

  #peers(): ManagedPeer[] {
    return this.#switch.ports().filter(({ id }) => id >= 0) // not those that come or go just now
  }

  /** Its ports by their numbers, each with its peers; of one number, where it is asked for. */
  #numbers(asked?: string): [number, ManagedPeer[]][] {
    const wanted = asked === undefined ? undefined : number(asked)
    const found = new Map<number, ManagedPeer[]>()
    for (const peer of this.#peers())
      if (wanted === undefined || peer.number === wanted)
        found.set(peer.number, [...(found.get(peer.number) ?? []), peer])
    if (wanted !== undefined && found.size === 0) throw new Refusal('ENXIO')
    return [...found].sort(([left], [right]) => left - right)
  }
}

/** Commands in a table, as clients take it apart to complete what is typed. */
function help(asked = ''): string[] {
  const row = (name: string, syntax: string, words: string): string =>
    `${name.padEnd(18)} ${syntax.padEnd(15)} ${words}`
  const rows = [...commands].flatMap(([name, { syntax = '', help: words }]) =>
    asked === '' || name === asked || name.startsWith(`${asked}/`) ? [row(name, syntax, words)] : [],
  )
  return [
    row('COMMAND PATH', 'SYNTAX', 'HELP'),
    row('------------', '--------------', '------------'),
    ...rows,
  ]
}

/** An answer as it is sent, with what asks for the next command. */
function reply(refusal: keyof typeof refusals | undefined, lines?: readonly string[]): string {
  const data = lines ? ["0000 DATA END WITH '.'", ...lines, '.'] : []
  const end =
    refusal === undefined ? '1000 Success' : `1${digits(constants.errno[refusal], 3)} ${refusals[refusal]}`
  return [...data, end, prompt].join('\n')
}

function number(word = ''): number {
  if (!/^\d{1,9}$/.test(word)) throw new Refusal('EINVAL')
  return Number(word)
}

const digits = (value: number, room: number): string => `${value}`.padStart(room, '0')
const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

/** Resolves when the client has taken so much that more can be sent. */
async function send(socket: Socket, text: string): Promise<void> {
  if (socket.destroyed) throw new Error('the client has gone')
  await new Promise<void>((resolve, reject) =>
    socket.write(text, (error) => (error ? reject(error) : resolve())),
  )
}
