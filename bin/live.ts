/**
 * The table that `etherloom up` redraws in place on a terminal: rates of ports and paths, and the latest events.
 *
 * Theory of operation. A picture has no more lines than the terminal and no longer ones, whatever its size: columns that matter
 * least go first, then rows, of which a line says how many there are, and of the latest events the last one always stays. The
 * terminal wraps nothing while it is drawn, for it alone knows how wide a character is. It is drawn over by going up as many
 * lines as it had; once the terminal's size has changed nobody knows how many these are, and the whole screen is drawn anew.
 */
import type { ControlClient } from '../lib/control/client.js'
import type { PathRow, PortRow, TimelineRow } from '../lib/topology/report.js'
import { formatCell, formatTable, type Cell } from './output.js'
import { visible } from '../lib/values/quote.js'
import { describePolicy } from './tables.js'

interface Table {
  /** What its rows are, for those that are not shown. */
  rowsAre: string
  headings: readonly string[]
  rows: readonly (readonly Cell[])[]
  /** The columns that may be left out, the one that matters least first. The column 1 is shortened before that. */
  leave: readonly number[]
}

const notesShown = 5
/** Characters to which the column 1 of a table may be shortened. */
const shortest = 16
/** Milliseconds from a note to the next picture: many notes may come at once. */
const noteInterval = 100

export class LiveView {
  readonly #instance: ControlClient
  readonly #notes: string[] = []
  #ports = new Map<string, PortRow>()
  #paths = new Map<string, PathRow>()
  #at = 0
  /** The lines of the picture; none before the first, Infinity where nobody knows. */
  #drawn: number | undefined
  #next: NodeJS.Timeout | undefined
  #tables: Table[] = []
  readonly #resized = (): void => {
    if (this.#drawn === undefined) return
    this.#drawn = Infinity
    this.#print()
  }

