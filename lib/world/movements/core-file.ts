/**
 * Reads topology files of CORE (Common Open Research Emulator): which nodes are linked, and where they stand. Called by
 * CoreTopologies.
 *
 * Theory of operation. What CORE needs is in the names and attributes of elements and, for the members of a channel, in
 * their text.
 * Two shapes are known: that of version 1.0 (`<network>`, `<channel>`, `<member>`, `<host>`, `<point>`), and that of
 * CORE 5 and later (`<devices>`, `<networks>`, `<links>`).
 */
import { EtherloomError } from '../../values/errors.js'
import { quote, shorten } from '../../values/quote.js'
import { limits } from '../../values/limits.js'
import { formatCount } from '../../values/units.js'
import { descendants, parseXml, placesIn, type Element, type Fail } from '../../values/xml.js'

/** Where a node stands: on the globe, in degrees, or on the canvas, in metres. */
export type CorePlace = { latitude: number; longitude: number } | { x: number; y: number }

/**
 * A topology of nodes that are numbered from 1: in the order of the identities that the file gives them, whatever the
 * order in which they stand there; where a file lists none, by their own numbers (n1 is the first).
 */
export interface CoreTopology {
  /** What the file calls each node. */
  names: string[]
  /** Pairs of node numbers. */
  links: [number, number][]
  /** Of each node, in their order; undefined for one that stands nowhere. All are of one form. */
  places: (CorePlace | undefined)[]
  /** What the file says and this has not, in sentences that begin with the place in the file. */
  notes: string[]
}

/**
 * `links`: whether they are wanted; else they are looked at for mistakes alone.
 *
 * @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY with `file:line:column`
 */
export function readCoreTopology(text: string, file: string, { links: linked = true } = {}): CoreTopology {
  const places = placesIn(text)
  const placeOf = (offset: number): string => {
    const { line, column } = places(offset)
    return `${file}:${line}:${column}`
  }
  const fail = (offset: number, message: string): never => {
    throw new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', `${placeOf(offset)}: ${message}`)
  }
  const root = parseXml(text, fail)
  if (root.name !== 'scenario')
    fail(root.offset, `a CORE topology begins with <scenario>, not <${shorten(root.name, 60)}>`)
  const all = descendants(root, [])
  const named: Named = (...names) => all.filter(({ name }) => names.includes(name))
  const nodes = readNodes(named, fail)
  const links = [
    ...named('channel').flatMap((channel) => channelLinks(channel, nodes, fail)),
    ...deviceLinks(named, nodes, linked, fail),
  ]
  return {
    names: nodes.names,
    links,
    places: placesOf(nodes, named, fail),
    notes: named('options').flatMap(({ attributes, offset }) => {
      const set = [...attributes].filter(([key, value]) => lineOptions.has(key) && Number(value) !== 0)
      const words = set.map(([key, value]) => `${key}="${value}"`).join(' ')
      const note = `${words} of this link is not applied: a world's links follow distances, by its model`
      return set.length === 0 ? [] : [`${placeOf(offset)}: ${note}`]
    }),
  }
}

/** What CORE's options of a link do to its frames. */
const lineOptions = new Set(['delay', 'bandwidth', 'loss', 'dup', 'jitter', 'buffer'])

type Named = (...names: string[]) => Element[]

interface Nodes {
  names: string[]
  elements: (Element | undefined)[]
  /** The number of the node that the file calls by this identity. */
  numberOf(id: number, offset: number): number
}

/** Hosts and devices with their identities, which are whole numbers, or, in version 1.0, such numbers after an n. */
function readNodes(named: Named, fail: Fail): Nodes {
  const listed = new Map<number, Element>()
  for (const element of named('host', 'device')) {
    const given = element.attributes.get('id') ?? ''
    const digits = /^n?(\d+)$/.exec(given)?.[1]
    const id =
      digits === undefined
        ? fail(element.offset, `a node's id must be a number, not ${quote(given)}`)
        : Number(digits)
    if (listed.has(id)) fail(element.offset, `a second node with id ${id}; each needs one of its own`)
    listed.set(id, element)
  }
  const sorted = [...listed].sort(([one], [other]) => one - other)
  const numbers = new Map(sorted.map(([id], index) => [id, index + 1]))
  const names = sorted.map(([id, { attributes }]) => attributes.get('name') ?? `n${id}`)
  return {
    names,
    elements: sorted.map(([, element]) => element),
    numberOf(id, offset) {
      if (listed.size > 0)
        return numbers.get(id) ?? fail(offset, `a link of node ${id}, which the file does not have`)
      if (id === 0 || id > limits.coreNodes)
        fail(offset, `nodes are numbered from 1 to ${limits.coreNodes}, and this is ${id}`)
      while (names.length < id) names.push(`n${names.length + 1}`)
      return id
    },
  }
}

