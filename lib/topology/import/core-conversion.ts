/**
 * Scenarios of CORE, the Common Open Research Emulator, as version 5 and later write them: devices, networks and links in
 * XML. Called by core.ts; on the JavaScript thread.
 *
 * Theory of operation. Devices are hosts. Switches and hubs are fabrics; a wireless network is a hub on which nothing passes
 * unless a world says so, by the distances of the places on the canvas: a pixel is a metre there, as CORE's ranges are in
 * pixels. Options of a link hold in both directions, or in that of the element where they are unidirectional; CORE then
 * writes the link twice. What reads the links of a file for the world movement `core` is world/movements/core-file.ts.
 */
import { suggestion } from '../../values/options.js'
import { limits } from '../../values/limits.js'
import { quote, shorten } from '../../values/quote.js'
import { formatCount } from '../../values/units.js'
import { parseXml, placesIn, type Element } from '../../values/xml.js'
import type { FileProblem } from '../file-problem.js'
import type { Conversion, SourceFile } from './format.js'
import { isInterfaceName, Lab, type End, type Findings, type LinkPolicy, type NodeKind } from './lab.js'
import { byLine, keep } from './reader.js'

const fabricTypes: Readonly<Record<string, NodeKind>> = {
  SWITCH: 'switch',
  HUB: 'hub',
  PEER_TO_PEER: 'hub',
  WIRELESS_LAN: 'radio',
  WIRELESS: 'radio',
  EMANE: 'hub',
}
/** Networks that are no part of what devices see of each other. */
const otherTypes = ['TUNNEL', 'CTRL_NET', 'TAP_BRIDGE']
const networkTypes = [...Object.keys(fabricTypes), ...otherTypes, 'RJ45']

/** The types of devices that forward packets where the file lists no services. */
const routerTypes = ['router', 'mdr', 'prouter']

/** What CORE takes where a wireless network has no settings: one of type WIRELESS_LAN, and one of type WIRELESS. */
const wirelessDefaults = { range: 275, bandwidth: 54_000_000, delay: 5000, jitter: 0, error: 0 }
const pairwiseDefaults = { ...wirelessDefaults, range: 400, loss: 0, 'loss-range': 300, 'loss-factor': 1 }

interface Node {
  element: Element
  name: string
  kind: NodeKind | 'outside' | 'left out'
}

/** A device in range of a wireless network. */
interface Member {
  port: string
  place: Element
  /** Whether it has an address with nobody else in its network. */
  isAlone: boolean
}

interface Scenario {
  root: Element
  findings: Findings<number>
  lab: Lab<number>
  nodes: Map<string, Node>
  members: Map<string, Member[]>
  /** How many ends of links each device has so far, for interfaces that the file does not number. */
  ends: Map<string, number>
}

