/**
 * The kernel's netem, as its description says it, for tests to compare the library with: every packet an object, every
 * step a line, no thought for speed. It shares no code with the library; the generator of what the kernel leaves to
 * chance is written from the same papers.
 */

export interface ModelSettings {
  seed: bigint
  limit: number
  delay: bigint
  jitter: bigint
  delayCorrelation: number
  table?: Int16Array
  loss:
    | { model: 'random'; probability: number; correlation: number }
    | { model: 'state'; p13: number; p31: number; p32: number; p23: number; p14: number }
    | { model: 'gemodel'; p: number; r: number; h: number; k1: number }
  duplicate: number
  duplicateCorrelation: number
  corrupt: number
  corruptCorrelation: number
  reorder: number
  reorderCorrelation: number
  gap: number
  rate: bigint
  packetOverhead: number
  cellSize: number
  cellOverhead: number
  slot?: {
    /** With a table, the wait is `least` with this jitter. */
    table?: Int16Array
    jitter?: bigint
    least: bigint
    most: bigint
    packets: number
    bytes: number
  }
}

export interface Packet {
  tag: number
  length: number
  /** What was inverted, if anything. */
  bit?: number
}

interface Queued extends Packet {
  timeToSend: bigint
}

const mask64 = (1n << 64n) - 1n
const u32 = (value: bigint): number => Number(value & 0xffffffffn)

/** taus113, seeded as netem does. */
class Taus {
  #s: number[]

  constructor(seed: bigint) {
    const i = u32((seed >> 32n) ^ (seed << 10n) ^ seed)
    this.#s = [2, 8, 16, 128].map((least) => (i < least ? i + least : i))
  }

  next(): number {
    const step = (s: number, a: number, b: number, c: number, d: number) =>
      (((s & c) << d) ^ (((s << a) ^ s) >>> b)) >>> 0
    const [s1, s2, s3, s4] = this.#s as [number, number, number, number]
    this.#s = [
      step(s1, 6, 13, 0xfffffffe, 18),
      step(s2, 2, 27, 0xfffffff8, 2),
      step(s3, 13, 21, 0xfffffff0, 7),
      step(s4, 3, 12, 0xffffff80, 13),
    ]
    return this.#s.reduce((all, s) => (all ^ s) >>> 0, 0)
  }
}

function mix(value: bigint): bigint {
  value = ((value ^ (value >> 30n)) * 0xbf58476d1ce4e5b9n) & mask64
  value = ((value ^ (value >> 27n)) * 0x94d049bb133111ebn) & mask64
  return value ^ (value >> 31n)
}
const gamma = 0x9e3779b97f4a7c15n

/** The library's seed of something named. */
function derive(seed: bigint, name: string): bigint {
  let result = mix(((seed ^ BigInt(name.length)) + gamma) & mask64)
  for (let at = 0; at < name.length; at += 8) {
    const word = Array.from(Buffer.from(name).subarray(at, at + 8)).reduceRight(
      (sum, byte) => (sum << 8n) | BigInt(byte),
      0n,
    )
    result = mix(((result ^ word) + gamma) & mask64)
  }
  return result
}

/** xoroshiro128++, seeded by SplitMix64. */
class Xoroshiro {
  #low: bigint
  #high: bigint

  constructor(seed: bigint) {
    this.#low = mix((seed + gamma) & mask64)
    this.#high = mix((seed + 2n * gamma) & mask64)
  }

