/** What the demo shows: a picture, and a table of asked-for beside measured. Redrawn in place on a terminal. */

export interface Row {
  path: string
  what: string
  asked: string
  measured: string
  /** undefined: nothing to agree with, or not measured yet. */
  agrees?: boolean | undefined
}

const picture = `
  ╭─────╮   5 ms each way   ╭───────╮  20 ms each way, 2 % loss  ╭──────╮
  │ red │ ◀───────────────▶ │ green │ ◀────────────────────────▶ │ blue │
  ╰──┬──╯                   ╰───────╯         10 Mbit/s          ╰──┬───╯
     ╰─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ denied ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─╯
`

export class Screen {
  readonly #live = process.stdout.isTTY && !process.env.CI
  readonly #colour = process.stdout.isTTY && process.env.NO_COLOR === undefined
  #drawn = 0

  /** Whether somebody watches: then the demo goes on until Ctrl-C. */
  get live(): boolean {
    return this.#live
  }

  /** `rights`: by which it does it. */
  start(rights: string): void {
    process.stdout.write(
      `${this.#paint('1', 'etherloom')}: three hosts, each with a kernel stack of its own, on one hub\n` +
        `${this.#paint('2', rights)}\n${picture}\n`,
    )
  }

  /** Draws the table over the last one. */
  draw(rows: readonly Row[], doing: string): void {
    if (!this.#live) return
    const lines = [...this.#table(rows), '', this.#paint('2', `${doing}   (Ctrl-C ends it)`)]
    const shown = lines.map((line) => this.#cut(line, process.stdout.columns))
    process.stdout.write(`${this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\x1b[J`}${shown.join('\n')}\n`)
    this.#drawn = shown.length
  }

  /** The last picture of the table, which stays. */
  finish(rows: readonly Row[], closing: string[]): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`)
    this.#drawn = 0
    process.stdout.write(`${[...this.#table(rows), '', ...closing].join('\n')}\n`)
  }

  #table(rows: readonly Row[]): string[] {
    const heading = { path: 'path', what: 'what', asked: 'asked for', measured: 'measured' }
    const width = (key: keyof typeof heading): number =>
      Math.max(...[heading, ...rows].map((row) => row[key].length))
    const widths = [width('path'), width('what'), width('asked'), width('measured')] as const
    const line = (row: typeof heading): string =>
      [
        row.path.padEnd(widths[0]),
        row.what.padEnd(widths[1]),
        row.asked.padEnd(widths[2]),
        row.measured.padEnd(widths[3]),
      ].join('  ')
    return [
      this.#paint('1', line(heading)),
      ...rows.map((row, index) => {
        const path = rows[index - 1]?.path === row.path ? '' : row.path
        return `${line({ ...row, path })}  ${this.#verdict(row.agrees)}`
      }),
    ]
  }

  #verdict(agrees: boolean | undefined): string {
    if (agrees === undefined) return ''
    return agrees ? this.#paint('32', '✓') : this.#paint('31', '✗')
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text
  }

  /** Colours take no place, so only plain lines are cut. */
  #cut(line: string, columns: number): string {
    return line.includes('\x1b') || line.length <= columns ? line : line.slice(0, columns)
  }
}
