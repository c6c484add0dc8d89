/** The fabric kinds that topology files can have, a line for each. A program adds its own with `fabricKinds.add`. */
import { Registry } from '../values/registry.js'
import { hubKind } from './hub.js'
import type { FabricKind } from './kind.js'
import { switchKind } from './switch.js'
import { wireKind } from './wire.js'

export const fabricKinds = new Registry<FabricKind>('fabric kind', [hubKind, switchKind, wireKind])

/** Those kinds for which a condition holds, as in `a hub or a switch`. */
export const fabricsThat = (holds: (kind: FabricKind) => boolean): string =>
  [...fabricKinds].filter(holds).map(({ key }) => `a ${key}`).join(' or ') // prettier-ignore
