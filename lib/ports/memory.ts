/** MemoryPort: frames to and from this JavaScript environment. It is how an emulator inside the process attaches. */
import { isUint8Array } from 'node:util/types'
import {
  about,
  integer,
  mapping,
  optionsReader,
  readOptions,
  refuse,
  required,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { fill, patternRule } from './numbered.js'
import { Port, type PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { abortSignal } from '../values/signals.js'
import type { PortStats } from '../values/stats.js'
import type { Batch } from './batch.js'
import { MemoryBridge } from './memory-bridge.js'

/** How many and how long frames a memory port takes. */
export interface MemoryPortOptions {
  /** Default `memory%d`. */
  name?: string
  /** Frames that may wait for the reader; more are dropped and counted as `port-full`. 1 to 1000000, default 4096. */
  queueLimit?: number
  /** The longest frame, in bytes: 64 to 69632. Default 1518, an Ethernet frame with one VLAN tag. */
  frameLimit?: number
}

const fileOptions = {
  queueLimit: about(
    'Frames that may wait for the reader; more are dropped as port-full.',
    integer(1, 1_000_000, { unit: 'frames', default: 4096 }),
  ),
  frameLimit: about(
    'Bytes of the longest frame; 1518 is an Ethernet frame with one VLAN tag.',
    integer(64, 69632, { unit: 'bytes', default: 1518 }),
  ),
} satisfies RulesOf<Omit<MemoryPortOptions, 'name'>>

const readMemoryOptions = optionsReader('MemoryPort', {
  name: about("The port's name. Default: memory and a number.", nameRule()),
  ...fileOptions,
} satisfies RulesOf<MemoryPortOptions>)

/** How many bytes there are, whatever the object says; none in one that was transferred. */
const lengthOf = (bytes: Uint8Array): number => Reflect.get(Uint8Array.prototype, 'byteLength', bytes)

/**
 * Frames to and from JavaScript, in batches, bounded, without a native call per frame. Privilege: none.
 *
 * @example
 * port.send(frame)
 * for await (const batch of port) for (const frame of batch) handle(frame)
 */
export class MemoryPort extends Port implements AsyncIterable<Batch> {
  readonly #options: ReturnType<typeof readMemoryOptions>
  #bridge: MemoryBridge | undefined
  #number = -1
  #batches: Batch[] = []
  #refused = 0n
  /** What readers wait for: the next batch, or the end. */
  #news: Promise<void> | undefined
  #tell: (() => void) | undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: MemoryPortOptions = {}) {
    const given = readMemoryOptions(options)
    super(given.name ?? 'memory%d')
    this.#options = given
  }

  /**
   * Sends one frame or several, from the destination address on. Never waits: what finds the way to the worker full
   * is dropped and counted as `port-full`. Too short and too long frames are dropped at receive and counted there.
   *
   * @returns how many were taken.
   * @throws EtherloomError ERR_ETHERLOOM_STATE while it is not attached, ERR_ETHERLOOM_OPTION for what is not bytes
   */
  send(frames: Uint8Array | readonly Uint8Array[]): number {
    this.attachedTo()
    const bridge = this.#bridge as MemoryBridge
    // A list of its own, and lengths as they are: objects that lie about theirs would be read beyond their ends.
    const list = Array.isArray(frames) ? [...(frames as readonly Uint8Array[])] : [frames as Uint8Array]
    if (!list.every(isUint8Array)) refuse('what a MemoryPort sends', 'a Uint8Array or a list of them', frames)
    let taken = 0
    for (const frame of list) {
      const length = lengthOf(frame)
      if (length > 69632 || !bridge.write(this.#number, frame, length)) this.#refused++
      else taken++
    }
    bridge.commit()
    return taken
  }

  /** The next batch that has been delivered, or undefined; never waits. */
  read(): Batch | undefined {
    const batch = this.#batches.shift()
    if (batch && this.id >= 0) this.#bridge?.taken(this.id, batch.length)
    return batch
  }

  /**
   * Batches as they are delivered, until the port is detached. Of several readers each batch goes to one.
   *
   * @param options.signal ends it: the reader is thrown the signal's reason
   *
   * @example
   * for await (const batch of port.batches({ signal: AbortSignal.timeout(1000) })) handle(batch)
   */
  async *batches(options: { signal?: AbortSignal } = {}): AsyncGenerator<Batch, undefined> {
    const { signal } = readOptions('batches', options, { signal: abortSignal })
    const look = (): void => {
      this.#wake()
    }
    signal?.addEventListener('abort', look)
    try {
      for (;;) {
        signal?.throwIfAborted()
        const batch = this.read()
        if (batch) yield batch
        else if (!this.#bridge) return
        else await (this.#news ??= new Promise((resolve) => (this.#tell = resolve)))
      }
    } finally {
      signal?.removeEventListener('abort', look)
    }
  }

  /** As `batches()`. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch, undefined> {
    return this.batches()
  }

  override stats(): PortStats {
    const stats = super.stats()
    stats.dropped['port-full'] += this.#refused
    return stats
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    const { engine } = fabric
    const [bridge, number] = MemoryBridge.next(engine, engine.native.leastLoaded(), 'program')
    const { frameLimit, queueLimit } = this.#options
    const id = this.seatDevice(fabric, bridge.device(number, frameLimit, queueLimit))
    bridge.join(number, {
      deliver: (batch) => {
        this.#batches.push(batch)
        this.#wake()
      },
    })
    this.#bridge = bridge
    this.#number = number
    this.#batches = []
    this.#refused = 0n
    return Promise.resolve(id)
  }

  protected override closed(_fabric: PortFabric): void {
    this.#bridge?.leave(this.#number)
    this.#bridge = undefined
    this.#wake()
  }

  #wake(): void {
    this.#tell?.()
    this.#news = undefined
  }
}

const memoryKeys = {
  memory: required(
    about(
      'Frames to and from the program that runs the network, with these options. Without such a program they are dropped.',
      mapping(fileOptions),
    ),
  ),
}

/** @internal */
export interface MemoryNic {
  memory: Omit<MemoryPortOptions, 'name'>
  name?: string
}

/** @internal `memory: {}`: for programs that run a topology themselves, by `Network.up`. */
export const memoryKind: PortKind<{ memory: Omit<MemoryPortOptions, 'name'> }, MemoryPort, MemoryNic> = {
  key: 'memory',
  options: memoryKeys,
  make: (name, { memory }) => new MemoryPort({ ...memory, name }),
  leadsTo: () => 'this program',
  numbered: {
    options: {
      ...memoryKeys,
      name: patternRule("Name of the ports. Default: the node's name, a dot and the number."),
    } satisfies RulesOf<MemoryNic>,
    make: (node, { memory, name = `${node}.%d` }, number) => ({
      name: fill(name, number),
      given: { memory },
    }),
  },
}
