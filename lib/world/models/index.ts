/** The link quality models that topology files can have. A program adds its own with `linkModels.add`. */
import { Registry } from '../../values/registry.js'
import { logDistanceKind } from './log-distance.js'
import type { LinkModelKind } from './model.js'
import { rangeKind } from './range.js'
import { exponentialKind, linearKind } from './wifi.js'

const kinds = [rangeKind, linearKind, exponentialKind, logDistanceKind] as const

/** Every link model that topology files can have, by its word; `add` adds another. */
export const linkModels = new Registry<LinkModelKind>('link model', kinds)

/** What a topology file says of a model of ours: its word, or the word with its options. */
export type LinkModelMapping = MappingOf<(typeof kinds)[number]>
type MappingOf<Kind> = Kind extends LinkModelKind<infer Given, infer Key> ? Key | Record<Key, Given> : never
