/**
 * The elements that the files of TME's machines create and connect, and the arguments of those that touch a network.
 * Called by tmesh.ts.
 *
 * As in tmesh, names belong to one file, an element must be there before another is connected with it, and a network
 * element has one connection, which may be with itself.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { FileProblem } from '../file-problem.js'
import type { Connection, Word } from './tmesh-grammar.js'
import { quote, shorten } from '../../values/quote.js'

/** `part`: of a machine. `host`: another element of the host's, such as a serial line. The rest touch networks. */
export type ElementKind = 'tap' | 'bpf' | 'link' | 'network' | 'host' | 'part'

/** What a module is, by its path. */
export function kindOf(module: Word): ElementKind {
  const path = module.text.replace(/^\w+\//, '')
  return kinds.find(([pattern]) => pattern.test(path))?.[1] ?? 'part'
}

/** The module of a part that another file has. */
const elsewhere: Word = { text: '', file: '', line: 1, column: 1 }

/** One element of one machine. */
export interface Element {
  machine: string
  name: string
  /** Where it is created. */
  at: Word
  module: string
  kind: ElementKind
  settings: Word[]
  /** What it is connected with, itself included. Of a network element only. */
  peer?: Element
}

/** What is found on the way, with its places. */
export class Findings {
  readonly problems: FileProblem[] = []
  readonly notes: FileProblem[] = []

  problem({ file, line, column }: Word, message: string): void {
    this.problems.push({ file, line, column, message })
  }

  note({ file, line, column }: Word, message: string): void {
    this.notes.push({ file, line, column, message })
  }
}

const kinds: [RegExp, ElementKind][] = [
  [/^host\/tun\/tap$/, 'tap'],
  [/^host\/openvpn\/(tun\/)?tap$/, 'tap'],
  [/^host\/bsd\/bpf$/, 'bpf'],
  [/^host\/openvpn\/socket\/link$/, 'link'],
  [/^host\/(tun|bsd|openvpn|netmap)\//, 'network'],
  [/^host\//, 'host'],
]

/** The elements of one machine's file: takes its statements in their order. */
export class Machine {
  readonly elements = new Map<string, Element>()
  readonly #name: string
  readonly #findings: Findings
  readonly #fragment: boolean
  readonly #missing = new Set<string>()

  /** A `fragment` has lines about networks and none about a machine: what they are connected with is somewhere else. */
  constructor(name: string, findings: Findings, { fragment }: { fragment: boolean }) {
    this.#name = name
    this.#findings = findings
    this.#fragment = fragment
  }

  /** Gives an element a second name: the one of the two that there is none of yet. False where there is neither. */
  alias(one: Word, two: Word): boolean {
    const [first, second] = [this.elements.get(one.text), this.elements.get(two.text)]
    if (first && second)
      this.#findings.problem(two, `${quote(one.text)} and ${quote(two.text)} are two elements already`)
    const element = first ?? second
    if (element && !(first && second)) this.elements.set(first ? two.text : one.text, element)
    return element !== undefined
  }

  add({ name, words, at, module, settings }: Connection): void {
    const other = at && this.#end(at.name, module) // before anything is created: nothing is connected with what comes later
    const known = this.elements.get(name.text)
    if (module && known) {
      this.#findings.problem(name, `${quote(name.text)} exists already, since line ${known.at.line}`)
      return
    }
    const element = module ? this.#create(name, module, settings) : this.#find(name)
    if (at === undefined || element === undefined || other === undefined) return
    if (!this.#isFree(name, element, other) || !this.#isFree(at.name, other, element)) return
    if (isNetwork(element)) element.peer = other
    if (isNetwork(other)) other.peer = element
    const left = [...words, ...at.words]
    if (left[0] && isNetwork(element) && isNetwork(other))
      this.#findings.note(
        left[0],
        `left out: ${textOf(left)}; connections between elements of networks have no arguments`,
      )
  }

  #create(name: Word, module: Word, settings: Word[]): Element {
    const element = {
      machine: this.#name,
      name: name.text,
      at: name,
      module: module.text,
      kind: kindOf(module),
      settings,
    }
    this.elements.set(name.text, element)
    return element
  }

  /** What a line connects its element with. In a fragment that may be a part which another file has. */
  #end(name: Word, module: Word | undefined): Element | undefined {
    if (this.#fragment && module && !this.elements.has(name.text)) {
      this.#findings.note(name, `no line here makes ${quote(name.text)}: taken as a part of a machine`)
      return this.#create(name, elsewhere, [])
    }
    return this.#find(name)
  }

  #find(word: Word): Element | undefined {
    const { text } = word
    const element = this.elements.get(text)
    if (element === undefined && !this.#missing.has(text)) {
      this.#missing.add(text)
      this.#findings.problem(word, `no element ${quote(text)} before this line`)
    }
    return element
  }

  /** Whether an element can be connected: one that touches a network has one connection. */
  #isFree(word: Word, element: Element, other: Element): boolean {
    if (!isNetwork(element) || element.peer === undefined) return true
    this.#findings.problem(
      word,
      `${quote(element.name)} is connected with ${quote(element.peer.name)} already and cannot be with ${quote(other.name)} too`,
    )
    return false
  }
}

