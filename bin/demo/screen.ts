/** How the demo is followed while it runs: on a terminal, or as plain lines. Called by runDemo. */
import { printLine } from '../output.js'
import type { Phase, Row } from './phases.js'
import { picture, table } from './picture.js'
import { nameOf, type Scene } from './scene.js'

export interface View {
  /** A phase begins; the rows of the one before it have their findings. */
  begin(phase: Phase): void
  progress(soFar: string): void
  /** Leaves the last table behind. */
  end(): void
}

const title = 'etherloom: three hosts, each with a kernel stack of its own, on one hub'
const nextSteps = [
  'Now change examples/three-hosts.yaml, and run',
  '  npx etherloom up examples/three-hosts.yaml',
]

/** One line as each phase begins, the table at the end. */
export class Log implements View {
  readonly #rows: readonly Row[]

  constructor(scene: Scene, rows: readonly Row[]) {
    this.#rows = rows
    for (const line of [title, '', ...picture(scene), '']) printLine(line)
  }

  begin({ relation, title: doing }: Phase): void {
    printLine(`${nameOf(relation)}: ${doing}`)
  }

  progress(): void {
    // Printed lines stay as they are.
  }

  end(): void {
    for (const line of ['', ...table(this.#rows), '', ...nextSteps]) printLine(line)
  }
}

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const clearBelow = '\x1b[J'
const clearAll = '\x1b[2J\x1b[H'
const drawAfter = 100 // milliseconds

const colours: Record<string, string> = {
  red: '\x1b[31m',
  green: '\x1b[32m',
  blue: '\x1b[94m',
  '✓': '\x1b[1;32m',
  '✗': '\x1b[1;31m',
  '…': '\x1b[1;33m',
}

/** Everything at once, drawn over itself as it changes. A terminal without room for the picture goes without. */
export class Screen implements View {
  readonly #scene: Scene
  readonly #rows: readonly Row[]
  readonly #started = performance.now()
  #phase: Phase | undefined
  #soFar = ''
  #height = 0
  #timer: NodeJS.Timeout | undefined
  readonly #resized = (): void => {
    process.stdout.write(clearAll)
    this.#height = 0
    this.#draw()
  }

  constructor(scene: Scene, rows: readonly Row[]) {
    this.#scene = scene
    this.#rows = rows
    process.once('exit', restoreTerminal)
    process.stdout.on('resize', this.#resized)
    process.stdout.write(hideCursor)
  }

  begin(phase: Phase): void {
    this.#phase = phase
    this.progress('')
  }

  progress(soFar: string): void {
    this.#soFar = soFar
    this.#timer ??= setTimeout(() => this.#draw(), drawAfter)
  }

  end(): void {
    this.#phase = undefined
    this.#draw()
    process.stdout.off('resize', this.#resized)
    process.off('exit', restoreTerminal)
    restoreTerminal()
  }

  #draw(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { rows, columns } = process.stdout
    const lines = this.#lines(rows - 1, columns).map((line) => paint(line.slice(0, columns)))
    const back = this.#height === 0 ? '' : `\x1b[${this.#height}A${clearBelow}`
    process.stdout.write(`${back}${lines.join('\n')}\n`)
    this.#height = lines.length
  }

  #lines(height: number, width: number): string[] {
    const scene = [...picture(this.#scene), '']
    const rest = [...table(this.#rows, this.#phase), '', this.#now(), '', ...nextSteps]
    const fits = 2 + scene.length + rest.length <= height && scene.every((line) => line.length <= width)
    return [title, '', ...(fits ? scene : []), ...rest].slice(0, height)
  }

  /** For how long it has run, and what it does now. */
  #now(): string {
    const seconds = Math.floor((performance.now() - this.#started) / 1000)
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
    if (!this.#phase) return `Ended after ${time}.`
    const { relation, title: doing } = this.#phase
    return `${time}  ${nameOf(relation)}: ${doing}${this.#soFar && `: ${this.#soFar}`}`
  }
}

const restoreTerminal = (): void => void process.stdout.write(showCursor)

/** Gives the hosts' names and the verdicts their colours, where the terminal and NO_COLOR allow it. */
function paint(line: string): string {
  if (!process.stdout.hasColors()) return line
  return line.replace(/\b(?:red|green|blue)\b|[✓✗…]/g, (word) => `${colours[word] ?? ''}${word}\x1b[0m`)
}
