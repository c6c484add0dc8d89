/** Wire: exactly two ports, cross-connected; no addresses are looked at. */
import { Fabric, fabricRules, type FabricOptions } from './fabric.js'
import type { FabricKind } from './kind.js'
import { readOptions } from '../values/options.js'

/** Joins two ports. A third is refused. */
export class Wire extends Fabric {
  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: FabricOptions = {}) {
    super('wire', readOptions('Wire', options, fabricRules), {}, 2)
  }

  /**
   * Takes the carrier of its ports away, or gives it back: as `port.carrier`, at both ends. When one end cannot, neither
   * changes. Resolves when it holds for every frame.
   *
   * @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED where an end is a PacketPort
   */
  async carrier(on: boolean): Promise<void> {
    const ends = [...super.ports.values()].filter(({ id }) => id >= 0)
    for (const port of ends) port.insistOnCarrier()
    await Promise.all(ends.map((port) => port.carrier(on)))
  }
}

/** @internal */
export const wireKind: FabricKind<FabricOptions, Wire, 'wire'> = {
  key: 'wire',
  description: 'Two ports, cross-connected.',
  options: {},
  make: (options) => new Wire(options),
  ports: 2,
  attach: [],
}
