/** The link quality models that topology files can have. A program adds its own with `linkModels.add`. */
import { Registry } from '../../values/registry.js'
import { logDistanceKind } from './log-distance.js'
import type { LinkModelKind } from './model.js'
import { rangeKind } from './range.js'
import { exponentialKind } from './wifi-exponential.js'
import { linearKind } from './wifi-linear.js'

export const linkModels = new Registry<LinkModelKind>('link model', [
  rangeKind,
  linearKind,
  exponentialKind,
  logDistanceKind,
])
