/**
 * Reads topology files of CORE (Common Open Research Emulator): which nodes are linked, and where they stand. Called by
 * CoreTopologies.
 *
 * Theory of operation. An XML document is cut into tags by one expression; what CORE needs is in their names and
 * attributes and, for the members of a channel, in the text between two of them. Names lose their namespace prefix.
 * Two shapes are known: that of version 1.0 (`<network>`, `<channel>`, `<member>`, `<host>`, `<point>`), and that of
 * CORE 5 and later (`<devices>`, `<networks>`, `<links>`).
 */
import { EtherloomError } from '../../values/errors.js'

/** A topology of nodes that are numbered from 1. */
export interface CoreTopology {
  /** Pairs of node numbers. */
  links: [number, number][]
  /** Of each host that stands somewhere, in the order of the file: degrees. */
  places: { latitude: number; longitude: number }[]
}

interface Element {
  name: string
  attributes: ReadonlyMap<string, string>
  children: Element[]
  text: string
  offset: number
}

/** @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY with `file:line:column` */
export function readCoreTopology(text: string, file: string): CoreTopology {
  const fail = (offset: number, message: string): never => {
    const lines = text.slice(0, offset).split('\n')
    const at = `${file}:${lines.length}:${(lines.at(-1) ?? '').length + 1}`
    throw new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', `${at}: ${message}`)
  }
  const root = parse(text, fail)
  if (root.name !== 'scenario')
    fail(root.offset, `a CORE topology begins with <scenario>, not <${root.name}>`)
  const all = descendants(root)
  const named = (name: string): Element[] => all.filter((element) => element.name === name)
  const members = named('channel').flatMap((channel) => channelLinks(channel, fail))
  return {
    links: [...members, ...deviceLinks(named, fail)],
    places: [...named('host'), ...named('device')].flatMap((host) => placeOf(host, fail)),
  }
}

type Fail = (offset: number, message: string) => never

/** The first interface of a channel is paired with each of the others. */
function channelLinks(channel: Element, fail: Fail): [number, number][] {
  const [first, ...others] = channel.children
    .filter(({ name, attributes }) => name === 'member' && attributes.get('type') === 'interface')
    .map(({ text, offset }) => {
      const number = /^n(\d+)\/[^/\s]+$/.exec(text.trim())?.[1]
      return number === undefined
        ? fail(offset, `a member must be an interface such as n1/eth0, not '${text.trim()}'`)
        : Number(number)
    })
  return first === undefined ? [] : others.map((other) => [first, other])
}

/** Links between two devices; devices that are linked to one network are linked to each other. */
function deviceLinks(named: (name: string) => Element[], fail: Fail): [number, number][] {
  const networks = new Map(
    named('network').flatMap(({ attributes }) => {
      const id = attributes.get('id')
      return id !== undefined && attributes.has('type') ? [[id, [] as number[]] as const] : []
    }),
  )
  const links: [number, number][] = []
  for (const { attributes, offset } of named('link')) {
    const ends = [1, 2].map(
      (end) => attributes.get(`node${end}`) ?? attributes.get(end === 1 ? 'node_one' : 'node_two'),
    )
    const [one, two] = ends
    if (one === undefined || two === undefined) continue // another kind of link, of version 1.0
    const numbers = [one, two].flatMap((id) => (networks.has(id) ? [] : [wholeNumber(id, offset, fail)]))
    const network = networks.get(one) ?? networks.get(two)
    const [a, b] = numbers
    if (a !== undefined && b !== undefined) links.push([a, b])
    else if (network && a !== undefined) {
      for (const other of network) links.push([other, a])
      network.push(a)
    }
  }
  return links
}

const wholeNumber = (id: string, offset: number, fail: Fail): number =>
  /^\d+$/.test(id) ? Number(id) : fail(offset, `a node must be a number, not '${id}'`)

function placeOf(host: Element, fail: Fail): CoreTopology['places'] {
  const point = descendants(host).find(({ name }) => name === 'point' || name === 'position')
  if (!point) return []
  const [latitude, longitude] = (['lat', 'lon'] as const).map((key) => {
    const value = point.attributes.get(key)
    const degrees = value === undefined || value.trim() === '' ? NaN : Number(value)
    const bound = key === 'lat' ? 90 : 180
    if (Math.abs(degrees) <= bound) return degrees
    return fail(
      point.offset,
      `<${point.name}> must have '${key}' from -${bound} to ${bound} degrees, not '${value ?? ''}'`,
    )
  }) as [number, number]
  return [{ latitude, longitude }]
}

function descendants(element: Element): Element[] {
  return element.children.flatMap((child) => [child, ...descendants(child)])
}

// ---- XML, as much of it as such files have: elements, attributes, text, comments, CDATA, the predefined entities ----

const markup =
  /<!--[^]*?-->|<!\[CDATA\[([^]*?)\]\]>|<\?[^]*?\?>|<!DOCTYPE[^>[]*(?:\[[^\]]*\])?[^>]*>|<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

const deepest = 100

function parse(text: string, fail: Fail): Element {
  const document: Element = { name: '', attributes: new Map(), children: [], text: '', offset: 0 }
  const open = [document]
  const current = (): Element => open.at(-1) as Element
  let at = text.startsWith('\ufeff') ? 1 : 0
  while (at < text.length) {
    const next = text.indexOf('<', at)
    const end = next < 0 ? text.length : next
    const between = text.slice(at, end)
    if (open.length === 1 && between.trim() !== '') fail(at + between.search(/\S/), 'this is no XML')
    current().text += decode(between)
    if (next < 0) break
    markup.lastIndex = next
    const found = markup.exec(text)
    if (!found) return fail(next, 'a tag that XML does not allow, or one that does not end')
    at = markup.lastIndex
    const [, cdata, closing, name, attributes, empty] = found
    if (cdata !== undefined) current().text += cdata
    if (name === undefined) continue
    const local = name.slice(name.indexOf(':') + 1)
    if (closing) {
      if (open.length === 1 || current().name !== local) fail(next, `</${name}> ends what was not begun`)
      open.pop()
      continue
    }
    const element = {
      name: local,
      attributes: readAttributes(attributes ?? ''),
      children: [],
      text: '',
      offset: next,
    }
    current().children.push(element)
    if (!empty) open.push(element)
    if (open.length > deepest) fail(next, `elements within each other, ${deepest} deep`)
  }
  if (open.length > 1) fail(current().offset, `<${current().name}> does not end`)
  const [root, second] = document.children
  if (second) fail(second.offset, 'a second document after the first')
  return root ?? fail(0, 'no XML element is in it')
}

function readAttributes(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const [, name = '', double, single] of text.matchAll(attribute))
    found.set(name, decode(double ?? single ?? ''))
  return found
}

function decode(text: string): string {
  return text.replace(/&(#x[\da-f]+|#\d+|\w+);/gi, (whole, word: string) => {
    if (!word.startsWith('#')) return entities[word] ?? whole
    const code =
      word[1] === 'x' || word[1] === 'X' ? Number.parseInt(word.slice(2), 16) : Number(word.slice(1))
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
