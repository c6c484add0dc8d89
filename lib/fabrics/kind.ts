/** What a kind of fabric is to topology files and reports, beside its class; index.ts lists them. */
import type { Rules } from '../values/options.js'
import type { Keyed } from '../values/registry.js'
import type { Fabric, FabricOptions } from './fabric.js'

/** A learned address. */
export interface LearnedAddress {
  /** The MAC address, as `02:00:00:00:00:01`. */
  address: string
  /** Addresses are learned per VLAN: that of the tag or, on a switch whose ports have VLANs, of the port. Else 0. */
  vlan: number
  /** The name of its port. */
  port: string
  /** Since the last frame that refreshed it. */
  age: string
}

export interface FabricKind<
  Given extends FabricOptions = FabricOptions,
  Made extends Fabric = Fabric,
  Key extends string = string,
> extends Keyed<Key> {
  /** The word at `kind` in files. */
  readonly key: Key
  /** What it does, in a sentence. */
  readonly description: string
  /** What it can have beyond what all kinds have. */
  readonly options: Rules
  /** Makes one of options that were checked. */
  make(options: Given): Made
  /** How many ports it must have. Default: any number. */
  readonly ports?: number
  /** Those options of `attach` that not every kind has. */
  readonly attach: readonly ('group' | 'vlan' | 'storm.unknown')[]
  /** What it has learned. */
  addresses?(fabric: Made): LearnedAddress[]
}