export const isNetwork = ({ kind }: Element): boolean => kind !== 'host' && kind !== 'part'

/** Words as messages quote them. */
export const textOf = (words: readonly Word[]): string =>
  shorten(words.map(({ text }) => text).join(' '), 200)

export interface Tap {
  /** Absent: the kernel's next free `tap0`, `tap1`, ... */
  interface?: string
  address?: string
  /** The interface that addresses are translated for. */
  nat?: string
}

export interface Bpf {
  /** Absent: the first interface of the machine that runs it, other than the loopback. */
  interface?: string
  /** Microseconds. */
  delay?: number
}

export interface Link {
  local?: string
  localPort: number
  remote?: string
  remotePort: number
  /** Seconds between signs of life. */
  ping?: number
}

type TapKey = 'interface' | 'inet' | 'netmask' | 'bcast' | 'nat'

/** The arguments of `tme/host/tun/tap`, or of the tap in the words of OpenVPN. */
export function readTap(element: Element, findings: Findings): Tap {
  const { settings, module } = element
  const given = module.includes('/openvpn/')
    ? pairsOf<TapKey>(
        element,
        findings,
        { '--dev': 'interface', '--ifconfig': 'inet' },
        { '--ifconfig': 'netmask' },
      )
    : pairsOf<TapKey>(element, findings, {
        interface: 'interface',
        inet: 'inet',
        netmask: 'netmask',
        bcast: 'bcast',
        nat: 'nat',
      })
  const { inet, netmask, bcast, nat } = given
  const tap: Tap = {}
  if (given.interface) tap.interface = checkedInterface(given.interface, findings)
  if (inet && !isIPv4(inet.text)) findings.problem(inet, `${quote(inet.text)} is no IPv4 address`)
  else if (inet) {
    const bits = prefixLength(inet, netmask, findings)
    tap.address = `${inet.text}/${bits}`
    if (bcast && bcast.text !== broadcastOf(inet.text, bits))
      findings.note(
        bcast,
        `left out: bcast ${bcast.text}; the broadcast address of ${tap.address} is ${broadcastOf(inet.text, bits)}`,
      )
  } else
    findings.note(
      settings[0] ?? element.at,
      `${quote(element.name)} has no address: give the port 'host' its 'addresses'`,
    )
  if (nat && nat.text !== 'none') {
    tap.nat = nat.text
    if (!inet)
      findings.problem(nat, `'nat' of ${quote(element.name)} needs an address of its own: give it 'inet'`)
  }
  if (!nat)
    findings.note(
      element.at,
      "without 'nat' TME may translate for the first interface that it finds; this does not: for a gateway, give the port 'host' a 'gateway'",
    )
  return tap
}

/** The arguments of `tme/host/bsd/bpf`. */
export function readBpf(element: Element, findings: Findings): Bpf {
  const given = pairsOf(element, findings, { interface: 'interface', delay: 'delay', rbufsz: 'rbufsz' })
  const bpf: Bpf = {}
  if (given.interface) bpf.interface = checkedInterface(given.interface, findings)
  if (given.delay && /^\d+$/.test(given.delay.text)) bpf.delay = Number(given.delay.text)
  else if (given.delay)
    findings.problem(given.delay, `${quote(given.delay.text)} is no number of microseconds`)
  if (given.rbufsz) findings.note(given.rbufsz, 'left out: rbufsz; ports have no buffer of a size to choose')
  return bpf
}