  next(): bigint {
    const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & mask64
    const result = (rotate((this.#low + this.#high) & mask64, 17n) + this.#low) & mask64
    const mixed = this.#high ^ this.#low
    this.#low = rotate(this.#low, 49n) ^ mixed ^ ((mixed << 21n) & mask64)
    this.#high = rotate(mixed, 28n)
    return result
  }
}

/** A value of the table, in its scale of 8192 to a sigma. Divisions of BigInts truncate, as in C. */
function spread(mu: bigint, sigma: bigint, table: Int16Array, random: number): bigint {
  const t = BigInt(table[random % table.length]!)
  const x = (sigma % 8192n) * t
  return (x + (x >= 0n ? 4096n : -4096n)) / 8192n + (sigma / 8192n) * t + mu
}

export class NetemModel {
  readonly #settings: ModelSettings
  readonly #prng: Taus
  readonly #chance: Xoroshiro
  readonly #last: Record<string, bigint> = {}
  #state = 1
  #bad = false
  #counter = 0
  #reordered: Queued[] = []
  #delayed: Queued[] = []
  #slot = { next: -(1n << 62n), packets: 0, bytes: 0 }

  /** When each packet left, in order. */
  readonly departures: (Packet & { at: bigint })[] = []
  lost = 0
  tailDropped = 0
  duplicated = 0

  /** `pathSeed` is the `seed` option of the policy. */
  constructor(settings: ModelSettings, pathSeed: bigint) {
    this.#settings = settings
    this.#prng = new Taus(settings.seed)
    this.#chance = new Xoroshiro(derive(derive(pathSeed, 'netem'), 'unseeded'))
    for (const name of ['delay', 'loss', 'duplicate', 'reorder', 'corrupt'])
      this.#last[name] = this.#chance.next() >> 32n
  }

  /** A packet comes in; the qdisc then runs until nothing leaves. */
  arrive(packet: Packet, now: bigint): void {
    this.#enqueue(packet, now, true)
    this.#run(now)
  }

  /** When the watchdog is set to. */
  get wake(): bigint | undefined {
    const head = this.#delayed[0]
    if (head === undefined) return undefined
    return this.#settings.slot && this.#slot.next > head.timeToSend ? this.#slot.next : head.timeToSend
  }

  /** The watchdog fires whenever it is due until then. */
  runUntil(until: bigint): void {
    for (let at = this.wake; at !== undefined && at <= until; at = this.wake) this.#run(at)
  }

  #enqueue(packet: Packet, now: bigint, original: boolean): void {
    const { limit, corrupt, duplicate } = this.#settings
    let count = 1
    if (
      original &&
      duplicate > 0 &&
      duplicate >= this.#crandom('duplicate', this.#settings.duplicateCorrelation)
    )
      count++
    if (this.#lossEvent()) count--
    if (count === 0) {
      this.lost++
      return
    }
    const clone = count === 2 ? { ...packet } : undefined
    if (clone) this.duplicated++
    if (corrupt > 0 && corrupt >= this.#crandom('corrupt', this.#settings.corruptCorrelation))
      packet = { ...packet, bit: Number((this.#chance.next() * BigInt(packet.length * 8)) >> 64n) }
    if (this.#reordered.length + this.#delayed.length >= limit) {
      this.tailDropped += count
      return
    }
    if (clone) this.#enqueue(clone, now, false)

    const { gap, reorder, reorderCorrelation } = this.#settings
    if (gap === 0 || this.#counter < gap - 1 || reorder < this.#crandom('reorder', reorderCorrelation)) {
      this.#counter++
      this.#delay({ ...packet, timeToSend: this.#timeToSend(packet.length, now) })
    } else {
      this.#counter = 0
      this.#reordered.unshift({ ...packet, timeToSend: now })
    }
  }

  #timeToSend(length: number, now: bigint): bigint {
    const { delay: mu, jitter, table, delayCorrelation, rate } = this.#settings
    let delay = mu
    if (jitter !== 0n) {
      const random = this.#crandom('delay', delayCorrelation)
      delay = table ? spread(mu, jitter, table, random) : (BigInt(random) % (2n * jitter)) + mu - jitter
    }
    if (rate === 0n) return now + delay
    let last: Queued | undefined
    for (const other of [...this.#reordered.slice(-1), ...this.#delayed])
      if (last === undefined || other.timeToSend > last.timeToSend) last = other
    if (last !== undefined) {
      delay -= last.timeToSend - now
      if (delay < 0n) delay = 0n
      now = last.timeToSend
    }
    let bytes = length + this.#settings.packetOverhead
    const { cellSize, cellOverhead } = this.#settings
    if (cellSize > 0) bytes = Math.ceil(bytes / cellSize) * (cellSize + cellOverhead)
    return now + delay + (BigInt(bytes) * 1_000_000_000n) / rate
  }

  #delay(packet: Queued): void {
    const later = this.#delayed.findIndex(({ timeToSend }) => timeToSend > packet.timeToSend)
    this.#delayed.splice(later < 0 ? this.#delayed.length : later, 0, packet)
  }

  #run(now: bigint): void {
    for (let packet = this.#dequeue(now); packet; packet = this.#dequeue(now)) {
      const { tag, length, bit } = packet
      this.departures.push({ tag, length, ...(bit !== undefined && { bit }), at: now })
    }
  }

  #dequeue(now: bigint): Queued | undefined {
    if (this.#reordered.length > 0) return this.#reordered.shift()
    const head = this.#delayed[0]
    if (head === undefined) return undefined
    const { slot } = this.#settings
    if (slot && this.#slot.next < head.timeToSend) this.#nextSlot(now)
    if (head.timeToSend > now || (slot && this.#slot.next > now)) return undefined
    this.#delayed.shift()
    if (slot) {
      this.#slot.packets--
      this.#slot.bytes -= head.length
      if (this.#slot.packets <= 0 || this.#slot.bytes <= 0) this.#nextSlot(now)
    }
    return head
  }

  #nextSlot(now: bigint): void {
    const { table, jitter = 0n, least, most, packets, bytes } = this.#settings.slot!
    const wait = table
      ? spread(least, jitter, table, this.#prng.next())
      : least + (((this.#chance.next() >> 32n) * (most - least)) >> 32n)
    this.#slot = {
      next: now + wait,
      packets: packets || 0x7fffffff,
      bytes: bytes || 0x7fffffff,
    }
  }

  #crandom(of: string, rho: number): number {
    const value = BigInt(this.#prng.next())
    if (rho === 0) return Number(value)
    const weight = BigInt(rho) + 1n
    this.#last[of] = (value * ((1n << 32n) - weight) + this.#last[of]! * weight) >> 32n
    return Number(this.#last[of])
  }

  #lossEvent(): boolean {
    const { loss } = this.#settings
    if (loss.model === 'random')
      return loss.probability > 0 && loss.probability >= this.#crandom('loss', loss.correlation)
    if (loss.model === 'gemodel') {
      const random = this.#prng.next()
      if (!this.#bad) {
        if (random < loss.p) this.#bad = true
        return this.#prng.next() < loss.k1
      }
      if (random < loss.r) this.#bad = false
      return this.#prng.next() > loss.h
    }
    const random = this.#prng.next()
    const { p13, p31, p32, p23, p14 } = loss
    if (this.#state === 1) this.#state = random < p14 ? 4 : random < p13 + p14 ? 3 : 1
    else if (this.#state === 2) this.#state = random < p23 ? 3 : 2
    else if (this.#state === 3) this.#state = random < p32 ? 2 : random < p31 + p32 ? 1 : 3
    else this.#state = 1
    return this.#state >= 3
  }
}
