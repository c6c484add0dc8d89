/** The movements by the names that topology files have for them. */
import { CoreTopologies } from './core-topologies.js'
import { DistanceMatrices } from './matrices.js'
import { RandomWalk } from './random-walk.js'
import { RandomWaypoint } from './random-waypoint.js'

export const movements = {
  core: CoreTopologies,
  matrices: DistanceMatrices,
  randomWalk: RandomWalk,
  randomWaypoint: RandomWaypoint,
} as const
