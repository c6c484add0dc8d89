// The words of the benchmark. A new comparison is a Case (bench/cases/), a new counterpart a Peer (bench/peers/), a
// new quantity a Measure (bench/measures/); the runner, the statistics and the reports know nothing else.

import type { Machine } from './machine.js'
import type { Layout, Network } from './network.js'

/** One comparison: a subject, beside others that do the same job in their own way. */
export interface Case {
  /** A short name, as given on the command line. */
  readonly name: string
  /** One sentence that says what is compared. */
  readonly what: string
  readonly measure: Measure
  /** How many interfaces each host has. Default one each. */
  readonly layout?: Layout
  /** How many rounds there are at most, of a case with many peers. Default as many as were asked for. */
  readonly rounds?: number
  /** The first is the subject; ratios are the subject's figure divided by the other's. */
  readonly peers: readonly [Peer, ...Peer[]]
  /** What the subject must reach. */
  readonly goals: readonly Goal[]
}

/** One way to join the interfaces of the hosts. */
export interface Peer {
  readonly name: string
  /** Why this machine cannot run it; undefined if it can. */
  unavailable(): Promise<string | undefined>
  /** Makes the interfaces of `network.ports`, and joins them. */
  start(network: Network, setup: Setup): Promise<Session>
}

/** A peer that is at work. */
export interface Session {
  /** The process that forwards; undefined if that is the kernel. */
  readonly pid?: number
  /** Ends it in order and returns its own statement of what it did, if it makes one. Idempotent. */
  stop(): Promise<unknown>
}

/** A quantity, and how to take it. */
export interface Measure {
  /** The first is the one that ratios are made of. */
  readonly figures: readonly [Figure, ...Figure[]]
  /** Why this machine cannot take it, of any peer; undefined if it can. */
  unavailable?(): Promise<string | undefined>
  /** Takes every figure once, in the order of `figures`; NaN where a peer has none. */
  sample(network: Network, session: Session, setup: Setup): Promise<number[]>
  /** What makes these figures, each the median of its rounds, say less than they seem to; undefined if nothing does. */
  doubt?(medians: readonly number[]): string | undefined
}

export interface Figure {
  readonly name: string
  readonly unit: string
  /** How many digits after the point are worth printing. */
  readonly digits: number
  /** Which way is better, of a figure by which two builds are compared (`--against`). */
  readonly better?: 'more' | 'less'
}

/**
 * A bound on the median over the rounds: of one of the subject's figures, or of its ratio to another peer, which is made
 * of the measure's first figure unless `figure` names another.
 */
export type Goal = ({ readonly ratioTo: string; readonly figure?: string } | { readonly figure: string }) &
  ({ readonly atLeast: number } | { readonly atMost: number }) & {
    /** The bound holds for every round, not only for their median. */
    readonly everyRound?: true
  }

/** What is the same for every peer and run. */
export interface Setup {
  readonly machine: Machine
  /** How long the figures are taken, in seconds, after warming up. */
  readonly seconds: number
}
