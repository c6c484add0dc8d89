/**
 * The machine descriptions of TME, The Machine Emulator, as they are typed at tmesh. Called by tmesh.ts.
 *
 * Theory of operation. An interface is a segment: TME makes it (a tap element), or it is there already (a bpf element
 * names it). Elements that are connected with each other join their segments, and each segment becomes a hub:
 *
 * - A tap element is a TAP with the host's address, port `host`. Where machines open packet sockets on the interface, or
 *   the element is connected with itself to let the host hear them, the address moves to a TAP of its own, and the
 *   interface of the given name is a second port, to which the machines attach as ever. What the self-pairing did by
 *   writing every frame back, the hub does by passing it on: once to everybody, never back.
 * - A bpf element of a machine needs nothing where a tap element makes its interface. With a delay, or on an interface
 *   that is there already, the machine gets a TAP of its own, so that it has a port of its own.
 * - A link element is a UDP port: at its own end where it leads from a segment, at the far end where a machine's
 *   interface card is behind it, for then the emulator goes on to speak UDP itself.
 *
 * The emulators stay what they are; notes say which lines of their files change.
 */
import path from 'node:path'
import { readText } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import { formatCount, formatSize } from '../../values/units.js'
import type { FileProblem } from '../file-problem.js'
import type { Conversion, SourceFile } from './format.js'
import { Names } from './names.js'
import {
  endpoint,
  Findings,
  isNetwork,
  kindOf,
  Machine,
  readBpf,
  readLink,
  readTap,
  textOf,
  type Element,
  type Link,
} from './tmesh-elements.js'
import { parseTmesh, type Command, type Word } from './tmesh-grammar.js'
import { quote } from '../../values/quote.js'

export function convertMachines(files: readonly SourceFile[]): Conversion {
  const findings = new Findings()
  const names = new Names()
  const elements: Element[] = []
  for (const source of files) {
    const name = names.free(path.basename(source.file, path.extname(source.file)))
    const machine = new Machine(name, findings, { fragment: isFragment(source) })
    read(source, machine, findings, { within: [], sourced: { files: 0, bytes: 0 } })
    elements.push(...new Set(machine.elements.values())) // an alias is no second element
  }
  noteParts(elements, findings)
  const { problems, notes } = findings
  const fabrics = fabricsOf(elements, findings)
  if (problems.length === 0 && Object.keys(fabrics).length === 0 && files[0])
    findings.problem(
      { file: files[0].file, text: '', line: 1, column: 1 },
      'no line of this is about a network',
    )
  return {
    ...(problems.length === 0 && { topology: { fabrics } }),
    problems: inOrder(problems),
    notes: inOrder(notes),
  }
}

/** Whether no line of a text makes a part of a machine, or could lead to one. */
function isFragment(source: SourceFile): boolean {
  return parseTmesh(source).statements.every((statement) =>
    statement.kind === 'connection'
      ? statement.module === undefined || kindOf(statement.module) !== 'part'
      : statement.words[0]?.text !== 'source',
  )
}

/** File by file, in the order of lines. */
function inOrder(found: readonly FileProblem[]): FileProblem[] {
  const files = [...new Set(found.map(({ file }) => file))]
  return files.flatMap((file) =>
    found.filter((each) => each.file === file).sort((one, other) => one.line - other.line),
  )
}

/** Hands the statements of a file, and of those that it sources, to its machine. */
function read(source: SourceFile, machine: Machine, findings: Findings, sources: Sources): void {
  const { statements, mistakes } = parseTmesh(source)
  for (const { at, message } of mistakes) findings.problem(at, message)
  for (const statement of statements) {
    if (statement.kind === 'connection') machine.add(statement)
    else carryOut(statement, machine, findings, sources)
  }
}

/** Follows `source`, and `alias`; no other command says anything about networks. */
function carryOut({ words }: Command, machine: Machine, findings: Findings, sources: Sources): void {
  const [command, name, second] = words
  if (command === undefined) return
  const { file } = command
  const isAlias = command.text === 'alias' && words.length === 3
  if (isAlias && name && second && machine.alias(name, second)) return
  if (command.text !== 'source' || name === undefined) {
    findings.note(command, `not carried out: ${textOf(words)}`)
    return
  }
  const sourced = path.join(path.dirname(file), name.text)
  const within = [...sources.within, file]
  if (within.includes(sourced)) {
    findings.problem(name, `${name.text} sources itself`)
    return
  }
  if (within.length > limits.sourceDepth) {
    findings.problem(
      name,
      `files may source each other ${limits.sourceDepth} deep, and this is more; ${putHere}`,
    )
    return
  }
  const text = readSourced(sourced, name, findings, sources.sourced)
  if (text !== undefined)
    read({ file: sourced, text }, machine, findings, { within, sourced: sources.sourced })
}

