/**
 * Timelines: changes of paths and carriers at given times. Made by `fabric.timeline(entries)`; topology files have the same
 * entries.
 *
 * Theory of operation. Each entry is a sequence of steps, each with its offset from time zero, computed from the entry
 * alone: lateness never adds up. The engine's agenda calls run() when the first of them is due. All steps that are due
 * are taken in the order of their times (of one time: of the entries), and change the timeline's pictures of paths and
 * ports; then what the pictures say is written. So a step that was missed, because the process was stopped meanwhile,
 * counts, but a path is set once, to what holds now. Of very many steps that were missed, some are taken and written, and the
 * rest when the event loop comes around again.
 */
import { EventEmitter } from 'node:events'
import type { BackgroundEvents } from '../engine/engine.js'
import { locate, type EtherloomError } from '../values/errors.js'
import { about, flag, members, optionsReader } from '../values/options.js'
import { limits } from '../values/limits.js'
import { formatDuration, type Duration } from '../values/units.js'
import { checkEntry, inWords, type Checked, type Step, type TimelineEntry } from './entries.js'
import { Pictures, type TimelineFabric } from './pictures.js'

const readStopOptions = optionsReader('Timeline.stop', {
  restore: about(
    'Whether paths have again the policies, and ports the carriers, that they were given by others.',
    flag(false),
  ),
})

/** One step that was taken. */
export interface TimelineStep {
  /** The entry it belongs to, counted from 1. */
  entry: number
  /** Its time, from time zero; that it was taken later does not show here. */
  at: Duration
  /** `begin` of a change, a ramp or an outage; `step` and `end` of a ramp; `end` of an outage. */
  phase: Step['phase']
  /** What it did, as `a > b loss=0.02`. */
  did: string
}

/** A step that cannot be taken, as where a port has gone, is a `failure`; everything else goes on. */
export interface TimelineEvents extends BackgroundEvents {
  /** A step was taken. */
  entry: [step: TimelineStep]
  /** There is no step left. */
  end: []
}

/** How far an entry is. */
export interface TimelineProgress {
  /** In words. */
  entry: string
  /** The time of its next step, from time zero; absent when there is none. */
  next?: Duration
  /** Steps taken. */
  taken: number
  /** What went wrong last. */
  error?: string
}
interface Running extends Checked {
  next: Step | undefined
  taken: number
  error: string | undefined
}

/** Runs from its making on, which is its time zero. Keeps no process alive; its fabric does. */
export class Timeline extends EventEmitter<TimelineEvents> {
  readonly #fabric: TimelineFabric
  readonly #ended: (timeline: Timeline) => void
  readonly #zero: bigint
  readonly #entries: Running[]
  readonly #pictures: Pictures<Running>
  #stopped = false

  /** @internal `stopped` is called once, when it takes no more steps because somebody stopped it. */
  constructor(
    fabric: TimelineFabric,
    entries: Iterable<TimelineEntry>,
    stopped: (timeline: Timeline) => void,
  ) {
    super()
    this.#fabric = fabric
    this.#ended = stopped
    this.#pictures = new Pictures(fabric)
    this.#entries = members(entries, 'a timeline', 'a list of entries').map((entry, index) => {
      try {
        const checked = checkEntry(entry)
        for (const name of [...checked.from, ...(checked.to ?? [])]) if (name !== '*') fabric.port(name)
        const { value: next } = checked.steps.next()
        return { ...checked, next, taken: 0, error: undefined }
      } catch (error) {
        throw locate(error, `entry ${index + 1} of the timeline`)
      }
    })
    this.#zero = fabric.engine.now()
    fabric.engine.agenda.add(this)
  }

  /** Whether there are steps left to take. */
  get running(): boolean {
    return !this.#stopped && this.#first() !== undefined
  }

  /** How far each entry is. */
  get progress(): TimelineProgress[] {
    return this.#entries.map(({ words, next, taken, error }) => ({
      entry: words,
      ...(next && !this.#stopped && { next: formatDuration(next.at) as Duration }),
      taken,
      ...(error !== undefined && { error }),
    }))
  }

  /**
   * Takes no more steps. What it has set stays, or with `restore` goes: paths have again the policies, and ports the
   * carriers, that they were given by others. Idempotent.
   */
  stop(options: { restore?: boolean } = {}): void {
    const { restore } = readStopOptions(options)
    if (this.#stopped) return
    this.#stopped = true
    this.#fabric.engine.agenda.remove(this)
    this.#ended(this)
    if (restore && !this.#fabric.closed) this.#pictures.restore()
  }

  /** @internal */
  get due(): bigint | undefined {
    const first = this.#first()
    return first?.next && this.#zero + first.next.at
  }

  /** @internal Takes the steps that are due, of one instant at least. */
  run(now: bigint): void {
    const errors: EtherloomError[] = []
    const taken: TimelineStep[] = []
    const attempt = (entry: Running, work: () => void): void => {
      try {
        work()
      } catch (error) {
        const found = locate(error, `timeline of '${this.#fabric.name}', ${entry.words}`) as EtherloomError
        entry.error = found.message
        errors.push(found)
      }
    }

    // What is left after so much work is still due, and comes when others have had their turn; an instant is never divided.
    for (let work = 0; work < limits.timelineTurn; work += this.#entries.length) {
      const at = this.#first()?.next?.at
      if (at === undefined || this.#zero + at > now) break
      this.#entries.forEach((entry, index) => {
        for (; entry.next?.at === at; entry.next = entry.steps.next().value) {
          const { phase, effect } = entry.next
          attempt(entry, () => {
            work += 100 * this.#pictures.change(entry, effect)
          })
          entry.taken++
          const did = inWords(entry, effect)
          taken.push({ entry: index + 1, at: formatDuration(at) as Duration, phase, did })
        }
      })
    }
    this.#pictures.write(attempt)

    for (const step of taken) this.emit('entry', step)
    if (!this.#stopped && !this.#first()) {
      this.#fabric.engine.agenda.remove(this)
      this.emit('end')
    }
    for (const error of errors) this.#fabric.engine.failed(this, error)
  }

  /** The entry whose next step comes first; of several, the one that was given first. */
  #first(): Running | undefined {
    let first: Running | undefined
    if (this.#stopped) return first
    for (const entry of this.#entries)
      if (entry.next && (!first?.next || entry.next.at < first.next.at)) first = entry
    return first
  }
}
