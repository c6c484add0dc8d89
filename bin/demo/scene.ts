/**
 * What examples/three-hosts.yaml promises to every two of its hosts, in the units of the measurements.
 * Read by the phases, which check it, and by the picture on the screen.
 */
import type { Fabric } from '../../lib/fabric.js'
import { parseDuration, parseRate } from '../../lib/units.js'

export const addresses = { red: '10.0.0.1', green: '10.0.0.2', blue: '10.0.0.3' } as const

export type Host = keyof typeof addresses

/** Two hosts, and what holds in each direction between them. */
export interface Relation {
  from: Host
  to: Host
  allowed: boolean
  /** Milliseconds. */
  delay: number
  /** Probability. */
  loss: number
  /** Mbit/s; Infinity where nothing limits it. */
  rate: number
}

export interface Scene {
  near: Relation
  far: Relation
  apart: Relation
}

export function readScene(fabric: Fabric): Scene {
  const relation = (from: Host, to: Host): Relation => {
    const { allowed, delay, loss, rate } = fabric.path(from, to).policy
    return {
      from,
      to,
      allowed,
      delay: delay === undefined ? 0 : Number(parseDuration(delay)) / 1e6,
      loss: loss ?? 0,
      rate: rate === undefined ? Infinity : Number(parseRate(rate)) / 1e6,
    }
  }
  return { near: relation('red', 'green'), far: relation('green', 'blue'), apart: relation('red', 'blue') }
}

export const nameOf = ({ from, to }: Relation): string => `${from} – ${to}`