/** The first mistake of a document that is no XML. */
class NoXml extends Error {
  readonly offset: number
  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

export function convertCore(files: readonly SourceFile[]): Conversion {
  const [source, another] = files
  if (source === undefined) return { problems: [], notes: [] }
  if (another !== undefined) {
    const message = 'a scenario is a network of its own; import one at a time'
    return { problems: [{ file: another.file, line: 1, column: 1, message }], notes: [] }
  }
  const { file, text } = source
  const placeOf = placesIn(text)
  const [problems, notes]: FileProblem[][] = [[], []]
  const found =
    (list: FileProblem[] = []) =>
    (offset: number, message: string): void => {
      keep(list, { file, ...placeOf(offset), message })
    }
  const findings = { note: found(notes), complain: found(problems) }
  const finish = (topology?: unknown): Conversion => {
    const sorted = { problems: byLine(problems ?? []), notes: byLine(notes ?? []) }
    return sorted.problems.length > 0 ? sorted : { topology, ...sorted }
  }
  let root: Element
  try {
    root = parseXml(text, (offset, message) => {
      throw new NoXml(offset, message)
    })
  } catch (error) {
    if (!(error instanceof NoXml)) throw error
    findings.complain(error.offset, error.message)
    return finish()
  }
  if (root.name !== 'scenario') {
    findings.complain(
      root.offset,
      `a scenario of CORE begins with <scenario>, not <${shorten(root.name, 60)}>`,
    )
    return finish()
  }
  if (root.children.some(({ name }) => name === 'host' || name === 'network')) {
    findings.complain(
      root.offset,
      "a file of CORE before version 5: open it with a later one, which saves it anew; or use it for places and links only, as a world's movement: { core: [FILE] }",
    )
    return finish()
  }
  const lab = new Lab<number>(findings)
  const scenario: Scenario = { root, findings, lab, nodes: new Map(), members: new Map(), ends: new Map() }
  readNodes(scenario)
  readLinks(scenario)
  noteServices(scenario)
  const worlds = readWorlds(scenario)
  return finish(lab.topology(nameOf(root), worlds))
}

/** CORE calls a scenario by a file of its own. */
const nameOf = ({ attributes }: Element): string | undefined => {
  const name = attributes.get('name') ?? ''
  return name === '' || name.includes('/') ? undefined : name
}

/** The elements of a name within the only element of another name below the root. */
const listed = ({ root }: Scenario, list: string, each: string): Element[] =>
  root.children
    .filter(({ name }) => name === list)
    .flatMap(({ children }) => children)
    .filter(({ name }) => name === each)

const childOf = (element: Element, ...names: string[]): Element | undefined =>
  element.children.find(({ name }) => names.includes(name))

/** The interface at the first or the second end of a link. */
const ifaceOf = (link: Element, index: number): Element | undefined =>
  childOf(link, `iface${index + 1}`, index === 0 ? 'interface_one' : 'interface_two')

const attributeOf = ({ attributes }: Element, ...names: string[]): string | undefined =>
  names.map((name) => attributes.get(name)).find((value) => value !== undefined && value !== '')

function readNodes(scenario: Scenario): void {
  const { findings, lab, nodes } = scenario
  const networks = listed(scenario, 'networks', 'network')
  for (const element of [...networks, ...listed(scenario, 'devices', 'device')]) {
    const id = attributeOf(element, 'id')
    if (id === undefined || nodes.has(id)) {
      findings.complain(
        element.offset,
        id === undefined ? `<${element.name}> must have an 'id'` : `a second node with the id ${quote(id)}`,
      )
      continue
    }
    const name = attributeOf(element, 'name') ?? `n${id}`
    const kind = kindOf(scenario, element, name)
    nodes.set(id, { element, name, kind })
    if (kind !== 'outside' && kind !== 'left out') lab.add(id, kind, element.offset, name)
  }
}

function kindOf({ findings }: Scenario, element: Element, name: string): Node['kind'] {
  const type = attributeOf(element, 'type') ?? ''
  if (type === 'RJ45') {
    if (name === 'unassigned')
      findings.note(
        element.offset,
        "'unassigned' is no interface yet: put the name of one of this machine there, or in 'packet'",
      )
    if (isInterfaceName(name)) return 'outside'
    findings.complain(element.offset, `${quote(name)} is no name of an interface of this machine`)
    return 'left out'
  }
  if (element.name === 'device') {
    if (attributeOf(element, 'image') !== undefined)
      findings.note(
        element.offset,
        `${quote(name)} is a plain host here: no container of its image is started`,
      )
    return 'host'
  }
  const kind = Object.hasOwn(fabricTypes, type) ? fabricTypes[type] : undefined
  if (type === 'EMANE')
    findings.note(
      element.offset,
      `${quote(name)} is a hub here, on which everybody hears everybody: EMANE's models are not run`,
    )
  if (kind !== undefined) return kind
  if (otherTypes.includes(type))
    findings.note(element.offset, `left out: ${quote(name)}, a network of type ${quote(type)}`)
  else
    findings.complain(element.offset, `${quote(type)} is no type of network${suggestion(type, networkTypes)}`)
  return 'left out'
}

/** A link of the file, or the two that stand for its directions. */
interface Link {
  ends: [End<number>, End<number>]
  ids: [string, string]
  there: LinkPolicy
  back: LinkPolicy
  oneWay: boolean
}

function readLinks(scenario: Scenario): void {
  const { lab, members, nodes, findings } = scenario
  const links: Link[] = []
  const halves = new Map<string, Link>()
  for (const element of listed(scenario, 'links', 'link')) {
    const ids = ['1', '2'].map((number) =>
      attributeOf(element, `node${number}`, number === '1' ? 'node_one' : 'node_two'),
    )
    const ends = ids.map((id, index) => readEnd(scenario, element, id, index))
    const [one, other] = ends
    if (one === undefined || other === undefined) continue
    if (one === 'left out' || other === 'left out') {
      for (const end of [one, other])
        if (typeof end === 'object' && 'node' in end && lab.kindOf(end.node) === 'host') lab.dangle(end)
      continue
    }
    const options = childOf(element, 'options')
    const policy = options === undefined ? {} : readOptions(scenario, options)
    const oneWay = ['1', 'true', 'True'].includes(options?.attributes.get('unidirectional') ?? '')
    const sides = ids.map((id, index) => {
      const iface = ifaceOf(element, index)
      return `${id}/${(iface && attributeOf(iface, 'name', 'id')) ?? ''}`
    })
    const [forward, reverse] = [sides.join(' '), [...sides].reverse().join(' ')]
    const first = oneWay ? halves.get(reverse) : undefined
    if (first) {
      first.back = policy
      halves.delete(reverse)
      continue
    }
    const link: Link = {
      ends: [one, other],
      ids: ids as [string, string],
      there: policy,
      back: oneWay ? {} : policy,
      oneWay,
    }
    if (oneWay) halves.set(forward, link)
    links.push(link)
  }
  for (const { ends, ids, there, back } of links) {
    if (ends.every((end) => 'outside' in end)) {
      findings.note(ends[0].at, 'left out: a link that has no device of this scenario at its ends')
      continue
    }
    const radio = ids.find((id) => lab.kindOf(id) === 'radio')
    if (radio === undefined) {
      lab.link(ends[0], ends[1], there, back)
      continue
    }
    if (Object.keys(there).length + Object.keys(back).length > 0)
      findings.note(ends[0].at, 'left out: options of a link to a wireless network, whose own settings hold')
    const ports = lab.link(ends[0], ends[1])
    const side = ids.indexOf(radio)
    const node = nodes.get(ids[1 - side] ?? '')
    if (ports === undefined || node === undefined) continue
    const list = members.get(radio) ?? []
    members.set(radio, list)
    const end = ends[1 - side]
    const isAlone =
      end !== undefined && 'node' in end && (end.addresses ?? []).some((each) => String(each).endsWith('/32'))
    list.push({ port: ports.ports[side] ?? '', place: node.element, isAlone })
  }
}

function readEnd(
  { lab, nodes, findings, ends }: Scenario,
  link: Element,
  id: string | undefined,
  index: number,
): End<number> | 'left out' | undefined {
  const node = nodes.get(id ?? '')
  if (id === undefined || node === undefined) {
    findings.complain(
      link.offset,
      id === undefined ? `a link must have 'node${index + 1}'` : `no node with the id ${quote(id)}`,
    )
    return undefined
  }
  if (node.kind === 'left out') return 'left out'
  const iface = ifaceOf(link, index)
  const at = iface?.offset ?? link.offset
  if (node.kind === 'outside') return { at, name: node.name, outside: { packet: node.name } }
  const attribute = (name: string): string | undefined => iface && attributeOf(iface, name)
  const address = (key: string): string[] => {
    const [ip, bits] = [attribute(key), attribute(`${key}_mask`)]
    return ip === undefined ? [] : [`${ip}/${bits ?? (key === 'ip4' ? 24 : 64)}`]
  }
  const isHost = lab.kindOf(id) === 'host'
  const number = ends.get(id) ?? 0
  ends.set(id, number + 1)
  const name = attribute('name') ?? `eth${attribute('id') ?? (isHost ? number : '')}`
  return {
    at,
    node: id,
    name,
    mac: attribute('mac'),
    mtu: attribute('mtu'),
    addresses: [...address('ip4'), ...address('ip6')],
  }
}

/** Options of a link: microseconds, bits per second, per cent, frames. Those that are 0 are off. */
function readOptions({ findings }: Scenario, options: Element): LinkPolicy {
  const number = (name: string, most: number): number => {
    const text = attributeOf(options, name) ?? '0'
    const value = text.trim() === '' ? NaN : Number(text)
    if (value >= 0 && value <= most) return value
    findings.complain(
      options.offset,
      `${quote(name)} must be a number from 0 to ${formatCount(most)}, not ${quote(text)}`,
    )
    return 0
  }
  const [delay, jitter] = [number('delay', 1e12), number('jitter', 1e12)]
  const [bandwidth, loss, dup] = [number('bandwidth', 1e12), number('loss', 100), number('dup', 100)]
  const buffer = number('buffer', 1e9)
  return {
    ...(bandwidth >= 1 && { rate: rateOf(bandwidth) }),
    ...(bandwidth >= 1 && buffer >= 1 && { queue: `${Math.round(buffer)}frames` }),
    ...(delay > 0 && { delay: timeOf(delay) }),
    ...(jitter > 0 && { jitter: timeOf(jitter) }),
    ...(loss > 0 && { loss: loss / 100 }),
    ...(dup > 0 && { duplicate: dup / 100 }),
  }
}

/** Microseconds as CORE has them, in the largest unit that has no fraction. */
const timeOf = (microseconds: number): string => {
  const whole = Math.round(microseconds)
  return whole % 1000 === 0 ? `${whole / 1000}ms` : `${whole}us`
}

const rateOf = (bits: number): string => {
  const whole = Math.round(bits)
  if (whole % 1e6 === 0) return `${whole / 1e6}Mbit`
  return whole % 1000 === 0 ? `${whole / 1000}kbit` : `${whole}bit`
}

/** What devices run: routers forward, and everything else is noted by its name. */
function noteServices(scenario: Scenario): void {
  const { findings, lab, nodes } = scenario
  const services = new Map<string, { offset: number; times: number }>()
  for (const [id, { element, kind }] of nodes) {
    if (kind !== 'host') continue
    // CORE 7 and 8 have two lists, of services of two kinds; those of the second are the only ones in later versions.
    const lists = ['services', 'configservices'].flatMap((key) => childOf(element, key) ?? [])
    const [list] = lists
    const running = lists.flatMap(({ children }) =>
      children.flatMap((each) => attributeOf(each, 'name') ?? []),
    )
    const forwards = list
      ? running.includes('IPForward')
      : routerTypes.includes(attributeOf(element, 'type') ?? '')
    if (forwards) lab.wish(id, element.offset, { forwarding: true })
    for (const name of running) {
      if (name === 'IPForward') continue
      const known = services.get(name)
      if (known) known.times++
      else services.set(name, { offset: list?.offset ?? element.offset, times: 1 })
    }
  }
  for (const [name, { offset, times }] of services)
    findings.note(
      offset,
      `left out: the service ${quote(name)}${times > 1 ? `, ${times} times` : ''}; start what it does by 'etherloom exec HOST ...'`,
    )
  for (const hook of listed(scenario, 'session_hooks', 'hook'))
    findings.note(hook.offset, 'left out: a hook of the session')
}

/** For each wireless network, the world that its members are in. */
function readWorlds(scenario: Scenario): Record<string, object> {
  const { findings, lab, members, nodes } = scenario
  const worlds: Record<string, object> = {}
  for (const [id, { element, name, kind }] of nodes) {
    if (kind !== 'radio') continue
    const settings = wirelessOf(scenario, id, element)
    const all = members.get(id) ?? []
    if (all.length < 2) continue
    if ((all.length * (all.length - 1)) / 2 > limits.coreLinks) {
      findings.complain(
        element.offset,
        `${quote(name)} has more than ${formatCount(limits.coreLinks)} pairs of members; divide it into several networks`,
      )
      continue
    }
    if (all.some(({ isAlone }) => isAlone))
      findings.note(
        element.offset,
        `addresses of ${quote(name)} are networks of their own (/32): they reach nobody until a routing program runs, or 'etherloom exec HOST ip route add NETWORK dev INTERFACE'`,
      )
    const places = all.map(({ place }) => placeOf(scenario, place))
    const fabric = lab.nameOf(id)
    worlds[fabric] = {
      fabric,
      nodes: all.map(({ port }) => port),
      model: {
        range: {
          range: Math.min(Math.floor(settings.range) + 1, 1_000_000),
          ...(settings.bandwidth >= 1 && { bandwidth: rateOf(settings.bandwidth) }),
        },
      },
      movement: {
        matrix: places.map(([x, y]) =>
          places.map(([u, v]) => Math.max(0, Math.ceil(Math.hypot(x - u, y - v) - 1e-9))),
        ),
      },
    }
    lab.delay(
      fabric,
      all.map(({ port }) => port),
      settings.delay > 0 ? timeOf(settings.delay) : undefined,
    )
  }
  return worlds
}

/** The settings of a network of type WIRELESS, which are in it; what of them a world does not have is noted. */
function pairwiseOf(scenario: Scenario, element: Element): typeof wirelessDefaults {
  const { findings } = scenario
  const name = quote(attributeOf(element, 'name') ?? '')
  const settings = { ...pairwiseDefaults }
  const given = childOf(element, 'wireless')?.children ?? []
  const text = (key: string): string | undefined =>
    given.find(({ attributes }) => attributes.get('name') === key)?.attributes.get('value')
  readSettings(scenario, given, settings, (key) => (key === 'max-range' ? 'range' : key))
  if (text('movement') !== '1')
    findings.note(element.offset, `${name} links who is in range here, and not by what is said of each pair`)
  if (settings.loss > 0 || (settings['loss-factor'] > 0 && settings['loss-range'] < settings.range))
    findings.note(
      element.offset,
      `left out: the loss of ${name}, which in CORE grows from a distance of ${settings['loss-range']} pixels on`,
    )
  return settings
}

/** The settings of a wireless network; what of them a world does not have is noted. */
function wirelessOf(scenario: Scenario, id: string, element: Element): typeof wirelessDefaults {
  if (attributeOf(element, 'type') === 'WIRELESS') return pairwiseOf(scenario, element)
  const { findings } = scenario
  const settings = { ...wirelessDefaults }
  let found = false
  for (const given of listed(scenario, 'mobility_configurations', 'mobility_configuration')) {
    if (given.attributes.get('node') !== id) continue
    const model = attributeOf(given, 'model') ?? ''
    if (model !== 'basic_range') {
      findings.note(
        given.offset,
        `left out: the movement ${quote(model)}; devices stay where they stand on the canvas`,
      )
      continue
    }
    found = true
    readSettings(scenario, given.children, settings)
  }
  if (!found && (scenario.members.get(id)?.length ?? 0) > 1)
    findings.note(
      element.offset,
      `a wireless network without settings: it has CORE's, a range of ${settings.range} pixels`,
    )
  return settings
}

/** Takes over the settings that are known, by the names that `known` has for them. */
function readSettings(
  { findings }: Scenario,
  given: readonly Element[],
  settings: Record<string, number>,
  known = (key: string): string => key,
): void {
  for (const { attributes, offset } of given) {
    const [name, text = ''] = [attributes.get('name') ?? '', attributes.get('value')]
    const key = known(name)
    if (!Object.hasOwn(settings, key)) continue
    const value = text.trim() === '' ? NaN : Number(text)
    if (value >= 0 && value <= 1e12) settings[key] = value
    else
      findings.complain(
        offset,
        `${quote(name)} must be a number from 0 to ${formatCount(1e12)}, not ${quote(text)}`,
      )
    if (value > 0 && (key === 'jitter' || key === 'error'))
      findings.note(offset, `left out: ${quote(name)} of a wireless network`)
  }
}

function placeOf({ findings }: Scenario, node: Element): [number, number] {
  const position = childOf(node, 'position')
  const [x = NaN, y = NaN] = ['x', 'y'].map((key) => {
    const text = position?.attributes.get(key)?.trim() ?? ''
    return text === '' ? NaN : Number(text)
  })
  if (Math.abs(x) <= 1e9 && Math.abs(y) <= 1e9) return [x, y]
  findings.complain(
    (position ?? node).offset,
    'a member of a wireless network must have a position with x and y',
  )
  return [0, 0]
}
