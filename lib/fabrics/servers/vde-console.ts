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
import { EtherloomError } from '../../values/errors.js'
import { readBytes } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import { visible } from '../../values/quote.js'
import { lastPort } from '../../ports/vde-request.js'
import { usualVlan, type VdeNumbers, type VdeRefusal } from './vde-numbers.js'

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
  /** What was said of the numbers of its ports. */
  readonly numbers: VdeNumbers
  /** Gives all peers the VLANs of their numbers. */
  settleVlans(): Promise<void>
  ports(): readonly ManagedPeer[]
  sendAway(port: ManagedPeer): Promise<void>
  shutDown(): void
}

/** What errors are called here: programs compare the words. */
const refusals = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EEXIST: 'File exists',
  EADDRINUSE: 'Address already in use',
  ENOSPC: 'No space left on device',
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
  /** `lines` say more, where the code alone does not. */
  constructor(
    readonly code: keyof typeof refusals,
    readonly lines?: readonly string[],
  ) {
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
  /** It lists something: where it is refused, a list of nothing comes first, as from vde_switch. */
  readonly lists?: boolean
  /** What it answers: lines, none where it has nothing to say. */
  readonly answer: (
    here: VdeConsole,
    ...words: string[]
  ) => readonly string[] | Promise<readonly string[] | undefined>
}

