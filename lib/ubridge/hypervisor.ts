/**
 * What a console of ubridge commands: bridges of two NIOs, each a fabric of a running network. Made by `etherloom ubridge`;
 * the commands of modules/ call it, one after another.
 *
 * Theory of operation. A command is one change of the network's topology, as `etherloom up` makes them, so it holds whole or not
 * at all, and what others have set elsewhere stays.
 */
import { Path } from '../fabrics/path.js'
import type { Network } from '../topology/network.js'
import { quote } from '../values/quote.js'
import {
  fabricNameFor,
  fabricOf,
  isWhole,
  niosOf,
  sides,
  type Bridge,
  type Nio,
  type Side,
} from './bridge.js'
import type { PacketFilter } from './filters.js'
import { Recording } from './pcap.js'
import { codes, Refusal } from './replies.js'

/** Counters of a NIO, in frames and bytes. */
export type NioCounts = Record<'received' | 'transmitted', { frames: bigint; bytes: bigint }>

const noCounts: NioCounts = { received: { frames: 0n, bytes: 0n }, transmitted: { frames: 0n, bytes: 0n } }

export class Hypervisor {
  readonly network: Network
  readonly #bridges = new Map<string, Bridge>()
  /** By the fabrics of bridges. */
  readonly #recordings = new Map<string, Recording>()
  /** What was counted when the counters of a bridge were reset, by fabric. */
  readonly #counted = new Map<string, Partial<Record<Side, NioCounts>>>()

  constructor(network: Network) {
    this.network = network
  }