/** The first interface of a channel is paired with each of the others. */
function channelLinks(channel: Element, nodes: Nodes, fail: Fail): [number, number][] {
  const [first, ...others] = channel.children
    .filter(({ name, attributes }) => name === 'member' && attributes.get('type') === 'interface')
    .map(({ text, offset }) => {
      const number = /^n(\d+)\/[^/\s]+$/.exec(text.trim())?.[1]
      return number === undefined
        ? fail(offset, `a member must be an interface such as n1/eth0, not ${quote(text.trim())}`)
        : nodes.numberOf(Number(number), offset)
    })
  return first === undefined ? [] : others.map((other) => [first, other])
}

/** Links between two devices; devices that are linked to one network, or to networks that are, are linked to each other. */
function deviceLinks(named: Named, nodes: Nodes, linked: boolean, fail: Fail): [number, number][] {
  const networks = new Map<string, Network>()
  for (const { attributes } of named('network')) {
    const id = attributes.get('id')
    if (id !== undefined && attributes.has('type')) networks.set(id, { members: new Set() })
  }
  const ends = (link: Element): [string, string] | undefined => {
    const of = (...names: string[]) =>
      names.map((name) => link.attributes.get(name)).find((id) => id !== undefined)
    const [one, two] = [of('node1', 'node_one'), of('node2', 'node_two')]
    return one === undefined || two === undefined ? undefined : [one, two] // else of version 1.0
  }
  const numberOf = (id: string, offset: number): number =>
    /^\d+$/.test(id)
      ? nodes.numberOf(Number(id), offset)
      : fail(offset, `a node must be a number, not ${quote(id)}`)

  const all = named('link').flatMap((link) => {
    const pair = ends(link)
    return pair ? [{ pair, offset: link.offset }] : []
  })
  for (const { pair } of all) {
    const [one, two] = pair.map((id) => wholeOf(networks.get(id)))
    if (one && two && one !== two) two.partOf = one
  }
  let joined = 0
  return all.flatMap(({ pair, offset }): [number, number][] => {
    const [one, two] = pair.map((id) => wholeOf(networks.get(id)))
    if (one && two) return []
    const network = one ?? two
    if (!network) return [[numberOf(pair[0], offset), numberOf(pair[1], offset)]]
    const device = numberOf(pair[one ? 1 : 0], offset)
    const { members } = network
    if (members.has(device)) return []
    if (linked && (joined += members.size) > limits.coreLinks)
      fail(
        offset,
        `networks link more than ${formatCount(limits.coreLinks)} pairs of devices with each other; use mode 'wifi', or a switch`,
      )
    const links = linked ? Array.from(members, (member): [number, number] => [member, device]) : []
    members.add(device)
    return links
  })
}

/** A network, or what it is a part of since networks were linked. */
interface Network {
  members: Set<number>
  partOf?: Network
}

/** The network that this one is a part of in the end; the way there is made short. */
function wholeOf(network: Network | undefined): Network | undefined {
  let whole = network
  while (whole?.partOf) whole = whole.partOf
  for (let each = network; each?.partOf;) {
    const next = each.partOf
    if (whole && next !== whole) each.partOf = whole
    each = next
  }
  return whole
}

/**
 * Where the nodes stand: by latitude and longitude if all that stand anywhere have them, else by x and y, which are pixels
 * of CORE's canvas. 100 of them are as many metres as the file's session says (`scale`), 150 by default.
 */
function placesOf({ elements }: Nodes, named: Named, fail: Fail): CoreTopology['places'] {
  const has = (point: Element, key: string): boolean => (point.attributes.get(key) ?? '').trim() !== ''
  const points = elements.map((element) =>
    (element ? descendants(element, []) : [])
      .filter(({ name }) => name === 'point' || name === 'position')
      .find((point) => ['lat', 'lon', 'x', 'y'].some((key) => has(point, key))),
  )
  const standing = points.filter((point) => point !== undefined)
  const degrees = (point: Element, key: 'lat' | 'lon'): number =>
    numberAt(point, key, key === 'lat' ? 90 : 180, 'degrees', fail)
  if (
    standing.every((point) => has(point, 'lat') || has(point, 'lon')) ||
    !standing.every((point) => has(point, 'x'))
  )
    return points.map(
      (point) => point && { latitude: degrees(point, 'lat'), longitude: degrees(point, 'lon') },
    )
  const [session] = named('session_origin')
  const metres =
    (session && has(session, 'scale') ? numberAt(session, 'scale', 1e6, 'metres', fail) : 150) / 100
  const pixels = (point: Element, key: 'x' | 'y'): number =>
    numberAt(point, key, 1e9, 'pixels', fail) * metres
  return points.map((point) => point && { x: pixels(point, 'x'), y: pixels(point, 'y') })
}

function numberAt(element: Element, key: string, bound: number, unit: string, fail: Fail): number {
  const text = element.attributes.get(key) ?? ''
  const value = text.trim() === '' ? NaN : Number(text)
  if (Math.abs(value) <= bound) return value
  return fail(
    element.offset,
    `<${element.name}> must have ${quote(key)} from -${bound} to ${bound} ${unit}, not ${quote(text)}`,
  )
}
