/** The fabric kinds that topology files can have, a line for each. A program adds its own with `fabricKinds.add`. */
import { Registry } from '../values/registry.js'
import type { Fabric, FabricOptions } from './fabric.js'
import { hubKind } from './hub.js'
import type { FabricKind } from './kind.js'
import { switchKind } from './switch.js'
import { wireKind } from './wire.js'

const kinds = [hubKind, switchKind, wireKind] as const

/** Every kind of fabric that topology files can have, by its word; `add` adds another. */
export const fabricKinds = new Registry<FabricKind>('fabric kind', kinds)

/** What a topology file says of a fabric of ours, beside what those of all kinds have. */
export type FabricMapping = MappingOf<(typeof kinds)[number]>
type MappingOf<Kind> =
  Kind extends FabricKind<infer Given, Fabric, infer Key>
    ? { kind: Key } & Omit<Given, keyof FabricOptions>
    : never

/** Those kinds for which a condition holds, as in `a hub or a switch`. */
export const fabricsThat = (holds: (kind: FabricKind) => boolean): string =>
  [...fabricKinds]
    .filter(holds)
    .map(({ key }) => `a ${key}`)
    .join(' or ')