/** The arguments of `tme/host/openvpn/socket/link`, which are options of OpenVPN. */
export function readLink(element: Element, findings: Findings): Link {
  const { settings } = element
  const link: Link = { localPort: 1194, remotePort: 1194 }
  for (let index = 0; index < settings.length;) {
    const option = settings[index] as Word
    const following = settings.slice(index + 1)
    const end = following.findIndex(({ text }) => text.startsWith('--'))
    const values = end < 0 ? following : following.slice(0, end)
    index += 1 + values.length
    const [value, second] = values
    const port = (word: Word | undefined): number => {
      if (word && /^\d+$/.test(word.text) && Number(word.text) >= 1 && Number(word.text) <= 65_535)
        return Number(word.text)
      findings.problem(word ?? option, `${option.text} needs a port from 1 to 65535`)
      return 1194
    }
    const address = (): string => {
      if (value && (isIPv6(value.text) || /^[\w.-]+$/.test(value.text))) return value.text
      findings.problem(value ?? option, `${option.text} needs an address`)
      return '0.0.0.0'
    }
    switch (option.text) {
      case '--local':
        link.local = address()
        break
      case '--remote':
        link.remote = address()
        if (second) link.remotePort = port(second)
        break
      case '--port':
        link.localPort = link.remotePort = port(value)
        break
      case '--lport':
        link.localPort = port(value)
        break
      case '--rport':
        link.remotePort = port(value)
        break
      case '--ping':
        link.ping = Number(value?.text)
        if (!Number.isInteger(link.ping) || link.ping < 1)
          findings.problem(value ?? option, '--ping needs a number of seconds')
        break
      case '--proto':
        if (value?.text !== 'udp')
          findings.note(
            option,
            `${textOf([option, ...values])} is UDP here: give the emulator at the other end --proto udp`,
          )
        break
      case '--dev':
        if (value?.text !== 'tap')
          findings.problem(value ?? option, '--dev must be tap: a link carries Ethernet frames')
        break
      default:
        findings.note(option, `left out: ${textOf([option, ...values])}`)
    }
  }
  return link
}

/** Arguments in pairs of key and value, by the name that `keys` has for them; `also` names the second of two values. */
function pairsOf<Key extends string>(
  { name, settings }: Element,
  findings: Findings,
  keys: Partial<Record<string, Key>>,
  also: Partial<Record<string, Key>> = {},
): Partial<Record<Key, Word>> {
  const values: Partial<Record<Key, Word>> = {}
  for (let index = 0; index < settings.length;) {
    const key = settings[index++] as Word
    const value = settings[index++]
    const known = Object.hasOwn(keys, key.text) ? keys[key.text] : undefined
    const second = Object.hasOwn(also, key.text) ? also[key.text] : undefined
    if (value === undefined) findings.problem(key, `${quote(key.text)} of ${quote(name)} needs a value`)
    else if (known === undefined) findings.note(key, `left out: ${textOf([key, value])}`)
    else values[known] = value
    if (second !== undefined) {
      const next = settings[index++]
      if (next) values[second] = next
    }
  }
  return values
}

function checkedInterface(word: Word, findings: Findings): string {
  if (!/^(?!\.{1,2}$)[^\s/:]{1,15}$/.test(word.text))
    findings.problem(word, `${quote(word.text)} is no name of an interface: 1 to 15 characters without '/'`)
  return word.text
}

/** Of an address and its mask; without one, what the kernel takes for the address's class. */
function prefixLength(inet: Word, netmask: Word | undefined, findings: Findings): number {
  if (netmask === undefined) {
    const first = Number.parseInt(inet.text, 10)
    const bits = first < 128 ? 8 : first < 192 ? 16 : 24
    findings.note(inet, `no netmask: ${inet.text} is taken as /${bits}, after its class`)
    return bits
  }
  const binary = isIPv4(netmask.text) ? bitsOf(netmask.text) : 'none'
  if (!/^1*0*$/.test(binary)) findings.problem(netmask, `${quote(netmask.text)} is no netmask`)
  return binary.replace(/0*$/, '').length
}

const bitsOf = (address: string): string =>
  address
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('')

function broadcastOf(address: string, bits: number): string {
  const all = bitsOf(address).slice(0, bits).padEnd(32, '1')
  return [0, 8, 16, 24].map((from) => Number.parseInt(all.slice(from, from + 8), 2)).join('.')
}

/** An address and a port as one word. */
export const endpoint = (address: string, port: number): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
