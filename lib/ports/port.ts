/** The base of all port kinds: a name, a state, and a place in a fabric. One file per kind stands in ports/. */
import { EventEmitter } from 'node:events'
import { native } from '../binding.js'
import { Capture, tapKinds, type CaptureOptions, type CaptureOutput } from '../capture/capture.js'
import { EtherloomError } from '../values/errors.js'
import type { PortEvents } from '../engine/events.js'
import type { Fabric } from '../fabrics/fabric.js'
import type { Namespace } from '../engine/namespace.js'
import { flag, refuse, required, text, type Rule } from '../values/options.js'
import { readPortStats, type PortStats } from '../values/stats.js'

/**
 * `detached`: in no fabric. `up`: frames pass. `down`: its device is gone; what is sent to it is dropped.
 * `attaching`, `detaching`: on the way to `up` and `detached`.
 */
export type PortState = 'detached' | 'attaching' | 'up' | 'down' | 'detaching'

/** Where frames enter and leave a fabric. Built, attached, detached; may then be attached elsewhere. */
export abstract class Port extends EventEmitter<PortEvents> {
  /** Unique in its fabric. */
  readonly name: string
  #state: PortState = 'detached'
  #fabric: Fabric | undefined
  #carrier = true
  #id = -1
  #joins = 0

  protected constructor(name: string) {
    super()
    this.name = name
  }

  get state(): PortState {
    return this.#state
  }

  /** The fabric it is attached to. */
  get fabric(): Fabric | undefined {
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
    const { engine } = this.seat()
    await engine.settled(this.setCarrier(required(flag())(on, "what 'carrier' is given")))
  }

  /** @internal The part of `carrier` that needs no waiting; returns a ticket. */
  setCarrier(on: boolean): number {
    const fabric = this.seat()
    this.insistOnCarrier()
    if (this.#carrier === on) return fabric.engine.native.latest()
    const ticket = native(() => fabric.engine.native.setCarrier(this.#id, on))
    this.#carrier = on
    this.emit('carrier', on)
    fabric.emit('port:carrier', { port: this, on })
    return ticket
  }

  /** @internal Throws where a port cannot have its carrier taken away. */
  insistOnCarrier(): void {
    // Most kinds can.
  }

  /** One consistent snapshot of its counters, which start at 0 with every attach. @throws EtherloomError ERR_ETHERLOOM_STATE */
  stats(): PortStats {
    const { engine } = this.seat()
    return readPortStats(native(() => engine.native.portStats(this.#id)))
  }

  /**
   * Records the frames that come in and go out here as pcapng, with their direction and times in nanoseconds.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE when it is not attached; ERR_ETHERLOOM_OPTION; ERR_ETHERLOOM_DEVICE and
   *   ERR_ETHERLOOM_PRIVILEGE for a file that cannot be written
   */
  async capture(output: CaptureOutput, options: CaptureOptions = {}): Promise<Capture> {
    const { engine, name } = this.seat()
    const target = {
      from: this.#id,
      to: -1,
      kind: tapKinds.frames,
      name: this.name,
      description: `port of ${name}`,
    }
    return Capture.start(engine, output, [target], options)
  }

  /** @internal The fabric it is attached to. @throws EtherloomError ERR_ETHERLOOM_STATE when it is not */
  protected seat(): Fabric {
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

  /** @internal Takes a seat in a fabric; on failure nothing has changed. */
  async join(fabric: Fabric): Promise<void> {
    if (this.#state !== 'detached')
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port '${this.name}' is attached to '${this.#fabric?.name}' already; detach it there first`,
      )
    this.#state = 'attaching'
    this.#fabric = fabric
    try {
      const id = await this.open(fabric)
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

  /** @internal The fabric has let go of it. */
  left(): void {
    if (this.#fabric) this.closed(this.#fabric)
    this.#state = 'detached'
    this.#fabric = undefined
    this.#id = -1
    this.#carrier = true
  }

  /**
   * @internal Undoes what takes time, after the native half has let go of it or `open` has failed; resolves when it is
   * undone.
   */
  async undone(): Promise<void> {
    // Most kinds leave nothing outside.
  }

  /** @internal The native half says that the device is gone. */
  wentDown(error: EtherloomError): void {
    if (this.#state !== 'up') return
    this.#state = 'down'
    this.emit('down', error)
    this.#fabric?.emit('port:down', { port: this, error })
  }

  /** @internal The device is back. */
  protected cameUp(): void {
    if (this.#state !== 'down') return
    this.#state = 'up'
    this.emit('up')
    this.#fabric?.emit('port:up', { port: this })
  }

  /** @internal Opens the device and attaches it natively; returns the port's number. */
  protected abstract open(fabric: Fabric): Promise<number>

  /** @internal Gives up what open() took, the native seat apart. */
  protected closed(_fabric: Fabric): void {
    // Most kinds hold nothing here.
  }
}

/** @internal A rule for port and fabric names. */
export const nameRule = <D extends string | undefined = undefined>(fallback?: D): Rule<string | D> =>
  text({
    max: 64,
    pattern: /^[^\s./>,][^\s/>,]*$/,
    expects: "a name of 1 to 64 characters without spaces, '/', ',' or '>'",
    default: fallback as D,
  })

/** @internal A rule for the names of Linux interfaces (netdevice(7)). */
export const interfaceRule = (): Rule<string | undefined> =>
  text({
    max: 15,
    pattern: /^(?!\.{1,2}$)[^\s/:]+$/,
    expects: "an interface name of 1 to 15 characters without spaces, '/' or ':'",
  })

/** @internal A rule for the `namespace` option. */
export const namespaceRule: Rule<string | Namespace | undefined> = (value, subject) => {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length > 0) return value
  if (typeof value === 'object' && value !== null && 'held' in value) return value as Namespace
  return refuse(subject, "a Namespace, a path such as '/run/netns/red' or a name such as 'red'", value)
}
