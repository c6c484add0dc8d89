/** GeneratorPort: numbered frames as fast as its worker makes them, for benchmarks and tests. */
import { interfaceMac, parseMac } from '../values/addresses.js'
import { calls, native, type NativeEngine } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { about, integer, optional, optionsReader, type RulesOf } from '../values/options.js'
import { nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'

/** What a generator sends, and how often. */
export interface GeneratorPortOptions {
  /** Default `generator%d`. */
  name?: string
  /** Bytes of each frame, without check sequence. 22 to 1514, default 60: the shortest on a cable. */
  length?: number
  /** Frames in all, 1 to 2^53 - 1. Default: no end. A virtual clock needs one. */
  count?: number
  /** Where frames come from. Default `02:00:00:00:00:01`; where a switch has several generators, each needs its own. */
  source?: string
  /** Where frames go. Default broadcast, `ff:ff:ff:ff:ff:ff`, which every fabric takes everywhere. */
  destination?: string
}

const readGeneratorOptions = optionsReader('GeneratorPort', {
  name: about("The port's name. Default: generator and a number.", nameRule()),
  length: about(
    'Bytes of each frame without check sequence; 60 is the shortest on a cable.',
    integer(22, 1514, { unit: 'bytes', default: 60 }),
  ),
  count: about(
    'Frames in all; a virtual clock needs it. Default: no end.',
    integer(1, Number.MAX_SAFE_INTEGER, { unit: 'frames' }),
  ),
  source: about(
    'Where frames come from; where a switch has several generators, each needs its own.',
    interfaceMac(parseMac('02:00:00:00:00:01')),
    { default: '02:00:00:00:00:01' },
  ),
  destination: about(
    'Where frames go.',
    optional<Uint8Array, Uint8Array>(parseMac, parseMac('ff:ff:ff:ff:ff:ff')),
    { default: 'ff:ff:ff:ff:ff:ff' },
  ),
} satisfies RulesOf<GeneratorPortOptions>)

type GeneratorOptions = Omit<ReturnType<typeof readGeneratorOptions>, 'name'>

const { makeGenerator, runGenerator } = calls<{
  makeGenerator(options: GeneratorOptions): unknown
  runGenerator(engine: NativeEngine, port: number, running: boolean): number
}>()

/**
 * Sends frames flat out from `start()` on, a burst of 64 in every turn of its worker. Nothing slows it down: what does
 * not fit is dropped, and counted, by the paths that its frames take. What it is sent it discards, as a SinkPort does.
 * Privilege: none.
 *
 * A frame is an Ethernet header with EtherType 0x88b5 (for local experiments), a 64-bit number, most significant byte
 * first, and zeros. Numbers count from 0 with every attach, without gaps, so that a receiver can tell order and loss.
 *
 * @example
 * const generator = await hub.attach(new GeneratorPort({ length: 1514 }))
 * const sink = await hub.attach(new SinkPort())
 * await generator.start()
 */
export class GeneratorPort extends Port {
  readonly #options: GeneratorOptions

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: GeneratorPortOptions = {}) {
    const { name, ...given } = readGeneratorOptions(options)
    super(name ?? 'generator%d')
    this.#options = given
  }

  /**
   * Begins to send, or goes on where `stop` left off, until `count` frames in all were sent. Resolves when it does; on a
   * virtual clock the frames come at the instant of the next `advance`.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE while it is not attached
   */
  async start(): Promise<void> {
    await this.#run(true)
  }

  /**
   * Resolves when it sends no more; from then on it costs nothing.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE while it is not attached
   */
  async stop(): Promise<void> {
    await this.#run(false)
  }

  async #run(running: boolean): Promise<void> {
    const { engine } = this.attachedTo()
    await engine.settled(native(() => runGenerator(engine.native, this.id, running)))
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    if (fabric.engine.clock === 'virtual' && this.#options.count === undefined)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `generator '${this.name}' has no end, and a virtual clock would never leave the instant it starts at; give it a 'count'`,
      )
    return Promise.resolve(
      this.seatDevice(
        fabric,
        native(() => makeGenerator(this.#options)),
      ),
    )
  }
}