const putHere = 'put its lines here'

/** Where a file is that is read. */
interface Sources {
  /** The files that source it, the outermost first. */
  within: readonly string[]
  /** What its machine has sourced so far. */
  sourced: { files: number; bytes: number }
}

/** The text of a file that is sourced. Of what is too much in all, the first is a problem, and no more is read. */
function readSourced(
  file: string,
  name: Word,
  findings: Findings,
  sourced: Sources['sourced'],
): string | undefined {
  if (sourced.files > limits.sourcedFiles || sourced.bytes > limits.topologyFile) return undefined
  try {
    const text = readText(file, {
      subject: file,
      most: limits.topologyFile,
      code: 'ERR_ETHERLOOM_TOPOLOGY',
      hint: putHere,
      smaller: 'leave out what is not about networks',
    })
    sourced.files++
    sourced.bytes += text.length
    if (sourced.files <= limits.sourcedFiles && sourced.bytes <= limits.topologyFile) return text
    findings.problem(
      name,
      `a machine may source ${formatCount(limits.sourcedFiles)} files of ${formatSize(limits.topologyFile)} in all, each time counted, and with this one they are more; source each once`,
    )
    return undefined
  } catch (error) {
    findings.problem(name, (error as Error).message)
    return undefined
  }
}

/** Says of what is no network that it stays with the emulator: in one note per file, and one for each host element. */
function noteParts(elements: readonly Element[], findings: Findings): void {
  const parts = new Map<string, Element[]>()
  for (const element of elements) {
    const { kind, name, module, at } = element
    if (kind === 'part' && module !== '') {
      const ofFile = parts.get(at.file)
      if (ofFile) ofFile.push(element)
      else parts.set(at.file, [element])
    }
    if (kind === 'host')
      findings.note(at, `left out: ${quote(name)} (${module}) is no network; it stays with the emulator`)
    if (kind === 'network') findings.note(at, `left out: ${quote(name)} (${module}); nothing here is like it`)
  }
  for (const all of parts.values()) {
    const list = all.map(({ name, at }) => `${name} (line ${at.line})`).join(', ')
    const [{ at }] = all as [Element]
    findings.note(at, `left out: parts of the machine, which stay in its file: ${list}`)
  }
}

type PortEntry = Record<string, unknown>

/** Interfaces that are one network. `made` says that a tap element makes it, `shared` that machines attach to it. */
interface Segment {
  name: string
  hosts: { interface: string; entry: PortEntry; shared: boolean }[]
  /** Interfaces that are there already, and carry frames from and to this network. */
  packets: Set<string>
  ports: [string, PortEntry][]
}

/** The hubs, as a topology file has them. */
function fabricsOf(elements: readonly Element[], findings: Findings): Record<string, unknown> {
  return new Segments(elements, findings).fabrics()
}

class Segments {
  readonly #elements: readonly Element[]
  readonly #findings: Findings
  readonly #of = new Map<Element, Segment>()
  readonly #made = new Map<string, { segment: Segment; tap: Element; host: Segment['hosts'][number] }>()
  readonly #existing = new Map<string, Segment>()
  readonly #links = new Map<Element, Link>()
  readonly #interfaces = new Names(15)

  constructor(elements: readonly Element[], findings: Findings) {
    this.#elements = elements
    this.#findings = findings
  }

