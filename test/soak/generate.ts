/** Random programs: the same seed, the same program. Called by soak.ts. */
import type { AttachOptions, FilterSource, Policy, PolicyOptions, TimelineEntry } from '../../lib/index.js'
import { Draw } from '../helpers/draw.js'
import { station } from '../helpers/frames.js'
import { links, type LinkKind, type Program, type Step } from './steps.js'

export interface Wishes {
  clock: 'real' | 'virtual'
  /** How many workers engines have. Default: drawn, 1 to 4. */
  workers?: number
  /** Whether TAPs in namespaces can be made. */
  taps: boolean
}

/** What the program has made so far, as far as later steps ask for it. */
interface Seat {
  name: string
  kind: 'memory' | 'generator' | 'sink' | LinkKind
  /** Which fabric it stands in, or will again. */
  fabric: Place
  attached: boolean
}
interface Place {
  name: string
  kind: 'hub' | 'switch' | 'wire'
  engine: number
  forwarding: 'allow' | 'deny'
  seats: Seat[]
  /** Ports never leave, so that the sum over the ports holds as well. */
  stays: boolean
  /** Fabrics of one number are joined already. */
  island: number
}

const filters: FilterSource[] = [
  { destinationMac: 'broadcast' },
  { length: { max: 500 } },
  { vlan: true },
  { not: { etherType: 'arp' } },
  'ether[6] & 1 = 0',
  'greater 100',
]
const netemWords = [
  'delay 2ms 1ms 25% distribution normal',
  'delay 300us 100us reorder 25% 50% gap 3',
  'loss 10% 25%',
  'loss gemodel 1% 10% 70% 0.1%',
  'loss state 5% 60% 10% 50% 1%',
  'corrupt 10% 20% limit 50',
  'rate 20mbit 10 48 5 delay 1ms',
  'slot 500us 2ms packets 5 bytes 4000',
  'slot distribution pareto 1ms 300us',
  'delay 1ms loss 5% ecn limit 20',
]
const netemDuplicates = ['duplicate 20% 10%', 'delay 1ms 500us duplicate 5% loss 1%']

/** Options that go over any exact policy, as entries of timelines have them. */
const overlays: PolicyOptions[] = [
  { loss: 0.2 },
  { delay: '700us' },
  { delay: '1ms', jitter: '500us' },
  { rate: '50Mbit' },
  { corrupt: 0.1 },
  { bitErrorRate: 1e-5 },
]

class Writer {
  readonly steps: Step[] = []
  readonly #draw: Draw
  readonly #places: Place[] = []
  readonly #timelines: string[] = []
  readonly #worlds: string[] = []
  readonly #captures: string[] = []
  /** Fate logs that are closed. */
  readonly #logs: string[] = []
  #open = new Map<string, string>()
  #named = 0
  /** Whether patches form a loop: then no frame is doubled, since each would be sixteen times. */
  #loop = false
  #tapped = false

  constructor(
    draw: Draw,
    readonly engines: number,
    readonly wishes: Wishes,
  ) {
    this.#draw = draw
  }

  write(): void {
    const draw = this.#draw
    const fabrics = 1 + draw.below(4)
    for (let index = 0; index < fabrics; index++) this.#fabric(index)
    for (const place of this.#places)
      for (let count = place.kind === 'wire' ? 1 : 2 + draw.below(3); count > 0; count--) this.#port(place)
    for (let count = 1 + draw.below(fabrics); count > 0; count--) this.#link()
    if (draw.once(12)) this.#closeLoop()
    const length = 10 + draw.below(50)
    for (let index = 0; index < length; index++) this.#any(true)
  }

  #name(prefix: string): string {
    return `${prefix}${this.#named++}`
  }

