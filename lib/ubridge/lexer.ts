/**
 * The words of a line of ubridge's console. Called by Hypervisor with what any client sends.
 *
 * Theory of operation. Blanks part words. A quotation mark where a word would begin opens one that ends at the next, blanks
 * and all; there are no escapes, and one that is empty is no word at all. Outside of quotes '#' and '!' begin a comment,
 * within a word too.
 */
import { codes, Refusal } from './replies.js'

/** Each: a whole quoted word, an open one, a comment, or a word up to a blank or a comment. */
const piece = /"([^"]*)"|(")|[#!].*|([^ \t\r\v\f#!]+)/gs

/** @throws Refusal for a quotation that does not end */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(piece)].flatMap(([, quoted, open, plain]) => {
    if (open !== undefined) throw new Refusal(codes.syntax, 'a quotation mark opens a word that does not end')
    return [quoted ?? plain ?? ''].filter((word) => word !== '')
  })
}
