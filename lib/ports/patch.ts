/** PatchPort: one end of a cable between two fabrics of one engine. */
import { calls, native, type NativeEngine } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import {
  about,
  integer,
  list,
  optional,
  optionsReader,
  required,
  text,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'
import type { PortKind, PortReference } from './kind.js'

/** What both ends of a cable between two fabrics have. */
export interface PatchPortOptions {
  /** Names of the two ends. Default `patch%d` for both. */
  names?: [string, string]
  /** The longest frame that passes, in bytes. 64 to 69632, default 69632. */
  frameLimit?: number
}

const readPatchOptions = optionsReader('PatchPort.pair', {
  names: about(
    'Names of the two ends. Default: patch and a number.',
    optional(list(nameRule(), { min: 2, max: 2, expects: 'a list of two names' }), ['patch%d', 'patch%d']),
  ),
  frameLimit: about(
    'Bytes of the longest frame that passes.',
    integer(64, 69632, { unit: 'bytes', default: 69632 }),
  ),
} satisfies RulesOf<PatchPortOptions>)

const { makePatch, joinPatches } = calls<{
  /** For an engine, beside the `peer` where that is attached already, else -1. */
  makePatch(engine: NativeEngine, frameLimit: number, peer: number): unknown
  joinPatches(engine: NativeEngine, left: number, right: number): void
}>()

/**
 * What goes out of one end comes in at the other, at once and unchanged. A frame crosses at most 16 patch ports, so
 * that fabrics patched in a loop do not carry it forever (counted as `hop-limit`). Privilege: none.
 *
 * @example
 * const [up, down] = PatchPort.pair({ names: ['uplink', 'downlink'] })
 * await core.attach(up)
 * await edge.attach(down)
 */
export class PatchPort extends Port {
  readonly #frameLimit: number
  #peer: PatchPort | undefined

  private constructor(name: string, frameLimit: number) {
    super(name)
    this.#frameLimit = frameLimit
  }

  /** The two ends of a new cable. */
  static pair(options: PatchPortOptions = {}): [PatchPort, PatchPort] {
    const { names, frameLimit } = readPatchOptions(options)
    const [first, second] = names as [string, string]
    const ends: [PatchPort, PatchPort] = [new PatchPort(first, frameLimit), new PatchPort(second, frameLimit)]
    ends[0].#peer = ends[1]
    ends[1].#peer = ends[0]
    return ends
  }

  /** The other end. */
  get peer(): PatchPort {
    return this.#peer as PatchPort
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    const { peer } = this
    if (peer.fabric && peer.fabric.engine !== fabric.engine)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `patch port '${this.name}' cannot join '${fabric.name}' to '${peer.fabric.name}', which has another engine; give both fabrics the same 'engine'`,
      )
    const { native: engine } = fabric.engine
    const id = this.seatDevice(
      fabric,
      native(() => makePatch(engine, this.#frameLimit, peer.id)),
    )
    if (peer.id >= 0) joinPatches(engine, id, peer.id)
    return Promise.resolve(id)
  }
}

const patchKeys = {
  patch: required(
    about(
      'Port of another fabric to join, as fabric.port; that port names this one in return.',
      text({
        max: 127,
        pattern: /^[A-Za-z0-9_-]{1,63}\.[A-Za-z0-9_-]{1,63}$/,
        expects: "a port of another fabric as 'fabric.port'",
      }),
    ),
  ),
}

/** @internal `patch: fabric.port`, at both ends. */
export const patchKind: PortKind<{ patch: string }> = {
  key: 'patch',
  options: patchKeys,
  make: (name, given, { peer }) =>
    peer instanceof PatchPort ? peer.peer : PatchPort.pair({ names: [name, otherEnd(given).port] })[0],
  leadsTo: ({ patch }) => patch,
  peer: otherEnd,
}

function otherEnd({ patch }: { patch: string }): PortReference {
  const [fabric = '', port = ''] = patch.split('.')
  return { fabric, port }
}
