/**
 * Text of others (files, names, words of a command line, peers) within text of ours: nothing of it moves a cursor, begins a
 * line or hides what stands there, and a sentence quotes no more than a reader needs.
 * Called for every message, and by the command line for all that it prints.
 */

/** Control characters (C0, C1, DEL), ends of lines, and marks that turn the direction of text around. */
const hidden = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/** The same text, with characters that a terminal would act on as JSON and YAML write them: `\n`, `\u001b`. */
export const visible = (text: string): string =>
  text.replace(hidden, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1)
    return escaped === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : escaped
  })

/** At most so many characters of a text, the last of them points where it goes on. */
export const shorten = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 3)}...` : text

/** A word of somebody else as it may stand in a sentence. */
export const quote = (word: string): string => `'${shorten(visible(shorten(word, 60)), 60)}'`