/** Commands of vde_switch that have no counterpart, by their names or what these begin with, and why. */
const without: readonly (readonly [name: string, why: string])[] = [
  ['port/sethub', 'whether this is a hub or a switch is said where it is made'],
  ['port/setnumports', "every number can be used; how many peers there may be is 'peers' of listen"],
  ['port/setuser', 'who may connect is what the rights of the folder say'],
  ['port/setgroup', 'who may connect is what the rights of the folder say'],
  ['port/resetcounter', 'counters here are for all who look at the fabric, and are never set back'],
  [
    'hash/set',
    "how many addresses are known and how long is said where the switch is made: 'addresses', 'ageing'",
  ],
  ['fstp/', 'there is no spanning tree here'],
  ['plugin/', 'plug-ins of vde_switch are parts of that program'],
  ['debug/', 'events are told to the program that made this, and by etherloom show --follow'],
]

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
    {
      syntax: '[N]',
      help: 'ports, with peers and counters',
      lists: true,
      answer: (here, n) => here.ports(false, n),
    },
  ],
  [
    'port/allprint',
    {
      syntax: '[N]',
      help: 'the same, and ports without peers',
      lists: true,
      answer: (here, n) => here.ports(true, n),
    },
  ],
  [
    'port/create',
    {
      syntax: 'N',
      help: 'keeps a number for peers that ask for it',
      answer: (here, n) => here.createPort(portNumber(n)),
    },
  ],
  ['port/createauto', { help: 'the same for the lowest free number', answer: (here) => here.createPort() }],
  [
    'port/remove',
    {
      syntax: 'N',
      help: 'forgets what was said of a number that has no peers',
      answer: (here, n) => here.change((numbers) => numbers.remove(portNumber(n))),
    },
  ],
  [
    'port/allocatable',
    {
      syntax: 'N 0/1',
      help: 'whether a peer that asks for no number may get it',
      answer: (here, n, on) =>
        here.change((numbers) => numbers.setAllocatable(portNumber(n), number(on) !== 0)),
    },
  ],
  [
    'port/setvlan',
    {
      syntax: 'N VLAN',
      help: 'the VLAN of frames without a tag',
      answer: (here, n, vlan) =>
        here.changeVlans((numbers) => numbers.setUntagged(portNumber(n), number(vlan))),
    },
  ],
  [
    'port/epclose',
    { syntax: 'N ID', help: 'sends a peer of a port away', answer: (here, n, id) => here.endPeer(n, id) },
  ],
  [
    'vlan/create',
    {
      syntax: 'N',
      help: 'makes a VLAN, 2 to 4094',
      answer: (here, n) => here.createVlan(number(n)),
    },
  ],
  [
    'vlan/remove',
    {
      syntax: 'N',
      help: 'removes a VLAN that no port is in',
      answer: (here, n) => here.changeVlans((numbers) => numbers.removeVlan(number(n))),
    },
  ],
  [
    'vlan/addport',
    {
      syntax: 'N PORT',
      help: 'puts a port into a VLAN, with tags',
      answer: (here, n, port) =>
        here.changeVlans((numbers) => numbers.addTagged(number(n), portNumber(port))),
    },
  ],
  [
    'vlan/delport',
    {
      syntax: 'N PORT',
      help: 'takes it out again',
      answer: (here, n, port) =>
        here.changeVlans((numbers) => numbers.removeTagged(number(n), portNumber(port))),
    },
  ],
  [
    'vlan/print',
    {
      syntax: '[N]',
      help: 'VLANs, with ports that have peers',
      lists: true,
      answer: (here, n) => here.vlans(false, n),
    },
  ],
  [
    'vlan/allprint',
    { syntax: '[N]', help: 'the same with all ports', lists: true, answer: (here, n) => here.vlans(true, n) },
  ],
  ['hash/showinfo', { help: 'how many addresses, and how long', answer: (here) => here.table() }],
  [
    'hash/print',
    { help: 'addresses that a switch has learned', lists: true, answer: (here) => here.addresses() },
  ],
  [
    'hash/find',
    {
      syntax: 'MAC [VLAN]',
      help: 'where an address is',
      lists: true,
      answer: (here, mac, vlan) => here.find(mac, vlan),
    },
  ],
  [
    'load',
    {
      syntax: 'PATH',
      help: 'does the commands of a file',
      answer: (here, path) => here.load(path),
    },
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
          line.length > limits.vdeCommand
            ? `${reply('E2BIG')}\n${prompt}`
            : name === ''
              ? prompt
              : `${await this.#perform(name, words)}\n${prompt}`,
        )
        await setImmediate() // others have their turn
      }
      if (rest.length <= limits.vdeCommand) continue
      await send(socket, `${reply('E2BIG')}\n${prompt}`)
      return
    }
  }

  async #perform(name: string, words: readonly string[]): Promise<string> {
    const command = commands.get(name)
    try {
      if (!command) {
        const why = without.find(([its]) => name === its || (/[/t]$/.test(its) && name.startsWith(its)))
        throw new Refusal('ENOSYS', why && [why[1]])
      }
      const wanted = command.syntax?.split(' ') ?? []
      const least = wanted.filter((word) => !word.startsWith('[')).length
      if (words.length < least || words.length > wanted.length) throw new Refusal('EINVAL')
      return reply(undefined, await command.answer(this, ...words))
    } catch (error) {
      if (!(error instanceof Refusal)) return reply('EIO')
      return reply(error.code, error.lines ?? (command?.lists ? [] : undefined))
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

  /** Where VLANs can be, changes what was said of them. @throws Refusal */
  async changeVlans(work: (numbers: VdeNumbers) => VdeRefusal | undefined): Promise<undefined> {
    this.#insistOnSwitch('VLANs')
    await this.change(work)
    await this.#switch.settleVlans()
  }

  async createVlan(vlan: number): Promise<undefined> {
    if (vlan === 1)
      throw new Refusal('EEXIST', ['VLAN 1 is VLAN 0 here: that of ports that were put into no other'])
    await this.changeVlans((numbers) => numbers.createVlan(vlan))
  }

  /** @throws Refusal */
  async change(work: (numbers: VdeNumbers) => VdeRefusal | undefined): Promise<undefined> {
    const refusal = work(this.#switch.numbers)
    if (refusal) throw new Refusal(refusal)
    await Promise.resolve() // a change is an answer that says nothing
  }

  /** Of a number, or of one that it finds and says. */
  createPort(asked?: number): Promise<string[] | undefined> {
    const made = this.#switch.numbers.create(asked)
    if (typeof made === 'string') throw new Refusal(made)
    return Promise.resolve(asked === undefined ? [`Port ${digits(made.number, 4)}`] : undefined)
  }

  #insistOnSwitch(what: string): void {
    const { kind } = this.#switch.fabric
    if (kind !== 'switch') throw new Refusal('ENOSYS', [`${what} are a switch's, and this is a ${kind}`])
  }

  table(): string[] {
    const { table } = this.#switch.fabric
    this.#insistOnSwitch('addresses')
    const { addresses = 0, ageing = 0n } = table ?? {}
    return [`Hash size ${addresses}`, `GC expire ${ageing / 1_000_000_000n} secs`]
  }

  /** Does what a file says, line by line; also where one of them is refused. */
  async load(path = ''): Promise<string[]> {
    const said: string[] = []
    for (const [index, line] of readCommands(path).entries()) {
      const [name = '', ...words] = line.trim().split(/\s+/)
      if (name === '' || name.startsWith('#')) continue
      // What is no command is not shown: the file may be none of commands, and others' secret.
      const isKnown = commands.has(name) && !['load', 'logout', 'shutdown'].includes(name)
      said.push(
        isKnown
          ? `vde[${visible(path)}]: ${visible(line.trim())}`
          : `vde[${visible(path)}]: line ${index + 1}`,
      )
      // No lists: a short file could ask for very many of them.
      said.push((isKnown ? await this.#perform(name, words) : reply('ENOSYS')).split('\n').at(-1) as string)
      await setImmediate() // others have their turn
    }
    return said
  }

  ports(all: boolean, asked?: string): string[] {
    return this.#numbers(all, asked).flatMap(([number, peers]) => {
      const { untagged, allocatable } = this.#switch.numbers.of(number)
      const state = peers.length > 0 ? 'ACTIVE' : 'INACTIVE'
      const counters = peers.map((peer) => peer.stats())
      const sum = (way: 'received' | 'transmitted', what: 'frames' | 'bytes', room: number): string =>
        `${counters.reduce((all, counter) => all + counter[way][what], 0n)}`.padStart(room)
      const count = (way: 'received' | 'transmitted'): string =>
        `pkts ${sum(way, 'frames', 10)}          bytes ${sum(way, 'bytes', 20)}`
      return [
        `Port ${digits(number, 4)} untagged_vlan=${digits(untagged, 4)} ${state} - ${allocatable ? '' : 'NOT '}Unnamed Allocatable`,
        ` Current User: ${peers[0]?.user ?? 'NONE'} Access Control: (User: NONE - Group: NONE)`,
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
    const peer = this.#numbers(false, asked)[0]?.[1].find((each) => each.id === wanted)
    if (!peer) throw new Refusal('ENXIO')
    await this.#switch.sendAway(peer)
  }

  vlans(all: boolean, asked?: string): string[] {
    const { numbers } = this.#switch
    const wanted = asked === undefined ? undefined : number(asked)
    if (wanted !== undefined && !numbers.vlans.includes(wanted)) throw new Refusal('ENXIO')
    const ports = this.#numbers(all)
    return numbers.vlans
      .filter((vlan) => wanted === undefined || vlan === wanted)
      .flatMap((vlan) => [
        `VLAN ${digits(vlan, 4)}`,
        ...ports.flatMap(([each, peers]) => {
          const its = numbers.membership(each, vlan)
          const [active, status] = peers.length > 0 ? [1, 'Forwarding'] : [0, 'Learning']
          if (!its) return []
          return [
            ` -- Port ${digits(each, 4)} tagged=${its === 'tagged' ? 1 : 0} active=${active} status=${status}`,
          ]
        }),
      ])
  }

  addresses(): string[] {
    const { fabric, numbers } = this.#switch
    if (fabric.kind !== 'switch') return []
    const places = new Map([...fabric.ports.values()].map(({ id, name }) => [id, name]))
    for (const peer of this.#peers()) places.set(peer.id, digits(peer.number, 3))
    const known = native(() => fabric.engine.native.addresses(fabric.id))
    if (known.length > limits.vdeAddresses) throw new Refusal('EFBIG')
    return known.flatMap(({ address: word, port, age }, row) => {
      const { address, vlan: its } = readAddress(word)
      const vlan = its === 1 && numbers.hasVlans ? usualVlan : its
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

  /** Its ports by their numbers, each with its peers, also those without where all are meant; of one number, where it is asked for. */
  #numbers(all: boolean, asked?: string): [number, ManagedPeer[]][] {
    const wanted = asked === undefined ? undefined : number(asked)
    const found = new Map<number, ManagedPeer[]>()
    for (const known of all ? this.#switch.numbers.known : [])
      if (wanted === undefined || known === wanted) found.set(known, [])
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

/** An answer, without what asks for the next command. */
function reply(refusal: keyof typeof refusals | undefined, lines?: readonly string[]): string {
  const data = lines ? ["0000 DATA END WITH '.'", ...lines, '.'] : []
  const end =
    refusal === undefined ? '1000 Success' : `1${digits(constants.errno[refusal], 3)} ${refusals[refusal]}`
  return [...data, end].join('\n')
}

function number(word = ''): number {
  if (!/^\d{1,9}$/.test(word)) throw new Refusal('EINVAL')
  return Number(word)
}

function portNumber(word?: string): number {
  const asked = number(word)
  if (asked < 1 || asked > lastPort) throw new Refusal('EINVAL')
  return asked
}

/** The lines of a file of commands. @throws Refusal */
function readCommands(path: string): string[] {
  if (!path.startsWith('/')) throw new Refusal('EINVAL', ['name the file by its whole path'])
  try {
    const wanted = {
      subject: 'the file',
      most: limits.vdeCommandFile,
      code: 'ERR_ETHERLOOM_OPTION',
      smaller: 'make several of it',
    } as const
    return readBytes(path, wanted).toString('latin1').split('\n')
  } catch (error) {
    if (!(error instanceof EtherloomError)) throw error
    const code = (error.cause as NodeJS.ErrnoException | undefined)?.code
    if (code === 'ENOENT' || code === 'EACCES') throw new Refusal(code)
    throw new Refusal('EINVAL', [visible(error.message)])
  }
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
