/**
 * The table that `etherloom up` redraws in place on a terminal: rates of ports and paths, and the latest events.
 */
import type { ControlClient } from '../lib/control/client.js'
import type { PathRow, PortRow, TimelineRow } from '../lib/topology/report.js'
import { formatTable } from './output.js'
import { visible } from '../lib/values/quote.js'
import { describePolicy } from './tables.js'

const notesShown = 5
/** Milliseconds from a note to the next picture: many notes may come at once. */
const noteInterval = 100

export class LiveView {
  readonly #instance: ControlClient
  readonly #notes: string[] = []
  #ports = new Map<string, PortRow>()
  #paths = new Map<string, PathRow>()
  #at = 0
  #drawn = 0
  #next: NodeJS.Timeout | undefined
  #tables: string[] = []

  constructor(instance: ControlClient) {
    this.#instance = instance
  }

  /** Adds a line below the tables. */
  note(text: string): void {
    this.#notes.push(visible(text))
    if (this.#notes.length > notesShown) this.#notes.shift()
    if (this.#drawn > 0) this.#next ??= setTimeout(() => this.#print(), noteInterval)
  }

  /** Asks for the numbers and draws over what was drawn before. */
  async draw(): Promise<void> {
    const [ports, paths, timeline] = await Promise.all([
      this.#instance.call('ports', {}),
      this.#instance.call('paths', {}),
      this.#instance.call('timeline', {}),
    ])
    this.#tables = this.#linesOf(ports, paths, timeline)
    this.#print()
  }

  #print(): void {
    clearTimeout(this.#next)
    this.#next = undefined
    const lines = [...this.#tables, ...this.#notes]
    const { rows, columns } = process.stdout // 0 where the terminal does not know
    const shown = lines.slice(0, (rows || 24) - 1).map((line) => line.slice(0, columns || 80))
    process.stdout.write(`${this.#erase()}${shown.join('\n')}\n`)
    this.#drawn = shown.length
  }

  /** Draws the last picture, leaves it where it is and lets plain lines follow. */
  end(): void {
    if (this.#next) this.#print()
    this.#drawn = 0
    this.#notes.length = 0
  }

  #erase(): string {
    return this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\x1b[J`
  }

  #linesOf(ports: PortRow[], paths: PathRow[], entries: TimelineRow[]): string[] {
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
      ...formatTable(
        ['PORT', 'LEADS TO', 'STATE', 'RECEIVED/s', 'RATE', 'SENT/s', 'RATE', 'DROPPED'],
        portLines,
      ),
      '',
      ...formatTable(['PATH', 'POLICY', 'FRAMES/s', 'RATE', 'DROPPED', 'WAITING', 'IN FLIGHT'], pathLines),
      '',
      ...(timeline.length > 0
        ? [...formatTable(['TIMELINE', 'ENTRY', 'STEPS', 'NEXT AT'], timeline), '']
        : []),
    ]
  }
}

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
