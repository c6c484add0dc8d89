/** The base of all port kinds: a name, a state, and a place in a fabric. One file per kind stands in ports/. */
import { EventEmitter } from 'node:events'
import { addon, native } from '../binding.js'
import {
  Capture,
  tapKinds,
  type CaptureOptions,
  type CaptureOutput,
  type CaptureTarget,
} from '../capture/capture.js'
import { EtherloomError } from '../values/errors.js'
import type { Engine } from '../engine/engine.js'
import { flag, required } from '../values/options.js'
import { readPortStats, type PortStats } from '../values/stats.js'

/**
 * `detached`: in no fabric. `up`: frames pass. `down`: its device is gone; what is sent to it is dropped.
 * `attaching`, `detaching`: on the way to `up` and `detached`.
 */
export type PortState = 'detached' | 'attaching' | 'up' | 'down' | 'detaching'

/** What a port reports about itself. */
export interface PortEvents {
  /** It was attached to `port.fabric`. */
  attach: []
  /** It was detached, or its fabric has closed. */
  detach: []
  /** Its device failed or vanished; its policies stay and hold again when it returns. */
  down: [error: EtherloomError]
  /** The device works again. */
  up: []
  /** Of a TAP: its gateway has ended by itself; it is undone, and set up again as soon as that can be. The port goes on. */
  'gateway:down': [error: EtherloomError]
  /** Of a TAP: its gateway stands again. */
  'gateway:up': []
  /** Its carrier was taken away or given back. */
  carrier: [on: boolean]
}

/** What the listeners of a fabric are told about its ports. */
export interface FabricPortEvents {
  /** A port was attached. */
  'port:attach': [{ port: Port }]
  /** A port was detached; the fabric may be about to close. */
  'port:detach': [{ port: Port }]
  /** A port's device failed or vanished; its policies stay and hold again when it returns. */
  'port:down': [{ port: Port; error: EtherloomError }]
  /** The device of a port that was down works again. */
  'port:up': [{ port: Port }]
  /** The gateway of a TAP has ended by itself, as when its dnsmasq was killed; it is undone, and set up again. */
  'gateway:down': [{ port: Port; error: EtherloomError }]
  /** The gateway of a TAP stands again. */
  'gateway:up': [{ port: Port }]
  /** A port's carrier was taken away or given back. */
  'port:carrier': [{ port: Port; on: boolean }]
}

/** The fabric that a port is attached to, as far as ports know it. */
export interface PortFabric {
  readonly name: string
  readonly engine: Engine
  /** Whether it has closed, or is about to. */
  readonly closed: boolean
  /** Its number in the engine. */
  readonly id: number
  detach(port: Port | string): Promise<void>
  /** @internal Tells the fabric's listeners. */
  tell<Event extends keyof FabricPortEvents>(event: Event, ...told: FabricPortEvents[Event]): void
}

/** Where frames enter and leave a fabric. Built, attached, detached; may then be attached elsewhere. */
export abstract class Port extends EventEmitter<PortEvents> {
  readonly #givenName: string
  #name: string | undefined
  #state: PortState = 'detached'
  #fabric: PortFabric | undefined
  #carrier = true
  #id = -1
  #joins = 0
  /** How often its device was lost. */
  #endings = 0

  protected constructor(name: string) {
    super()
    this.#givenName = name
  }

  /**
   * Unique in its fabric. One `%d` in the name that it was given becomes, with every attach, the lowest number that is
   * free there.
   */
  get name(): string {
    return this.#name ?? this.#givenName
  }

  /** Whether it is attached, and whether its device works. */
  get state(): PortState {
    return this.#state
  }

  /** The fabric it is attached to. */
  get fabric(): PortFabric | undefined {
    return this.#fabric
  }

  /** Whether it has a carrier, as far as `carrier` is concerned. True after every attach. */
  get carrierOn(): boolean {
    return this.#carrier
  }

  /**
   * Takes the carrier away, as if the cable were out, or gives it back. Without it no frame comes in or goes out, what is
   * for the port is dropped as `port-down`, and the kernel behind a TAP sees NO-CARRIER. Holds until it is set again or
   * the port is detached, also for an interface that vanishes meanwhile and returns. Resolves when it holds for every
   * frame.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE while it is not attached; ERR_ETHERLOOM_UNSUPPORTED for a PacketPort,
   *   whose interface is not ours
   */
  async carrier(on: boolean): Promise<void> {
    const { engine } = this.attachedTo()
    await engine.settled(this.setCarrier(required(flag())(on, "what 'carrier' is given")))
  }