  fabrics(): Record<string, unknown> {
    const of = (kind: Element['kind']): Element[] => this.#elements.filter((each) => each.kind === kind)
    this.#makeTaps(of('tap'))
    of('bpf').forEach((bpf) => this.#attachBpf(bpf))
    of('link').forEach((link) => this.#links.set(link, readLink(link, this.#findings)))
    of('link').forEach((link) => this.#leadAway(link))
    of('link').forEach((link) => this.#leadIn(link))
    of('tap')
      .concat(of('bpf'), of('link'))
      .forEach((element) => this.#noteLoose(element))
    const names = new Names()
    return Object.fromEntries(
      [...new Set(this.#of.values())].map((segment) => [names.free(segment.name), this.#hub(segment)]),
    )
  }

  /** A segment for each interface that is made. Those without a name get the kernel's, after all that have one. */
  #makeTaps(taps: readonly Element[]): void {
    const read = taps.map((tap) => ({ tap, ...readTap(tap, this.#findings) }))
    const named = read.map(({ interface: name }) => name)
    for (const name of named) if (name !== undefined) this.#interfaces.free(name)
    for (const { tap, interface: given, address, nat } of read) {
      let name = given ?? 'tap0'
      for (let number = 1; given === undefined && (this.#made.has(name) || named.includes(name)); number++)
        name = `tap${number}`
      if (given === undefined) this.#interfaces.free(name)
      const other = this.#made.get(name)
      if (other) {
        this.#findings.problem(
          tap.at,
          `interface ${quote(name)} is made by ${quote(other.tap.name)} already (${other.tap.at.file}:${other.tap.at.line})`,
        )
        continue
      }
      const entry = {
        ...(address !== undefined && { addresses: [address] }),
        ...(nat !== undefined && { gateway: { interface: nat } }),
      }
      const host = { interface: name, entry, shared: false }
      const segment: Segment = { name, hosts: [host], packets: new Set(), ports: [] }
      this.#made.set(name, { segment, tap, host })
      this.#of.set(tap, segment)
      const { peer } = tap
      if (peer?.kind === 'tap' && peer !== tap) this.#join(peer, segment)
      if (peer === tap) {
        host.shared = true
        this.#findings.note(
          tap.at,
          `this element and its connection with itself go: etherloom makes ${quote(name)}`,
        )
      } else if (peer?.kind === 'part') {
        host.shared = true
        this.#findings.note(
          tap.at,
          `etherloom makes ${quote(name)}; write: ${tap.name} at ${peer.name}: tme/host/bsd/bpf interface ${name}`,
        )
      } else this.#findings.note(tap.at, `this element goes: etherloom makes ${quote(name)}`)
    }
  }

  #join(element: Element, segment: Segment): void {
    const other = this.#of.get(element)
    if (other === undefined || other === segment) return
    segment.hosts.push(...other.hosts)
    other.packets.forEach((name) => segment.packets.add(name))
    segment.ports.push(...other.ports)
    for (const [each, its] of this.#of) if (its === other) this.#of.set(each, segment)
    for (const made of this.#made.values()) if (made.segment === other) made.segment = segment
    for (const [name, its] of this.#existing) if (its === other) this.#existing.set(name, segment)
  }

  #attachBpf(bpf: Element): void {
    const { at, machine, name, peer } = bpf
    const { interface: wanted, delay } = readBpf(bpf, this.#findings)
    const made = wanted === undefined ? undefined : this.#made.get(wanted)
    const longer = [...this.#made.keys()].find((each) => wanted !== undefined && each.startsWith(wanted))
    if (made === undefined && longer !== undefined) {
      this.#findings.problem(
        at,
        `no line makes an interface '${wanted}'; TME would take ${quote(longer)} for it, which begins so: write the whole name`,
      )
      return
    }
    if (peer === undefined) return
    const onMachine = !isNetwork(peer)
    if (made && onMachine && !delay) {
      made.host.shared = true
      this.#findings.note(at, `stays in its file: the machine attaches to '${wanted}' itself`)
      this.#of.set(bpf, made.segment)
      return
    }
    const segment = made?.segment ?? this.#segmentOf(wanted, machine)
    this.#of.set(bpf, segment)
    if (made && !onMachine) {
      this.#findings.note(at, `this element goes: etherloom has '${wanted}' already`)
    }
    if (onMachine) {
      const own = this.#interfaces.free(machine)
      segment.ports.push([machine, { tap: own, ...(delay && { delay: inMilliseconds(delay) }) }])
      this.#findings.note(
        at,
        `a port of its own; write: ${name} at ${peer.name}: tme/host/bsd/bpf interface ${own}`,
      )
      if (wanted === undefined)
        this.#findings.note(
          at,
          "without 'interface' TME takes the first of the machine that runs it: to join it, add a port { packet: INTERFACE, direction: both }",
        )
    } else if (isNetwork(peer) && peer !== bpf) this.#join(peer, segment)
  }

  /** The network of an interface that is there already, or, where none is named, a new one. */
  #segmentOf(name: string | undefined, machine: string): Segment {
    const known = name === undefined ? undefined : this.#existing.get(name)
    if (known) return known
    const segment: Segment = { name: name ?? machine, hosts: [], packets: new Set(), ports: [] }
    if (name !== undefined) {
      segment.packets.add(name)
      this.#existing.set(name, segment)
    }
    return segment
  }

  /** A link from a network, or from another link: a UDP port in the place of its own end. */
  #leadAway(element: Element): void {
    const { at, name, peer, machine } = element
    const link = this.#links.get(element)
    if (link === undefined || peer === undefined || !isNetwork(peer) || peer === element) return
    const segment = this.#of.get(peer) ?? { name: machine, hosts: [], packets: new Set(), ports: [] }
    this.#of.set(element, segment)
    segment.ports.push([
      name,
      {
        udp: endpoint(link.local ?? anyAddress(link.remote), link.localPort),
        ...(link.remote !== undefined && { remote: endpoint(link.remote, link.remotePort) }),
        ...(link.ping !== undefined && { keepAlive: `${link.ping}s` }),
      },
    ])
    this.#findings.note(at, `this element goes: ${quote(name)} is a port of the hub`)
  }

  /** A link of a machine's interface card: the emulator keeps it, and the port is what it speaks to. */
  #leadIn(element: Element): void {
    const { at, name, peer, machine } = element
    const link = this.#links.get(element)
    if (link === undefined || peer === undefined || isNetwork(peer)) return
    const far = [...this.#links].find(([other, its]) => other !== element && areEnds(link, its))
    if (far) {
      const [other] = far
      this.#findings.note(
        at,
        `stays in its file: it speaks to ${quote(other.name)} (${other.at.file}:${other.at.line})`,
      )
      return
    }
    if (link.remote === undefined) {
      this.#findings.problem(
        at,
        `${quote(name)} has no --remote, so there is no address for the port that it speaks to`,
      )
      return
    }
    const all = [...new Set(this.#of.values())]
    const [only] = all.length === 1 ? all : []
    const segment: Segment = only ?? { name: machine, hosts: [], packets: new Set(), ports: [] }
    this.#of.set(element, segment)
    segment.ports.push([
      machine,
      {
        udp: endpoint(link.remote, link.remotePort),
        ...(link.local !== undefined && { remote: endpoint(link.local, link.localPort) }),
        pad: true, // its card is an emulated one
      },
    ])
    this.#findings.note(at, `stays in its file: the port ${quote(machine)} is the far end that it speaks to`)
  }

  #noteLoose({ kind, at, name, peer }: Element): void {
    if (peer === undefined && kind !== 'tap')
      this.#findings.note(at, `left out: ${quote(name)} is connected with nothing`)
    else if (peer?.name === name && kind !== 'tap')
      this.#findings.note(
        at,
        `left out: ${quote(name)} is connected with itself, which only a tap can make use of`,
      )
  }

  #hub({ hosts, packets, ports }: Segment): PortEntry {
    const names = new Names()
    const entries = hosts.flatMap(({ interface: name, entry, shared }): [string, PortEntry][] => {
      if (!shared) return [['host', { tap: name, ...entry }]]
      const own = this.#interfaces.free(`${name.slice(0, 10)}-host`)
      return [
        ['host', { tap: own, ...entry }],
        [name, { tap: name }],
      ]
    })
    for (const name of packets) entries.push([name, { packet: name, direction: 'both' }])
    entries.push(...ports)
    return {
      kind: 'hub',
      ports: Object.fromEntries(entries.map(([name, entry]) => [names.free(name), entry])),
    }
  }
}

/** Whether two links speak to each other; what one of them leaves open fits. */
function areEnds(one: Link, other: Link): boolean {
  const fits = (mine: string | undefined, theirs: string | undefined): boolean =>
    mine === undefined || theirs === undefined || mine === theirs
  return (
    one.localPort === other.remotePort &&
    one.remotePort === other.localPort &&
    fits(one.remote, other.local) &&
    fits(one.local, other.remote)
  )
}

const anyAddress = (remote: string | undefined): string => (remote?.includes(':') ? '::' : '0.0.0.0')

const inMilliseconds = (microseconds: number): string =>
  microseconds % 1000 === 0 ? `${microseconds / 1000}ms` : `${microseconds}us`
