/**
 * The grammar of tmesh: text becomes statements, or mistakes with their places. Called by tmesh.ts.
 *
 *     command    := ["connect"] connection | COMMAND word*
 *     connection := NAME ":" MODULE word*                     a new element
 *                 | NAME word* "at" NAME word* ":" MODULE word*   a new element, connected with one that exists
 *                 | NAME word* "at" NAME word*                two that exist, or one with itself
 *
 * A newline or ';' ends a command, '#' begins a comment, and no line is continued. A word is of letters, digits and
 * `. / _ -`, or of anything in double quotes, which know no escapes. 'at' is reserved wherever it stands.
 */

import type { SourceFile } from './format.js'
import { quote } from '../../values/quote.js'

/** A word of the text, with where it stands. */
export interface Word {
  text: string
  file: string
  line: number
  column: number
}

/** An element is created (`module`), connected (`at`), or both. */
export interface Connection {
  kind: 'connection'
  name: Word
  words: Word[]
  at?: { name: Word; words: Word[] }
  module?: Word
  /** What follows the module. */
  settings: Word[]
}

/** A command that is none about elements' connections. The first word is its name. */
export interface Command {
  kind: 'command'
  words: Word[]
}

export type Statement = Connection | Command

/** A mistake, at a word. */
export interface Mistake {
  at: Word
  message: string
}

const commands = ['source', 'cd', 'ls', 'mkdir', 'rmdir', 'rm', 'mv', 'command', 'log', 'alias']

/** All statements of a text, and all its mistakes. A statement with a mistake is left out. */
export function parseTmesh({ file, text }: SourceFile): { statements: Statement[]; mistakes: Mistake[] } {
  const statements: Statement[] = []
  const mistakes: Mistake[] = []
  text.split('\n').forEach((content, index) => {
    for (const tokens of tokensOf(content, { file, line: index + 1 }, mistakes)) {
      const result = readStatement(tokens)
      if ('kind' in result) statements.push(result)
      else mistakes.push(result)
    }
  })
  return { statements, mistakes }
}

/** A word or, where `colon` says so, a ':'. */
type Token = Word & { colon?: true }

/** The tokens of a line, command by command. A command with a character that cannot be is a mistake and left out. */
function tokensOf(content: string, where: Pick<Word, 'file' | 'line'>, mistakes: Mistake[]): Token[][] {
  const all: Token[][] = []
  let tokens: Token[] = []
  let wrong: Mistake | undefined
  const end = (): void => {
    if (wrong) mistakes.push(wrong)
    else if (tokens.length > 0) all.push(tokens)
    tokens = []
    wrong = undefined
  }
  const pattern =
    /[ \t\r]+|#.*|(?<semicolon>;)|(?<colon>:)|(?<word>(?:[A-Za-z0-9./_-]|"[^"]*")+)|(?<other>.)/g
  for (const { 0: text, index, groups = {} } of content.matchAll(pattern)) {
    const place = { ...where, text, column: index + 1 }
    const { semicolon, colon, word, other } = groups
    if (semicolon !== undefined) end()
    else if (colon !== undefined) tokens.push({ ...place, colon: true })
    else if (word !== undefined) tokens.push({ ...place, text: word.replaceAll('"', '') })
    else if (other === '"') wrong ??= { at: place, message: 'a quote that does not end on its line' }
    else if (other !== undefined)
      wrong ??= { at: place, message: `${quote(text)} must stand in double quotes` }
  }
  end()
  return all
}

function readStatement(tokens: Token[]): Statement | Mistake {
  const explicit = tokens[0]?.text === 'connect' && tokens.length > 1
  const [name, ...rest] = (explicit ? tokens.slice(1) : tokens) as [Token, ...Token[]]
  if (name.colon) return { at: name, message: "a name must stand before ':'" }
  const named = rest[0]?.colon ?? rest[0]?.text === 'at'
  if (!explicit && !named && commands.includes(name.text)) return { kind: 'command', words: tokens }
  if (name.text === 'at') return { at: name, message: "'at' is a reserved word and no name" }
  return readConnection(name, rest)
}

function readConnection(name: Word, rest: Token[]): Connection | Mistake {
  const isAt = ({ colon, text }: Token): boolean => colon === undefined && text === 'at'
  const colon = rest.findIndex((token) => token.colon)
  const before = colon < 0 ? rest : rest.slice(0, colon)
  const after = colon < 0 ? [] : rest.slice(colon + 1)
  const at = before.findIndex(isAt)
  const stray = after.find((token) => token.colon) ?? [...before.slice(at + 1), ...after].find(isAt)
  if (stray?.colon)
    return { at: stray, message: "a second ':'; what has one in it must stand in double quotes" }
  if (stray && at >= 0) return { at: stray, message: "a second 'at', which is a reserved word" }
  if (stray) return { at: stray, message: "'at' is a reserved word and must stand before the ':'" }
  const [module, ...settings] = after
  if (colon >= 0 && module === undefined)
    return { at: rest[colon] ?? name, message: "a module must follow the ':'" }
  if (at < 0) {
    const [word] = before
    if (word)
      return { at: word, message: `expected 'at' between ${quote(name.text)} and ${quote(word.text)}` }
    if (module === undefined)
      return { at: name, message: `${quote(name.text)} is no command, and neither 'at' nor ':' follows it` }
    return { kind: 'connection', name, words: [], module, settings }
  }
  const [other, ...words] = before.slice(at + 1)
  if (other === undefined)
    return { at: before[at] ?? name, message: "the name of an element must follow 'at'" }
  return {
    kind: 'connection',
    name,
    words: before.slice(0, at),
    at: { name: other, words },
    ...(module && { module }),
    settings,
  }
}