  /** @internal The part of `carrier` that needs no waiting; returns a ticket. */
  setCarrier(on: boolean): number {
    const fabric = this.attachedTo()
    this.insistOnCarrier()
    if (this.#carrier === on) return fabric.engine.native.latest()
    const ticket = native(() => fabric.engine.native.setCarrier(this.#id, on))
    this.#carrier = on
    this.emit('carrier', on)
    fabric.tell('port:carrier', { port: this, on })
    return ticket
  }

  /** @internal Why its carrier cannot be taken away, in the words that follow its name; undefined where it can. */
  get noCarrier(): string | undefined {
    return undefined
  }

  /** @internal Throws where its carrier cannot be taken away. */
  insistOnCarrier(): void {
    if (this.noCarrier !== undefined)
      throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `port '${this.name}' ${this.noCarrier}`, {
        hint: 'deny its paths instead',
      })
  }

  /** One consistent snapshot of its counters, which start at 0 with every attach. @throws EtherloomError ERR_ETHERLOOM_STATE */
  stats(): PortStats {
    const { engine } = this.attachedTo()
    return readPortStats(native(() => engine.native.portStats(this.#id)))
  }

  /**
   * Records the frames that come in and go out here as pcapng, with their direction and times in nanoseconds.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE when it is not attached; ERR_ETHERLOOM_OPTION; ERR_ETHERLOOM_DEVICE and
   *   ERR_ETHERLOOM_PRIVILEGE for a file that cannot be written
   */
  async capture(output: CaptureOutput, options: CaptureOptions = {}): Promise<Capture> {
    const { engine } = this.attachedTo()
    const target = (): CaptureTarget => ({
      from: this.attachedTo().port(this).id,
      to: -1,
      kind: tapKinds.frames,
      name: this.name,
      description: `port of ${this.attachedTo().name}`,
    })
    return Capture.start(engine, output, () => [target()], options)
  }

  /** @internal The fabric it is attached to. @throws EtherloomError ERR_ETHERLOOM_STATE when it is not */
  protected attachedTo(): PortFabric {
    if (this.#fabric && this.#id >= 0) return this.#fabric
    throw new EtherloomError(
      'ERR_ETHERLOOM_STATE',
      `port '${this.name}' is not attached; attach it to a fabric first`,
    )
  }

  /** @internal The port's number in the engine, -1 while it is in none. */
  get id(): number {
    return this.#id
  }

  /** @internal How often it was attached: policies that it had are gone when this has grown. */
  get joins(): number {
    return this.#joins
  }

  /** @internal Takes its name for a fabric that has these ports already. */
  settleName(taken: ReadonlyMap<string, Port>): void {
    if (this.#state !== 'detached') return
    for (let number = 0; ; number++) {
      this.#name = this.#givenName.replace('%d', `${number}`)
      if (this.#name === this.#givenName || !taken.has(this.#name)) return
    }
  }

  /** @internal Takes a seat in a fabric; on failure nothing has changed. */
  async join(fabric: PortFabric, signal?: AbortSignal): Promise<void> {
    if (this.#state !== 'detached')
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port '${this.name}' is attached to '${this.#fabric?.name}' already; detach it there first`,
      )
    this.#state = 'attaching'
    this.#fabric = fabric
    try {
      const id = await this.open(fabric, signal)
      if (this.#fabric !== fabric)
        throw new EtherloomError(
          'ERR_ETHERLOOM_STATE',
          `'${fabric.name}' was closed before '${this.name}' was attached`,
        )
      this.#id = id
      this.#joins++
      this.#state = 'up'
    } catch (error) {
      await this.undone()
      this.left()
      throw error
    }
  }

  /** @internal The fabric begins to let go of it: its number, which this returns, is not its own any more. */
  leave(): number {
    const id = this.#id
    this.#state = 'detaching'
    this.#id = -1
    return id
  }

  /** @internal Frames can pass. */
  attached(): void {
    this.emit('attach')
    this.#fabric?.tell('port:attach', { port: this })
  }

  /** @internal The fabric has let go of it. */
  left(): void {
    const [fabric, state] = [this.#fabric, this.#state]
    if (fabric) this.closed(fabric)
    this.#state = 'detached'
    this.#fabric = undefined
    this.#id = -1
    this.#carrier = true
    if (!fabric || state === 'attaching') return
    this.emit('detach')
    fabric.tell('port:detach', { port: this })
  }

  /**
   * @internal Undoes what takes time, after the native half has let go of it or `open` has failed; resolves when it is
   * undone.
   */
  async undone(): Promise<void> {
    // Most kinds leave nothing outside.
  }

  /** @internal Makes again what it had made and what is gone; says whether it did. */
  restore(): Promise<boolean> {
    return Promise.resolve(false)
  }

  /** @internal Whether the interface that it opened has left its namespace, so that the name there is free for another. */
  isAway(): Promise<boolean> {
    return Promise.resolve(false)
  }

  /** @internal The native half says that the device is gone. */
  wentDown(error: EtherloomError): void {
    this.#endings++
    if (this.#state !== 'up') return
    this.#state = 'down'
    this.emit('down', error)
    this.#fabric?.tell('port:down', { port: this, error })
  }

  /**
   * @internal Opens the device and hands it to `seatDevice`; returns the port's number. What may take long ends by the
   * signal, with its reason, and leaves nothing.
   */
  protected abstract open(fabric: PortFabric, signal?: AbortSignal): Promise<number>

  /** @internal Attaches an open device natively; returns the port's number. On failure the device is closed. */
  protected seatDevice({ engine, id }: PortFabric, device: unknown): number {
    try {
      return native(() => engine.native.attach(id, this.name, device))
    } catch (error) {
      addon.discardDevice(device)
      throw error
    }
  }

  /** @internal Gives a port that is down another device, and says that it is up where it still has that then. */
  protected async revive(fabric: PortFabric, device: unknown): Promise<void> {
    const endings = this.#endings
    await fabric.engine.settled(native(() => fabric.engine.native.revive(this.#id, device)))
    if (endings !== this.#endings || this.#fabric !== fabric || this.#state !== 'down') return
    this.#state = 'up'
    this.emit('up')
    fabric.tell('port:up', { port: this })
  }

  /** @internal Refuses a virtual clock, for ports whose other end has a clock of its own. */
  protected insistOnRealClock({ engine }: PortFabric): void {
    if (engine.clock === 'virtual')
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port '${this.name}' belongs to the outside world, which keeps no virtual clock; use a MemoryPort`,
      )
  }

  /** @internal Gives up what open() took, the native seat apart. */
  protected closed(_fabric: PortFabric): void {
    // Most kinds hold nothing here.
  }
}
