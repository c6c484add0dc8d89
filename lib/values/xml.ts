/**
 * XML, as much of it as files of topologies have: elements, attributes, text, comments, CDATA, the predefined entities.
 * Called by those who read files of CORE.
 *
 * Theory of operation. A document is cut into tags by one expression. Names lose their namespace prefix.
 */

import { shorten } from './quote.js'

export interface Element {
  name: string
  attributes: ReadonlyMap<string, string>
  children: Element[]
  text: string
  offset: number
}

/** Takes a mistake at an offset, and throws. */
export type Fail = (offset: number, message: string) => never

/** Gives line and column of an offset, from 1. Lines are counted once, when the first is asked for. */
export function placesIn(text: string): (offset: number) => { line: number; column: number } {
  const begins = [0]
  return (offset) => {
    if (begins.length === 1)
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) begins.push(end + 1)
    let [line, after] = [0, begins.length]
    while (after - line > 1) {
      const middle = (line + after) >> 1
      if ((begins[middle] as number) <= offset) line = middle
      else after = middle
    }
    return { line: line + 1, column: offset - (begins[line] as number) + 1 }
  }
}

/** Adds all that are below an element to `into`, in the order of the file. */
export function descendants(element: Element, into: Element[]): Element[] {
  for (const child of element.children) {
    into.push(child)
    descendants(child, into)
  }
  return into
}

// No two parts of it that follow each other take the same text, so that what does not match is refused in one pass.

const markup =
  /<!--[^]*?-->|<!\[CDATA\[([^]*?)\]\]>|<\?[^]*?\?>|<!DOCTYPE[^>[]*(?:\[[^\]]*\][^>]*)?>|<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const entities: ReadonlyMap<string, string> = new Map(
  Object.entries({ lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }),
)

const deepest = 100

/** The root of a document. `fail` is called with the place of the first mistake, and throws. */
export function parseXml(text: string, fail: Fail): Element {
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
      if (open.length === 1 || current().name !== local)
        fail(next, `</${shorten(name, 60)}> ends what was not begun`)
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
  if (open.length > 1) fail(current().offset, `<${shorten(current().name, 60)}> does not end`)
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
    if (!word.startsWith('#')) return entities.get(word) ?? whole
    const code =
      word[1] === 'x' || word[1] === 'X' ? Number.parseInt(word.slice(2), 16) : Number(word.slice(1))
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
