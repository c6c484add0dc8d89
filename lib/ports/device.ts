/**
 * Ports of interfaces. An interface can vanish under its port and return: the port goes down, waits for news of an
 * interface of that name in its namespace, opens it again, and is up with all its policies and counters. An interface that
 * the port has made, and that has ended in another namespace, to which somebody had moved it, is made again.
 */
import { constants } from 'node:os'
import { addon, here, native, type Device, type LinkNews } from '../binding.js'
import type { EtherloomError } from '../values/errors.js'
import { Namespace } from '../engine/namespace.js'
import { Port, type PortFabric, type PortState } from './port.js'

/** How often to look whether an interface that has returned is still in use by somebody else, in milliseconds. */
const busyInterval = 100
/** As the number of a namespace, where we hear nothing. */
const nowhere = -2

type Place = Pick<LinkNews, 'nsid' | 'index' | 'mac' | 'mtu'>
type Departure = Pick<LinkNews, 'nsid' | 'moved' | 'newNsid' | 'newIndex'>

export abstract class DevicePort extends Port {
  #space: string | Namespace | undefined
  #opened: Namespace | undefined
  #device: Omit<Device, 'device'> | undefined
  #unwatch: (() => void) | undefined
  /** The interface is in another namespace now. */
  #moved = false
  /** Where the interface is, as news says it. */
  #at = { nsid: here, index: -1, mac: '' }
  #reopening = false
  #news = false
  /** What is heard while a device is being opened. */
  #early: LinkNews[] | undefined
  /** How much was heard so far. */
  #hearings = 0
  /** Its number in the engine, known before the port is told. */
  #number = -1
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

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    this.insistOnRealClock(fabric)
    if (typeof this.#space === 'string') this.#opened = await Namespace.open(this.#space)
    this.#unwatch = fabric.engine.watches.links(this.#namespace(), (news) => {
      this.#heard(fabric, news)
    })
    this.#early = []
    const opened = await this.openDevice(this.#namespace(), undefined, signal)
    this.#number = this.seatDevice(fabric, opened.device)
    this.#isOpen(fabric, opened)
    return this.#number
  }

  protected override closed(_fabric: PortFabric): void {
    this.#unwatch?.()
    this.#unwatch = undefined
    this.#early = undefined
    clearTimeout(this.#lookAgain)
    this.#opened?.close()
    this.#opened = undefined
    this.#device = undefined
  }

  override wentDown(error: EtherloomError): void {
    super.wentDown(error)
    // It may be back already: the news of its return can be older than the news of its end.
    void this.#reopen()
  }

  /** Opens the device; `again` is the name of the interface when it has returned. As `open`, by the signal. */
  protected abstract openDevice(namespace: unknown, again?: string, signal?: AbortSignal): Promise<Device>

  /** Whether the open device is of no use any more when its interface has left the namespace. */
  protected abstract readonly endsWithInterface: boolean

  /** @internal Makes its interface again where that was its own and is gone; says whether it did. */
  override async restore(): Promise<boolean> {
    if (this.state !== 'down' || !this.fabric || !this.#device?.created) return false
    this.#moved = true
    await this.#reopen()
    return (this.state as PortState) === 'up'
  }

  /** @internal Looks, since the news of a move may not be here yet. */
  override async isAway(): Promise<boolean> {
    const device = this.#device
    if (!device || this.#moved || this.state !== 'up') return this.#moved
    const found = await native(() => addon.findInterface(device.name, this.#namespace()))
    return found?.index !== device.index
  }

  /** Where its interface is; undefined for this process's namespace. */
  protected get place(): Namespace | undefined {
    return this.#opened ?? (this.#space as Namespace | undefined)
  }

  #namespace(): unknown {
    return this.place?.held.handle
  }

  /** The native half has this device now; what was heard while it was being opened may be about it. */
  #isOpen(fabric: PortFabric, opened: Device): void {
    this.#device = opened
    this.#at = { nsid: here, index: opened.index, mac: opened.mac }
    this.#moved = false
    const early = this.#early ?? []
    this.#early = undefined
    for (const news of early) this.#heard(fabric, news)
  }

  #heard(fabric: PortFabric, news: LinkNews): void {
    this.#early?.push(news)
    this.#hearings++
    const device = this.#device
    if (!device || this.state === 'detaching') return
    if (news.change === 'overrun') return void this.#look(fabric, device.name)
    if (this.#isIt(news)) {
      if (news.change === 'vanished') this.#left(fabric, news)
      else this.#is(fabric, news)
    }
    if (this.state === 'down' && news.nsid === here && news.name === device.name) void this.#reopen()
  }

  /** Whether this is our interface: where we know it to be, or one of its address where it was opened, if it was moved. */
  #isIt({ nsid, index, mac, change }: Omit<Place, 'mtu'> & { change?: LinkNews['change'] }): boolean {
    if (nsid === this.#at.nsid) return index === this.#at.index
    return nsid === here && change !== 'vanished' && mac === this.#at.mac
  }

  /** The interface is there, and this is its MTU. Orders reach the worker in the order of the news. */
  #is(fabric: PortFabric, { nsid, index, mac, mtu }: Place): void {
    this.#at = { nsid, index, mac }
    this.#moved = nsid !== here
    if (!this.#device || this.#device.mtu === mtu) return
    this.#device = { ...this.#device, mtu }
    fabric.engine.native.setMtu(this.#number, mtu)
  }

  #left(fabric: PortFabric, { nsid, moved, newNsid, newIndex }: Departure): void {
    const isHere = nsid === here
    if (isHere) this.#moved = moved
    // A number that another namespace gives is none of ours.
    this.#at = { ...this.#at, nsid: isHere && moved ? newNsid : nowhere, index: newIndex }
    if (this.endsWithInterface) fabric.engine.native.endDevice(this.#number)
  }

  /** News was lost: what is there now? What was found is old when there was news meanwhile. */
  async #look(fabric: PortFabric, name: string): Promise<void> {
    try {
      let heard, found
      do {
        heard = this.#hearings
        found = await native(() => addon.findInterface(name, this.#namespace()))
      } while (heard !== this.#hearings)
      if (this.fabric !== fabric || this.state === 'detaching') return
      if (found && this.#isIt({ ...found, nsid: here })) this.#is(fabric, { ...found, nsid: here })
      else if (this.#at.nsid === here)
        this.#left(fabric, { nsid: here, moved: this.state === 'up', newNsid: nowhere, newIndex: -1 })
      if (this.state === 'down') void this.#reopen()
    } catch {
      // The namespace is closed, or the engine: there is nothing to be found any more.
    }
  }

  async #reopen(): Promise<void> {
    this.#news = true
    if (this.#reopening) return
    this.#reopening = true
    while (this.#news && this.state === 'down' && this.fabric) {
      this.#news = false
      await this.#tryToReopen(this.fabric)
    }
    this.#reopening = false
  }

  async #tryToReopen(fabric: PortFabric): Promise<void> {
    const name = this.#device?.name as string
    const early: LinkNews[] = []
    try {
      const namespace = this.#namespace()
      const found = await native(() => addon.findInterface(name, namespace))
      if (!found && !(this.#moved && this.#device?.created)) return
      this.#early = early
      const opened = await this.openDevice(namespace, name)
      if (this.fabric !== fabric || this.state !== 'down') {
        addon.discardDevice(opened.device)
        return
      }
      const revived = this.revive(fabric, opened.device)
      this.#isOpen(fabric, opened)
      await revived
    } catch (error) {
      // Not ready: the next news of it tries again. But there is no news of somebody who lets go of it.
      if ((error as EtherloomError).errno !== constants.errno.EBUSY || this.fabric !== fabric) return
      clearTimeout(this.#lookAgain)
      this.#lookAgain = setTimeout(() => void this.#reopen(), busyInterval).unref()
    } finally {
      if (this.#early === early) this.#early = undefined
    }
  }
}
