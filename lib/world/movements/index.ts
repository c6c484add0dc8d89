/** The movements that topology files can have. A program adds its own with `movements.add`. */
import { Registry } from '../../values/registry.js'
import { coreKind } from './core-topologies.js'
import { matricesKind, matrixKind } from './matrices.js'
import type { MovementKind } from './movement.js'
import { randomWalkKind } from './random-walk.js'
import { randomWaypointKind } from './random-waypoint.js'

const kinds = [coreKind, matrixKind, matricesKind, randomWaypointKind, randomWalkKind] as const

/** Every movement that topology files can have, by its key; `add` adds another. */
export const movements = new Registry<MovementKind>('movement', kinds)

/** What a topology file says of a movement of ours. */
export type MovementMapping = Parameters<(typeof kinds)[number]['make']>[0]
