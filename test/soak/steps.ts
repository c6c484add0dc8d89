/**
 * What a program of the soak is: engines, and steps that are plain JSON values. Written by generate.ts, executed by
 * interpret.ts, made smaller by shrink.ts. A step that names what is not there does nothing, so any of them can be left out.
 */
import type {
  AttachOptions,
  EngineOptions,
  Policy,
  RandomWalkOptions,
  TimelineEntry,
} from '../../lib/index.js'

export interface Program {
  clock: 'real' | 'virtual'
  engines: Pick<EngineOptions, 'workers' | 'io' | 'memory'>[]
  /** Of all random streams of the engines. */
  seed: number
  steps: Step[]
}

/** How two fabrics are joined: two ports, one in each. */
export const links = [
  'patch',
  'pair stream',
  'pair datagram',
  'pair seqpacket',
  'socket stream',
  'socket datagram',
  'socket seqpacket',
  'socket vde',
  'socket vpnkit',
  'socket hyperkit',
  'server stream',
  'server seqpacket',
  'server vde',
  'server vpnkit',
  'server hyperkit',
  'server websocket',
  'udp',
  'tap',
] as const
export type LinkKind = (typeof links)[number]

export interface End {
  fabric: string
  port: string
}

export type Step =
  | {
      do: 'fabric'
      kind: 'hub' | 'switch' | 'wire'
      name: string
      engine: number
      forwarding: 'allow' | 'deny'
      addresses?: number
    }
  | { do: 'memory'; end: End; queueLimit: number; frameLimit: number; options: AttachOptions }
  | { do: 'generator'; end: End; length: number; count: number; source: string }
  | { do: 'sink'; end: End; options: AttachOptions }
  | { do: 'link'; kind: LinkKind; left: End; right: End }
  | { do: 'start' | 'stop' | 'detach' | 'attach' | 'read'; port: string }
  | {
      do: 'send'
      port: string
      count: number
      length: number
      to: number | null
      from: number
      vlan?: number
    }
  | { do: 'carrier'; port: string; on: boolean }
  | { do: 'configure'; port: string; options: AttachOptions }
  | {
      do: 'apply'
      fabric: string
      changes: { from: string; to: string; policy: Policy | null }[]
      flush: boolean
    }
  | { do: 'timeline'; name: string; fabric: string; entries: TimelineEntry<string>[] }
  | { do: 'stopTimeline'; name: string; restore: boolean }
  | { do: 'world'; name: string; fabric: string; wifi: boolean; walk: RandomWalkOptions; every: string }
  | {
      do: 'wireWorld'
      name: string
      engine: number
      nodes: string[]
      walk: RandomWalkOptions
      whenDown: 'no-carrier' | 'remove'
    }
  | { do: 'stepWorld' | 'startWorld' | 'closeWorld'; name: string }
  /** To a stream that throws everything away; a fate log also to a file, for `replay: 'log:NAME'`. */
  | { do: 'capture'; name: string; of: 'port'; port: string; count?: number }
  | { do: 'capture'; name: string; of: 'path' | 'fates' | 'log'; fabric: string; from: string; to: string }
  | { do: 'closeCapture'; name: string }
  /** Real clock: waits; virtual: advances. */
  | { do: 'pass'; microseconds: number }
  /** All at once. */
  | { do: 'together'; steps: Step[] }
