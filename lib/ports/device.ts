/**
 * Ports of interfaces. An interface can vanish under its port and return: the port goes down, waits for news of an
 * interface of that name in its namespace, opens it again, and is up with all its policies and counters.
 */
import { constants } from 'node:os'
import { addon, native, type Device } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { Namespace } from '../engine/namespace.js'
import { Port, type PortFabric } from './port.js'

/** How often to look whether an interface that has returned is still in use by somebody else, in milliseconds. */
const busyInterval = 100

export abstract class DevicePort extends Port {
  #space: string | Namespace | undefined
  #opened: Namespace | undefined
  #device: Omit<Device, 'device'> | undefined
  #unwatch: (() => void) | undefined
  #reopening = false
  #news = false
  #endings = 0
  #lookAgain: NodeJS.Timeout | undefined

  protected constructor(name: string, namespace: string | Namespace | undefined) {
    super(name)
    this.#space = namespace
  }

  /** The interface's name; undefined while detached. */
  get interface(): string | undefined {
    return this.#device?.name
  }

  /** The interface's MAC address, as `02:00:00:00:00:01`; undefined while detached. */
  get mac(): string | undefined {
    return this.#device?.mac
  }

  /** The interface's MTU in bytes; undefined while detached. */
  get mtu(): number | undefined {
    return this.#device?.mtu
  }

  /** The protocols whose super-frames pass whole, both ways; undefined while detached. */
  get superFrames(): readonly ('tcp' | 'udp')[] | undefined {
    return this.#device?.superFrames
  }

  /** What the addon says about the open device; undefined while detached. */
  protected get device(): Omit<Device, 'device'> | undefined {
    return this.#device
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    if (fabric.engine.clock === 'virtual')
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `port '${this.name}' belongs to the outside world, which keeps no virtual clock; use a MemoryPort`,
      )
    if (typeof this.#space === 'string') this.#opened = await Namespace.open(this.#space)
    const opened = await this.openDevice(this.#namespace())
    this.#device = opened
    try {
      const { engine } = fabric
      const id = native(() => engine.native.attach(fabric.id, this.name, opened.device))
      this.#unwatch = engine.watchLinks(this.#namespace(), (name) => {
        if (this.state === 'down' && name === this.#device?.name) void this.#reopen(fabric)
      })
      return id
    } catch (error) {
      addon.discardDevice(opened.device)
      throw error
    }
  }

  protected override closed(_fabric: PortFabric): void {
    this.#unwatch?.()
    this.#unwatch = undefined
    clearTimeout(this.#lookAgain)
    this.#opened?.close()
    this.#opened = undefined
    this.#device = undefined
  }

  override wentDown(error: EtherloomError): void {
    this.#endings++
    super.wentDown(error)
    // It may be back already: the news of its return can be older than the news of its end.
    if (this.fabric) void this.#reopen(this.fabric)
  }

  /** Opens the device; `again` is the name of the interface when it has returned. */
  protected abstract openDevice(namespace: unknown, again?: string): Promise<Device>

  /** Where its interface is; undefined for this process's namespace. */
  protected get place(): Namespace | undefined {
    return this.#opened ?? (this.#space as Namespace | undefined)
  }

  #namespace(): unknown {
    return this.place?.held.handle
  }

  async #reopen(fabric: PortFabric): Promise<void> {
    this.#news = true
    if (this.#reopening) return
    this.#reopening = true
    while (this.#news && this.state === 'down' && this.fabric === fabric) {
      this.#news = false
      await this.#tryToReopen(fabric)
    }
    this.#reopening = false
  }

  async #tryToReopen(fabric: PortFabric): Promise<void> {
    const name = this.#device?.name as string
    try {
      const namespace = this.#namespace()
      if (!(await native(() => addon.interfaceExists(name, namespace)))) return
      const opened = await this.openDevice(namespace, name)
      if (this.fabric !== fabric || this.state !== 'down') {
        addon.discardDevice(opened.device)
        return
      }
      this.#device = opened
      const endings = this.#endings
      await fabric.engine.settled(native(() => fabric.engine.native.revive(this.id, opened.device)))
      if (endings === this.#endings) this.cameUp() // else it is gone again already
    } catch (error) {
      // Not ready: the next news of it tries again. But there is no news of somebody who lets go of it.
      if ((error as EtherloomError).errno !== constants.errno.EBUSY || this.fabric !== fabric) return
      clearTimeout(this.#lookAgain)
      this.#lookAgain = setTimeout(() => void this.#reopen(fabric), busyInterval).unref()
    }
  }
}