  #fabric(island: number): void {
    const draw = this.#draw
    const kind = draw.of(['hub', 'hub', 'switch', 'switch', 'wire'] as const)
    const place: Place = {
      name: this.#name(kind),
      kind,
      engine: draw.below(this.engines),
      forwarding: draw.once(3) ? 'deny' : 'allow',
      seats: [],
      stays: draw.once(2),
      island,
    }
    this.#places.push(place)
    this.steps.push({
      do: 'fabric',
      kind,
      name: place.name,
      engine: place.engine,
      forwarding: place.forwarding,
      ...(kind === 'switch' && { addresses: draw.of([4, 8192]) }),
    })
  }

  #hasRoom = (place: Place): boolean => place.seats.length < (place.kind === 'wire' ? 2 : 10)

  #attachOptions(place: Place): AttachOptions {
    const draw = this.#draw
    return {
      ...this.#settings(),
      ...(place.kind !== 'wire' && draw.once(5) && { group: draw.of(['left', 'right']) }),
      ...(place.kind === 'switch' &&
        draw.once(4) && {
          vlan: draw.of([{ access: 10 }, { trunk: [10, 20] }, { trunk: 'all' as const, native: 1 }]),
        }),
    }
  }

  /** What `configure` can change, too. */
  #settings(): AttachOptions {
    const draw = this.#draw
    return {
      ...(draw.once(4) && { delay: draw.of(['0s', '200us', '3ms'] as const) }),
      ...(draw.once(5) && {
        receive: draw.of([
          { promiscuous: true },
          { addresses: [station(1), station(2)] },
          { addresses: [station(3)], broadcast: false, multicast: false },
          { addresses: [station(4)], multicast: ['33:33:00:00:00:01'] },
        ]),
      }),
      ...(draw.once(4) && { storm: draw.of([{}, { broadcast: 50 }, { broadcast: 0, multicast: 1000 }]) }),
    }
  }

  #seat(kind: Seat['kind'], fabric: Place): Seat {
    const seat = { name: this.#name(kind.split(' ')[0] as string), kind, fabric, attached: true }
    fabric.seats.push(seat)
    return seat
  }

  #port(place: Place): void {
    const draw = this.#draw
    if (!this.#hasRoom(place)) return
    const kind = draw.of(['memory', 'memory', 'memory', 'generator', 'sink'] as const)
    const seat = this.#seat(kind, place)
    const end = { fabric: place.name, port: seat.name }
    if (kind === 'memory')
      this.steps.push({
        do: 'memory',
        end,
        queueLimit: draw.of([20, 1000, 4096]),
        frameLimit: draw.of([200, 1518]),
        options: this.#attachOptions(place),
      })
    else if (kind === 'sink') this.steps.push({ do: 'sink', end, options: this.#attachOptions(place) })
    else {
      this.steps.push({
        do: 'generator',
        end,
        length: draw.of([60, 200, 1514]),
        count: this.wishes.clock === 'real' ? draw.of([100, 5000, 100_000]) : draw.of([50, 500, 2000]),
        source: station(100 + draw.below(20)),
      })
      if (!draw.once(4)) this.steps.push({ do: 'start', port: seat.name })
    }
  }

  /** Between fabrics that are not joined yet: a frame would go round for ever, but through patches alone. */
  #link(): void {
    const draw = this.#draw
    const left = draw.of(this.#places)
    const others = this.#places.filter((place) => place.island !== left.island)
    if (others.length === 0) return
    const right = draw.of(others)
    if (!this.#hasRoom(left) || !this.#hasRoom(right)) return
    const kinds = links.filter(
      (kind) =>
        (kind === 'patch' && left.engine === right.engine) ||
        (this.wishes.clock === 'real' &&
          kind !== 'patch' &&
          (kind !== 'tap' || (this.wishes.taps && !this.#tapped && draw.once(2)))),
    )
    if (kinds.length === 0) return
    const kind = kinds.includes('tap') && draw.once(3) ? 'tap' : draw.of(kinds)
    if (kind === 'tap') this.#tapped = true
    const [one, other] = [this.#seat(kind, left), this.#seat(kind, right)]
    this.steps.push({
      do: 'link',
      kind,
      left: { fabric: left.name, port: one.name },
      right: { fabric: right.name, port: other.name },
    })
    const { island } = right
    for (const place of this.#places) if (place.island === island) place.island = left.island
  }

  /** One patch too many, which the hop limit has to bear. */
  #closeLoop(): void {
    if (this.steps.some((step) => step.do === 'link' && step.kind !== 'patch')) return
    const wide = this.#places.filter(({ kind }) => kind !== 'wire')
    const [left, right] = [this.#draw.of(this.#places), this.#draw.of(this.#places)]
    if (left === right || left.engine !== right.engine || left.island !== right.island) return
    if (!wide.includes(left) || !wide.includes(right)) return
    this.#loop = true
    const [one, other] = [this.#seat('patch', left), this.#seat('patch', right)]
    const ends = {
      left: { fabric: left.name, port: one.name },
      right: { fabric: right.name, port: other.name },
    }
    this.steps.push({ do: 'link', kind: 'patch', ...ends })
  }

  #policy(): Policy | null {
    const draw = this.#draw
    if (draw.once(6)) return null
    const common = {
      allowed: !draw.once(8),
      ...(draw.once(4) && { filter: draw.of(filters) }),
      ...(draw.once(8) && { drop: [draw.of(filters), draw.of(filters)] }),
      ...(draw.once(8) && { seed: draw.below(1000) }),
    }
    if (draw.once(5))
      return { ...common, netem: draw.of(this.#loop ? netemWords : [...netemWords, ...netemDuplicates]) }
    if (this.#logs.length > 0 && !this.#loop && draw.once(4))
      return {
        ...common,
        replay: { file: `log:${draw.of(this.#logs)}`, end: draw.of(['pass', 'loop'] as const) },
      }
    const traced = draw.once(5)
    return {
      ...common,
      ...this.#impairments(traced),
      ...(traced ? this.#trace() : this.#line()),
      ...(traced ? {} : this.#travel()),
    }
  }

  #impairments(traced: boolean): PolicyOptions {
    const draw = this.#draw
    return {
      ...(!traced &&
        draw.once(3) && {
          loss: draw.of([
            0,
            0.1,
            1,
            '3%' as const,
            { rate: 0.1, correlation: 0.5 },
            { rate: 0.05, burst: 4 },
            { rate: 0.1, burst: { exactly: 3 } },
            { model: 'gemodel' as const, p: 0.05, r: 0.3, lossGood: 0.01 },
            { model: 'state' as const, p13: 0.1, p32: 0.1, p23: 0.5, p14: 0.05 },
          ]),
          ecn: draw.once(3),
        }),
      ...(!this.#loop && draw.once(3) && { duplicate: draw.of([0.2, 1, { rate: 0.1, burst: 3 }]) }),
      ...(draw.once(4) && { corrupt: draw.of([0.5, { rate: 0.1, correlation: 0.2 }]) }),
      ...(draw.once(6) && { dropEvery: draw.of([1, 2, 7]) }),
      ...(draw.once(6) && { bitErrorRate: draw.of([1e-6, 1e-4]) }),
      ...(draw.once(6) && {
        outage: draw.of([
          { every: '5ms' as const, for: '1ms' as const, offset: '1ms' as const },
          { every: '10ms' as const, for: '2ms' as const, random: true },
        ]),
      }),
    }
  }

  #line(): PolicyOptions {
    const draw = this.#draw
    if (!draw.once(2))
      return draw.once(5) ? { slot: { min: '200us', max: '1ms', frames: 3 }, queue: '50frames' } : {}
    const slotted = draw.once(4)
    return {
      rate: draw.of(['1Mbit', '20Mbit', '1Gbit'] as const),
      ...(draw.once(2) && {
        queue: draw.of(
          slotted ? (['10frames', '4KiB'] as const) : (['0frames', '10frames', '4KiB', '1ms'] as const),
        ),
      }),
      ...(draw.once(3) && { overhead: draw.of([24, -14]) }),
      ...(draw.once(5) && { cell: { size: 48, overhead: 5 } }),
      ...(draw.once(4) && { burst: draw.of(['1600B', '16KiB'] as const) }),
      ...(draw.once(3) && {
        discipline: draw.of([
          'tail-drop' as const,
          'codel' as const,
          { codel: { target: '1ms' as const, interval: '10ms' as const, ecn: true } },
          { red: { min: '4KiB' as const, max: '16KiB' as const, probability: 0.1 } },
        ]),
      }),
      ...(slotted && {
        slot: draw.of([
          { min: '100us' as const, bytes: '3KiB' as const },
          { delay: '1ms' as const, jitter: '300us' as const, distribution: 'normal' as const },
        ]),
      }),
    }
  }

  #travel(): PolicyOptions {
    const draw = this.#draw
    if (!draw.once(2)) return {}
    const jittered = draw.once(2)
    return {
      delay: draw.of(['1us', '300us', '2ms', '10ms'] as const),
      ...(jittered && {
        jitter: '200us' as const,
        ...(draw.once(2) && {
          distribution: draw.of(['uniform', 'normal', 'pareto', 'paretonormal'] as const),
        }),
        ...(draw.once(3) && { delayCorrelation: 0.5 }),
      }),
      ...(draw.once(3) && { reorder: draw.of([0.5, { rate: 0.1, correlation: 0.3 }]), gap: draw.of([1, 4]) }),
    }
  }

  #trace(): PolicyOptions {
    const draw = this.#draw
    return {
      trace: {
        rows: [
          { at: '0s', rate: '20Mbit', delay: '500us', loss: 0 },
          { at: '3ms', rate: draw.of(['0bit', '1Mbit'] as const), delay: '2ms', loss: 0.1 },
          { at: '6ms', rate: '1Gbit', delay: '0s', loss: 0.01 },
        ],
        end: draw.of(['loop', 'hold'] as const),
        ...(draw.once(3) && { offset: '2ms' as const }),
      },
      ...(draw.once(2) && { queue: draw.of(['10frames', '8KiB'] as const) }),
    }
  }

  #entries(place: Place): TimelineEntry<string>[] {
    const draw = this.#draw
    const [from, to] = this.#pair(place) as [string, string]
    return Array.from({ length: 1 + draw.below(3) }, (): TimelineEntry<string> => {
      switch (draw.below(5)) {
        case 0:
          return {
            at: '1ms',
            from,
            to: draw.once(2) ? to : '*',
            ...draw.of(overlays),
            repeat: '4ms',
            until: '40ms',
          }
        case 1:
          return {
            between: [from, to],
            ramp: draw.of([
              { loss: [0, 0.5] as const },
              { delay: ['1ms', '3ms'] as const },
              { rate: ['1Mbit', '100Mbit'] as const },
            ]),
            over: '20ms',
            every: '2ms',
          }
        case 2:
          return { from: '*', to, flap: { every: '6ms', for: '2ms' }, until: '50ms' }
        case 3:
          return {
            at: '2ms',
            port: from,
            carrier: draw.of(['on', 'off'] as const),
            repeat: '5ms',
            until: '30ms',
          }
        default:
          return { port: to, flap: { every: '7ms', for: '1ms' }, until: '40ms' }
      }
    })
  }

  /** Two ports of a fabric that are there. */
  #pair(place: Place): [string, string] | undefined {
    const here = place.seats.filter(({ attached }) => attached)
    const from = this.#draw.below(here.length || 1)
    const other = (from + 1 + this.#draw.below(here.length - 1 || 1)) % (here.length || 1)
    return here.length < 2 ? undefined : [(here[from] as Seat).name, (here[other] as Seat).name]
  }

  /** Any step; those that must be alone only if `alone`. */
  #any(alone: boolean): void {
    const draw = this.#draw
    const kind = draw.below(alone ? 24 : 13)
    const place = draw.of(this.#places)
    const seats = this.#places.flatMap((each) => each.seats)
    const seat = draw.of(seats)
    const memory = seats.filter(({ kind: is, attached }) => is === 'memory' && attached)
    switch (kind) {
      case 0:
      case 1:
      case 2:
        for (const each of memory) if (!draw.once(3)) this.#send(each.name)
        return
      case 3:
      case 4: {
        const { name } = draw.once(3) ? place : draw.of(this.#places)
        const names = place.seats.flatMap((each) => (each.attached ? [each.name] : []))
        const changes = names.flatMap((from) =>
          names
            .filter((to) => to !== from && draw.once(3))
            .map((to) => ({ from, to, policy: this.#policy() })),
        )
        if (name === place.name && changes.length > 0)
          this.steps.push({ do: 'apply', fabric: name, changes, flush: draw.once(3) })
        return
      }
      case 5:
        this.steps.push({ do: 'carrier', port: seat.name, on: !draw.once(3) })
        return
      case 6:
        this.steps.push({ do: 'configure', port: seat.name, options: this.#settings() })
        return
      case 7:
        for (const each of memory) if (draw.once(2)) this.steps.push({ do: 'read', port: each.name })
        return
      case 8: {
        const pair = this.#pair(place)
        const name = this.#name('capture')
        this.#captures.push(name)
        if (draw.once(2))
          this.steps.push({
            do: 'capture',
            name,
            of: 'port',
            port: seat.name,
            ...(draw.once(3) && { count: 50 }),
          })
        else if (pair)
          this.steps.push({
            do: 'capture',
            name,
            of: draw.of(['path', 'fates'] as const),
            fabric: place.name,
            from: pair[0],
            to: pair[1],
          })
        return
      }
      case 9: {
        const movable = seats.filter(
          ({ fabric, kind: is }) => !fabric.stays && !is.startsWith('pair') && !is.startsWith('server'),
        )
        if (movable.length === 0) return
        const moved = draw.of(movable)
        this.steps.push({ do: moved.attached ? 'detach' : 'attach', port: moved.name })
        moved.attached = !moved.attached
        return
      }
      case 10:
        this.#port(place)
        return
      case 11:
        if (seat.kind === 'generator')
          this.steps.push({ do: draw.of(['start', 'start', 'stop'] as const), port: seat.name })
        return
      case 12: {
        const name = draw.of([...this.#captures, ...this.#open.keys(), 'none'])
        this.steps.push({ do: 'closeCapture', name })
        if (this.#open.delete(name)) this.#logs.push(name)
        return
      }
      case 13: {
        const pair = this.#pair(place)
        if (!pair) return
        const name = this.#name('timeline')
        this.#timelines.push(name)
        this.steps.push({ do: 'timeline', name, fabric: place.name, entries: this.#entries(place) })
        return
      }
      case 14:
        if (this.#timelines.length > 0)
          this.steps.push({ do: 'stopTimeline', name: draw.of(this.#timelines), restore: draw.once(2) })
        return
      case 15:
        this.#world(place)
        return
      case 16:
        if (this.#worlds.length > 0)
          this.steps.push({
            do: draw.of(['stepWorld', 'stepWorld', 'startWorld', 'closeWorld'] as const),
            name: draw.of(this.#worlds),
          })
        return
      case 17: {
        const pair = this.#pair(place)
        if (!pair) return
        const name = this.#name('log')
        this.#open.set(name, place.name)
        const [from, to] = pair
        this.steps.push({ do: 'capture', name, of: 'log', fabric: place.name, from, to })
        return
      }
      case 18:
      case 19: {
        const before = this.steps.length
        for (let count = 2 + draw.below(4); count > 0; count--) this.#any(false)
        const steps = this.steps.splice(before)
        if (steps.length > 0) this.steps.push({ do: 'together', steps })
        return
      }
      default:
        this.steps.push({
          do: 'pass',
          microseconds: this.wishes.clock === 'real' ? draw.below(6000) : draw.of([0, 10, 500, 5000, 50_000]),
        })
    }
  }

  #send(port: string): void {
    const draw = this.#draw
    this.steps.push({
      do: 'send',
      port,
      count: draw.of([1, 5, 60, 300]),
      length: draw.of([10, 18, 60, 150, 900, 1500, 1600]),
      to: draw.once(3) ? null : draw.below(10),
      from: draw.below(10),
      ...(draw.once(4) && { vlan: draw.of([0, 1, 10, 20]) }),
    })
  }

  #world(place: Place): void {
    const draw = this.#draw
    const name = this.#name('world')
    const walk = { area: [60, 60] as const, speed: [50, 500] as const, leg: '100ms' as const }
    if (draw.once(2) || place.kind === 'wire' || place.forwarding === 'allow')
      this.steps.push({
        do: 'wireWorld',
        name,
        engine: place.engine,
        nodes: ['n1', 'n2', 'n3', 'n4'],
        walk,
        whenDown: draw.of(['no-carrier', 'remove'] as const),
      })
    else this.steps.push({ do: 'world', name, fabric: place.name, wifi: draw.once(2), walk, every: '5ms' })
    this.#worlds.push(name)
  }
}

/** The program of a seed. */
export function generate(seed: number, wishes: Wishes): Program {
  const draw = new Draw(seed)
  const engines: Program['engines'] = Array.from({ length: 1 + draw.below(2) }, () => ({
    workers: wishes.workers ?? 1 + draw.below(4),
    memory: draw.of(['8MiB', '16MiB'] as const),
    ...(draw.once(3) && { io: 'epoll' as const }),
  }))
  const writer = new Writer(draw, engines.length, wishes)
  writer.write()
  return { clock: wishes.clock, engines, seed, steps: writer.steps }
}
