// What a terminal shows after a program has written to it, and that as SVG. Used by up.ts. It knows what our own tables use: lines,
// the cursor up, and erasing to the end of the screen or the line; colours are left out.

export class Screen {
  #lines: string[] = ['']
  #row = 0
  #column = 0

  /** Takes what the program has written, in any pieces but within an escape sequence. */
  write(text: string): void {
    for (const [token] of text.matchAll(/\x1b\[[?0-9;]*[A-Za-z]|[^]/gu)) this.#take(token)
  }

  /** The lines, without blanks at their ends and without empty ones at the end. */
  lines(): string[] {
    return this.#lines
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd()
      .split('\n')
  }

  #take(token: string): void {
    const sequence = /^\x1b\[(\d*)([AJK])$/.exec(token)
    const line = this.#lines[this.#row] ?? ''
    if (token === '\r') this.#column = 0
    else if (token === '\n') this.#row++
    else if (sequence?.[2] === 'A') this.#row = Math.max(0, this.#row - Math.max(1, Number(sequence[1])))
    else if (sequence) {
      this.#lines[this.#row] = line.slice(0, this.#column)
      if (sequence[2] === 'J') this.#lines.length = this.#row + 1
    } else if (!token.startsWith('\x1b')) {
      this.#lines[this.#row] =
        line.padEnd(this.#column).slice(0, this.#column) + token + line.slice(this.#column + 1)
      this.#column++
    }
    while (this.#lines.length <= this.#row) this.#lines.push('')
  }
}

const cell = { width: 8.43, height: 18 }
const edge = 14

/** A terminal of so many columns with those lines. Dark on every page, as terminals are. */
export function screenToSvg(columns: number, title: string, lines: readonly string[]): string {
  const width = Math.ceil(columns * cell.width + 2 * edge)
  const height = lines.length * cell.height + 2 * edge
  const text = lines.map((line, index) => {
    const heading = /^[A-Z][A-Z /a-z]+$/.test(line) && /^[A-Z]{4}/.test(line)
    const kind = line.startsWith('$') ? ' class="said"' : heading ? ' class="heading"' : ''
    const y = edge + (index + 0.75) * cell.height
    // Each piece has its own place, so that columns stand below each other in any font.
    const pieces = [...line.matchAll(/\S+(?: \S+)*/g)].map(
      ({ index, 0: words }) =>
        `<tspan x="${(edge + index * cell.width).toFixed(1)}">${escape(words)}</tspan>`,
    )
    return line === '' ? [] : [`<text y="${y}"${kind}>${pieces.join('')}</text>`]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${title}</title>`,
    '<style>text{font:14px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dae0}' +
      '.heading{fill:#7fb2ec}.said{fill:#8fd19e}</style>',
    `<rect width="${width}" height="${height}" rx="8" fill="#1c2128"/>`,
    ...text.flat(),
    '</svg>',
    '',
  ].join('\n')
}

const escape = (words: string): string => words.replace(/&/g, '&amp;').replace(/</g, '&lt;')