  constructor(instance: ControlClient) {
    this.#instance = instance
    process.stdout.on('resize', this.#resized)
  }

  /** Adds a line below the tables. */
  note(text: string): void {
    this.#notes.push(visible(text))
    if (this.#notes.length > notesShown) this.#notes.shift()
    if (this.#drawn !== undefined) this.#next ??= setTimeout(() => this.#print(), noteInterval)
  }

  /** Asks for the numbers and draws over what was drawn before. */
  async draw(): Promise<void> {
    const [ports, paths, timeline] = await Promise.all([
      this.#instance.call('ports', {}),
      this.#instance.call('paths', {}),
      this.#instance.call('timeline', {}),
    ])
    this.#tables = this.#tablesOf(ports, paths, timeline)
    this.#print()
  }

  #print(): void {
    clearTimeout(this.#next)
    this.#next = undefined
    const { rows, columns } = process.stdout // 0 where the terminal does not know
    const shown = picture(this.#tables, this.#notes, { height: (rows || 24) - 1, width: columns || 80 })
    process.stdout.write(`\x1b[?7l${this.#erase()}${shown.map((line) => `${line}\n`).join('')}\x1b[?7h`)
    this.#drawn = shown.length
  }

  /** Draws the last picture, leaves it where it is and lets plain lines follow. */
  end(): void {
    if (this.#next) this.#print()
    process.stdout.off('resize', this.#resized)
    this.#drawn = undefined
    this.#notes.length = 0
  }

  #erase(): string {
    if (!this.#drawn) return ''
    return `\x1b[${this.#drawn === Infinity ? 'H' : `${this.#drawn}A`}\x1b[J`
  }

  #tablesOf(ports: PortRow[], paths: PathRow[], entries: TimelineRow[]): Table[] {
    const now = performance.now()
    const seconds = (now - this.#at) / 1000
    const perSecond = (count: bigint, before = count): number => Math.round(Number(count - before) / seconds)
    const portLines = ports.map((row) => {
      const before = this.#ports.get(`${row.fabric}.${row.port}`)
      return [
        `${row.fabric}.${row.port}`,
        row.leadsTo,
        row.carrier === 'on' ? row.state : 'no carrier',
        perSecond(row.receivedFrames, before?.receivedFrames),
        bits(perSecond(row.receivedBytes, before?.receivedBytes)),
        perSecond(row.transmittedFrames, before?.transmittedFrames),
        bits(perSecond(row.transmittedBytes, before?.transmittedBytes)),
        row.dropped,
      ]
    })
    const pathLines = paths.map((row) => {
      const before = this.#paths.get(`${row.fabric}.${row.from}>${row.to}`)
      return [
        `${row.fabric}.${row.from} > ${row.to}`,
        describePolicy(row.allowed, row.policy),
        perSecond(row.delivered, before?.delivered),
        bits(perSecond(row.deliveredBytes, before?.deliveredBytes)),
        row.dropped,
        row.waiting,
        row.inFlight,
      ]
    })
    const timeline = entries.map(({ fabric, entry, taken, next }) => [fabric, entry, taken, next ?? 'done'])
    this.#ports = new Map(ports.map((row) => [`${row.fabric}.${row.port}`, row]))
    this.#paths = new Map(paths.map((row) => [`${row.fabric}.${row.from}>${row.to}`, row]))
    this.#at = now
    return [
      {
        rowsAre: 'ports',
        headings: ['PORT', 'LEADS TO', 'STATE', 'RECEIVED/s', 'RATE', 'SENT/s', 'RATE', 'DROPPED'],
        rows: portLines,
        leave: [1, 6, 4, 7, 5, 3, 2],
      },
      {
        rowsAre: 'paths',
        headings: ['PATH', 'POLICY', 'FRAMES/s', 'RATE', 'DROPPED', 'WAITING', 'IN FLIGHT'],
        rows: pathLines,
        leave: [6, 5, 3, 4, 1, 2],
      },
      {
        rowsAre: 'entries',
        headings: ['TIMELINE', 'ENTRY', 'STEPS', 'NEXT AT'],
        rows: timeline,
        leave: [2, 1, 3],
      },
    ].filter(({ rows }) => rows.length > 0)
  }
}

/** The lines of tables and of the last notes, no more than `height` and no longer than `width`. */
function picture(
  tables: readonly Table[],
  notes: readonly string[],
  { height, width }: { height: number; width: number },
): string[] {
  if (height < 1) return []
  const last = notes.slice(-Math.max(1, Math.floor(height / 4)))
  // A table takes a heading, a row, and the line that parts it from what follows.
  const drawn = tables.slice(0, Math.max(0, Math.floor((height - last.length) / 3)))
  const room = height - last.length - 2 * drawn.length
  const shares = share(
    room,
    drawn.map(({ rows }) => rows.length),
  )
  const lines = drawn.flatMap((table, index) => [...fitted(table, width, shares[index] ?? 0), ''])
  return [...lines, ...last].map((line) => cut(line, width))
}

/** Of so many lines as many for each as it needs, as long as there are some for the others. */
function share(room: number, needs: readonly number[]): number[] {
  const given = needs.map(() => 0)
  const order = needs.map((_, index) => index).sort((a, b) => (needs[a] ?? 0) - (needs[b] ?? 0))
  let left = room
  for (const [place, index] of order.entries()) {
    given[index] = Math.min(needs[index] ?? 0, Math.floor(left / (order.length - place)))
    left -= given[index] ?? 0
  }
  return given
}

/** A table in so many lines below its heading, the last of which says how many rows are not shown. */
function fitted({ rowsAre, headings, rows, leave }: Table, width: number, lines: number): string[] {
  const shown = rows.length <= lines ? rows : rows.slice(0, Math.max(lines - 1, 0))
  const hidden = rows.length - shown.length
  const widths = headings.map((heading, index) =>
    Math.max(heading.length, ...shown.map((row) => formatCell(row[index]).length)),
  )
  const left = new Set<number>()
  const over = (): number =>
    widths.reduce((sum, each, index) => (left.has(index) ? sum : sum + each + 2), -2) - width
  const canShorten = (): number => (left.has(1) ? 0 : Math.max(0, (widths[1] ?? 0) - shortest))
  for (const column of leave) if (over() > canShorten()) left.add(column)
  const longest = (widths[1] ?? 0) - Math.min(Math.max(over(), 0), canShorten())
  const cells = [headings, ...shown].map((row: readonly Cell[]) =>
    row
      .map((cell, index) => (index === 1 && typeof cell === 'string' ? cut(visible(cell), longest) : cell))
      .filter((_, index) => !left.has(index)),
  )
  return [
    ...formatTable(cells[0] as string[], cells.slice(1)),
    ...(hidden > 0 ? [`… ${hidden.toLocaleString('en')} more ${rowsAre}`] : []),
  ]
}

/** A text of no more characters, the last of which says that there are more. */
const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, Math.max(length - 1, 0))}…`.slice(0, length)

/** Bytes per second as bits per second with three digits. */
function bits(bytes: number): string {
  const units = ['bit', 'kbit', 'Mbit', 'Gbit']
  let value = bytes * 8
  while (value >= 1000 && units.length > 1) {
    value /= 1000
    units.shift()
  }
  return `${Number(value.toPrecision(3))} ${units[0]}/s`
}