  /** Ends all recordings; the network is whoever's made it. */
  async close(): Promise<void> {
    await Promise.all([...this.#recordings.values()].map((recording) => recording.close()))
    this.#recordings.clear()
  }

  // ---- bridges ----

  get bridges(): ReadonlyMap<string, Bridge> {
    return this.#bridges
  }

  /** @throws Refusal where there is none */
  bridge(name: string): Bridge {
    const found = this.#bridges.get(name)
    if (found) return found
    throw new Refusal(codes.missing, `bridge ${quote(name)} doesn't exist`)
  }

  async create(name: string): Promise<void> {
    this.#insistOnNew(name, codes.create)
    const fabric = fabricNameFor(name, (each) => this.network.fabrics.has(each))
    await this.#become(name, { fabric, nios: {}, started: false, filters: [] })
  }

  async delete(name: string): Promise<void> {
    const bridge = this.bridge(name)
    await this.#change(bridge, undefined)
    await this.#endRecording(bridge.fabric)
    this.#bridges.delete(name)
    this.#counted.delete(bridge.fabric)
  }

  async deleteAll(): Promise<void> {
    for (const name of [...this.#bridges.keys()]) await this.delete(name)
  }

  /** Its fabric keeps the name that it has. */
  rename(name: string, other: string): void {
    const bridge = this.bridge(name)
    this.#insistOnNew(other, codes.rename)
    this.#bridges.delete(name)
    this.#bridges.set(other, bridge)
  }

  async start(name: string): Promise<void> {
    const bridge = this.bridge(name)
    if (bridge.started) throw new Refusal(codes.start, `bridge ${quote(name)} is running already`)
    if (!isWhole(bridge))
      throw new Refusal(
        codes.start,
        `bridge ${quote(name)} has ${niosOf(bridge).length} of the 2 NIOs that it needs`,
      )
    await this.#become(name, { ...bridge, started: true })
  }

  async stop(name: string): Promise<void> {
    const bridge = this.bridge(name)
    if (!bridge.started) throw new Refusal(codes.stop, `bridge ${quote(name)} is not running`)
    await this.#become(name, { ...bridge, started: false })
  }

  // ---- NIOs ----

  /** Gives it another end. */
  async addNio(name: string, nio: Nio): Promise<void> {
    const bridge = this.bridge(name)
    const side = sides.find((each) => bridge.nios[each] === undefined)
    if (side === undefined) throw new Refusal(codes.create, `bridge ${quote(name)} has two NIOs already`)
    await this.#become(name, { ...bridge, nios: { ...bridge.nios, [side]: nio } })
  }

  async removeNio(name: string, kind: Nio['kind'], key: string): Promise<void> {
    const bridge = this.bridge(name)
    const side = this.#sideOf(name, kind, key)
    if (bridge.started)
      throw new Refusal(codes.missing, `bridge ${quote(name)} is running; stop it before you take a NIO out`)
    const { [side]: _gone, ...nios } = bridge.nios
    await this.#become(name, { ...bridge, nios })
  }

  /** Which frames its packet sockets receive; all, where there is no expression. */
  async filterSockets(name: string, expression: string): Promise<void> {
    const bridge = this.bridge(name)
    const sockets = niosOf(bridge).filter(([, { port }]) => 'packet' in port)
    if (sockets.length === 0)
      throw new Refusal(codes.missing, `bridge ${quote(name)} has no NIO of an interface that exists`)
    const nios = { ...bridge.nios }
    for (const [side, nio] of sockets)
      nios[side] = { ...nio, port: { packet: nio.key, ...(expression !== '' && { filter: expression }) } }
    await this.#become(name, { ...bridge, nios })
  }

  /** Takes the carrier of its TAPs away, or gives it back. */
  async setCarrier(name: string, on: boolean): Promise<void> {
    const bridge = this.bridge(name)
    const taps = niosOf(bridge).filter(([, { kind }]) => kind === 'tap')
    if (taps.length === 0) throw new Refusal(codes.missing, `bridge ${quote(name)} has no TAP`)
    for (const [side] of taps) await this.network.setCarrier({ port: side, fabric: bridge.fabric }, on)
  }

  #sideOf(name: string, kind: Nio['kind'], key: string): Side {
    const found = niosOf(this.bridge(name)).find(([, nio]) => nio.kind === kind && nio.key === key)
    if (found) return found[0]
    throw new Refusal(codes.missing, `bridge ${quote(name)} has no ${kind} NIO ${quote(key)}`)
  }

  // ---- filters ----

  async addFilter(name: string, filter: PacketFilter): Promise<void> {
    const { filters } = this.bridge(name)
    const failed = `failed to add filter ${quote(filter.name)}`
    if (filters.some((each) => each.name === filter.name))
      throw new Refusal(codes.create, `${failed}: bridge ${quote(name)} has a filter of this name already`)
    if (filter.type !== 'bpf' && filters.some(({ type }) => type === filter.type))
      throw new Refusal(codes.create, `${failed}: bridge ${quote(name)} has a ${filter.type} already`)
    await this.#filter(name, [...filters, filter])
  }

  async deleteFilter(name: string, filter: string): Promise<void> {
    this.#insistOnFilter(name, filter)
    await this.#filter(
      name,
      this.bridge(name).filters.filter((each) => each.name !== filter),
    )
  }

  async enableFilter(name: string, filter: string, on: boolean): Promise<void> {
    this.#insistOnFilter(name, filter)
    await this.#filter(
      name,
      this.bridge(name).filters.map((each) => (each.name === filter ? { ...each, on } : each)),
    )
  }

  async resetFilters(name: string): Promise<void> {
    await this.#filter(name, [])
  }

  async #filter(name: string, filters: readonly PacketFilter[]): Promise<void> {
    await this.#become(name, { ...this.bridge(name), filters })
  }

