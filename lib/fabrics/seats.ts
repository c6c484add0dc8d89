/** The ports of a fabric: how they come, what they have here, and how they go. Called by Fabric. */
import { native } from '../binding.js'
import { Port, type PortFabric } from '../ports/port.js'
import { EtherloomError } from '../values/errors.js'
import { refuse, suggestion } from '../values/options.js'
import { quote } from '../values/quote.js'
import { portSettings, type AttachSettings } from './attachment.js'

/** A port that is attached, and what it has here. */
interface Seat {
  port: Port
  settings: AttachSettings
}

export class Seats implements Iterable<Port> {
  /** All ports by their names, also those that are still being attached. */
  readonly ports = new Map<string, Port>()
  readonly #fabric: PortFabric
  readonly #limit: number
  /** The ports that are attached, by their numbers. */
  readonly #seats = new Map<number, Seat>()
  readonly #coming = new Map<Port, Promise<void>>()
  readonly #leaving = new Map<Port, Promise<void>>()
  #referenced = true

  /** `limit`: how many ports the fabric may have. */
  constructor(fabric: PortFabric, limit: number) {
    this.#fabric = fabric
    this.#limit = limit
  }

  /** The ports that are attached. */
  *[Symbol.iterator](): Iterator<Port> {
    for (const { port } of this.#seats.values()) yield port
  }

  /** The port with this number. */
  at(id: number): Port | undefined {
    return this.#seats.get(id)?.port
  }

  /** The settings of an attached port; undefined for any other. */
  settingsOf({ id }: Port): AttachSettings | undefined {
    return this.#seats.get(id)?.settings
  }

  /** Does what `Fabric.port` promises. */
  port(port: Port | string): Port {
    if (typeof port !== 'string') {
      if (!(port instanceof Port)) refuse('a port', 'a Port or its name', port)
      if (port.id >= 0 && port.fabric === this.#fabric) return port
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port ${quote(port.name)} is not attached to ${quote(this.#fabric.name)}; attach it first`,
      )
    }
    const found = this.ports.get(port)
    if (found && found.id >= 0) return found
    throw new EtherloomError(
      'ERR_ETHERLOOM_NAME',
      `${quote(this.#fabric.name)} has no port ${quote(port)}${suggestion(port, [...this.ports.keys()])}`,
    )
  }

  /** Does what `Fabric.attach` promises. */
  async attach(port: Port, settings: AttachSettings, signal: AbortSignal | undefined): Promise<void> {
    const { name, engine } = this.#fabric
    port.settleName(this.ports)
    const taken = this.ports.get(port.name)
    if (taken && taken !== port)
      throw new EtherloomError(
        'ERR_ETHERLOOM_NAME',
        `${quote(name)} has a port ${quote(port.name)} already; choose another name`,
      )
    if (!taken && this.ports.size >= this.#limit)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `wire ${quote(name)} has both its ports; a hub joins more than two`,
      )
    if (taken)
      await port.join(this.#fabric) // which it refuses
    else await this.#join(port, settings, signal)
    const { id } = port
    this.#seats.set(id, { port, settings })
    engine.ports.set(id, port)
    if (this.#referenced) engine.hold()
    await engine.settled(engine.native.latest())
    if (signal?.aborted) await this.detach(port)
    signal?.throwIfAborted()
    if (port.id !== id)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port ${quote(port.name)} was detached from ${quote(name)} while it was being attached`,
      )
    port.attached()
  }

  /** Gives an attached port these settings; the ticket that this returns is settled when they hold for every frame. */
  configure(port: Port, settings: AttachSettings): number {
    const ticket = native(() => this.#fabric.engine.native.configure(port.id, portSettings(settings)))
    this.#seats.set(port.id, { port, settings })
    return ticket
  }

  /** Does what `Fabric.detach` promises. An attached port begins to leave at once, before this waits for anything. */
  async detach(port: Port | string): Promise<void> {
    const found = this.#find(port)
    const coming = this.#coming.get(found)
    if (coming) await coming.catch(() => undefined) // an error of attaching is for the caller of attach
    if (found.fabric === this.#fabric && found.id >= 0) await this.#release(found)
    else await this.#leaving.get(found)
  }

  /** Sets whether attached ports keep the process alive. */
  reference(on: boolean): void {
    const { engine } = this.#fabric
    if (this.#referenced === on) return
    this.#referenced = on
    for (const _ of this.#seats) {
      if (on) engine.hold()
      else engine.unhold()
    }
  }

  /** Detaches all ports, also those that are still being attached. */
  async detachAll(): Promise<void> {
    await Promise.allSettled(this.#coming.values())
    await Promise.all([...this].map((port) => this.#release(port)))
    await Promise.all(this.#leaving.values())
  }

  /** To be called when the engine has closed. Resolves when nothing that the ports did outside the process is left. */
  async ended(): Promise<void> {
    const undone = [...this].map((port) => port.undone())
    const left = [...this.ports.values()]
    this.ports.clear()
    this.#seats.clear()
    for (const port of left) port.left()
    await Promise.all(undone)
  }

  async #join(port: Port, settings: AttachSettings, signal: AbortSignal | undefined): Promise<void> {
    const { engine, id } = this.#fabric
    this.ports.set(port.name, port)
    engine.native.expect(id, port.name, portSettings(settings))
    const joining = port.join(this.#fabric, signal)
    this.#coming.set(port, joining)
    try {
      await joining
    } catch (error) {
      this.ports.delete(port.name)
      if (!engine.closed) engine.native.expect(id, port.name, undefined)
      throw error
    } finally {
      this.#coming.delete(port)
    }
  }

  /** The port that is meant, whether it is attached, still being attached, or leaving. */
  #find(port: Port | string): Port {
    if (typeof port !== 'string') return port instanceof Port ? port : this.port(port)
    const all = [...this.#leaving.keys(), ...this.ports.values()]
    return all.findLast(({ name }) => name === port) ?? this.port(port)
  }

  #release(port: Port): Promise<void> {
    const leaving = this.#letGo(port).finally(() => this.#leaving.delete(port))
    this.#leaving.set(port, leaving)
    return leaving
  }

  async #letGo(port: Port): Promise<void> {
    const { engine } = this.#fabric
    const id = port.leave()
    this.ports.delete(port.name)
    this.#seats.delete(id)
    this.#fabric.forget(port)
    const ticket = native(() => engine.native.detach(id))
    engine.ports.delete(id)
    if (this.#referenced) engine.unhold()
    await engine.settled(ticket)
    await port.undone()
    port.left()
  }
}