  #insistOnFilter(name: string, filter: string): void {
    if (!this.bridge(name).filters.some((each) => each.name === filter))
      throw new Refusal(codes.missing, `bridge ${quote(name)} has no filter ${quote(filter)}`)
  }

  // ---- recordings ----

  async startCapture(name: string, file: string, linkType?: string): Promise<void> {
    const bridge = this.bridge(name)
    const before = this.#recordings.get(bridge.fabric)
    if (before && !before.failure)
      throw new Refusal(codes.create, `bridge ${quote(name)} is being recorded already`)
    await this.#endRecording(bridge.fabric)
    const recording = new Recording(file, linkType)
    this.#recordings.set(bridge.fabric, recording)
    await this.#follow(bridge)
    if (!recording.failure) return
    await this.#endRecording(bridge.fabric)
    throw recording.failure
  }

  /** Says why it had ended before, if it had. */
  async stopCapture(name: string): Promise<Error | undefined> {
    const { fabric } = this.bridge(name)
    const recording = this.#recordings.get(fabric)
    if (!recording) throw new Refusal(codes.start, `bridge ${quote(name)} is not being recorded`)
    await this.#endRecording(fabric)
    return recording.failure
  }

  async #endRecording(fabric: string): Promise<void> {
    const recording = this.#recordings.get(fabric)
    this.#recordings.delete(fabric)
    await recording?.close()
  }

  /** Records what leaves both paths, as soon as there are both. */
  async #follow(bridge: Bridge): Promise<void> {
    const fabric = this.network.fabrics.get(bridge.fabric)
    const recording = this.#recordings.get(bridge.fabric)
    if (!fabric || !recording || !isWhole(bridge)) return
    const [one, other] = sides.map((side) => fabric.port(side)) as [never, never]
    const paths = [new Path(fabric, one, other), new Path(fabric, other, one)]
    await recording.follow((output) => fabric.record(paths, output, {}, 'frames'))
  }

  // ---- counters ----

  /** What its NIOs have received and sent since its counters were reset. */
  counts(name: string): [Side, NioCounts][] {
    const { fabric } = this.bridge(name)
    const before = this.#counted.get(fabric) ?? {}
    return sides.map((side) => [side, less(this.#now(fabric, side), before[side] ?? noCounts)])
  }

  resetCounts(name: string): void {
    const { fabric } = this.bridge(name)
    this.#counted.set(fabric, Object.fromEntries(sides.map((side) => [side, this.#now(fabric, side)])))
  }

  #now(fabric: string, side: Side): NioCounts {
    const port = this.network.fabrics.get(fabric)?.ports.get(side)
    return port?.stats() ?? noCounts
  }

  // ---- the network ----

  #insistOnNew(name: string, code: typeof codes.create | typeof codes.rename): void {
    if (this.#bridges.has(name)) throw new Refusal(code, `bridge ${quote(name)} already exists`)
  }

  /** Makes the network what the bridge shall be; where that fails, both are as before. */
  async #become(name: string, bridge: Bridge): Promise<void> {
    const moves = await this.#change(this.#bridges.get(name), bridge)
    this.#bridges.set(name, bridge)
    if (moves.length === 0) return
    const counted = this.#counted.get(bridge.fabric)
    for (const side of moves) delete counted?.[side] // another port, which counts from 0
    await this.#follow(bridge)
  }

  /**
   * The same for the network alone; says which ports are others now. Where some are, a recording is paused, and goes on if it
   * fails.
   */
  async #change(before: Bridge | undefined, after: Bridge | undefined): Promise<Side[]> {
    const moves = sides.filter((side) => before?.nios[side] !== after?.nios[side])
    const { fabric } = (after ?? before) as Bridge
    if (moves.length > 0) await this.#recordings.get(fabric)?.pause()
    try {
      const { fabrics, ...rest } = this.network.export()
      const { [fabric]: _old, ...others } = fabrics
      const now = after ? { ...fabrics, [fabric]: fabricOf(after) } : others
      await this.network.apply({ ...rest, fabrics: now })
    } catch (error) {
      if (before && moves.length > 0) await this.#follow(before)
      throw error
    }
    return moves
  }
}

function less(now: NioCounts, before: NioCounts): NioCounts {
  const difference = (key: keyof NioCounts): NioCounts['received'] => ({
    frames: now[key].frames - before[key].frames,
    bytes: now[key].bytes - before[key].bytes,
  })
  return { received: difference('received'), transmitted: difference('transmitted') }
}
