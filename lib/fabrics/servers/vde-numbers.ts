/**
 * What a manager has said of a VDE switch's ports, by their numbers, and of its VLANs: it holds for whoever has the number, also when
 * its peers go and others come. Made by VdeServer; VdeConsole changes it.
 */
import { limits } from '../../values/limits.js'
import type { VlanOptions } from '../vlan.js'

/** VDE's VLAN of ports that were put into no other: VLAN 1 of a switch here, whose usual one that is. */
export const usualVlan = 0
/** VDE's word for no VLAN. */
export const noVlan = 4095
const lastVlan = 4094

/** A number that was spoken of. */
interface Numbered {
  /** The VLAN of its frames without a tag, in VDE's numbers. */
  untagged: number
  readonly tagged: Set<number>
  /** Whether a peer that asks for no number may get it. */
  allocatable: boolean
}

/** Why something is not done, by the names of errno. */
export type VdeRefusal = 'ENXIO' | 'EEXIST' | 'EINVAL' | 'EADDRINUSE' | 'ENOSPC'

/** The VLAN in the switch's numbers. */
const inside = (vlan: number): number => (vlan === usualVlan ? 1 : vlan)

export class VdeNumbers {
  readonly #numbers = new Map<number, Numbered>()
  readonly #vlans = new Set([usualVlan])
  readonly #taken: () => ReadonlySet<number>
  #hasVlans = false

  /** `taken`: the numbers that have peers. */
  constructor(taken: () => ReadonlySet<number>) {
    this.#taken = taken
  }

  /** Whether ports were put into VLANs, so that each port is in some. */
  get hasVlans(): boolean {
    return this.#hasVlans
  }

  /** The numbers that were spoken of. */
  get known(): readonly number[] {
    return [...this.#numbers.keys()]
  }

  /** The VLANs that there are, in order. */
  get vlans(): readonly number[] {
    return [...this.#vlans].sort((left, right) => left - right)
  }

  /** What a number has. */
  of(number: number): Readonly<Numbered> {
    return this.#numbers.get(number) ?? { untagged: usualVlan, tagged: new Set(), allocatable: true }
  }

  /** How a number is in a VLAN; undefined where it is not. */
  membership(number: number, vlan: number): 'tagged' | 'untagged' | undefined {
    const { untagged, tagged } = this.of(number)
    if (untagged === vlan) return 'untagged'
    return tagged.has(vlan) ? 'tagged' : undefined
  }

  /** The VLANs of a number's ports; undefined while nobody has put any port into one. */
  vlansOf(number: number): VlanOptions | undefined {
    if (!this.#hasVlans) return undefined
    const { untagged, tagged } = this.of(number)
    const trunk = [...tagged].filter((vlan) => vlan !== untagged).map(inside)
    if (trunk.length === 0) return { access: inside(untagged) }
    return { trunk, ...(untagged !== noVlan && { native: inside(untagged) }) }
  }

  /** The lowest number above 0 that nobody has, and that is not kept for those who ask for it. */
  free(): number {
    const taken = this.#taken()
    for (let number = 1; ; number++)
      if (!taken.has(number) && this.#numbers.get(number)?.allocatable !== false) return number
  }

  /** Keeps a number for those who ask for it; the lowest that is free where none is given. */
  create(asked?: number): VdeRefusal | { number: number } {
    const taken = this.#taken()
    const isThere = (number: number): boolean => taken.has(number) || this.#numbers.has(number)
    let number = asked ?? 1
    while (asked === undefined && isThere(number)) number++
    if (isThere(number)) return 'EEXIST'
    return this.#change(number, (its) => (its.allocatable = false)) ?? { number }
  }

  /** Forgets what was said of a number. */
  remove(number: number): VdeRefusal | undefined {
    if (this.#taken().has(number)) return 'EADDRINUSE'
    return this.#numbers.delete(number) ? undefined : 'ENXIO'
  }

  setAllocatable(number: number, allocatable: boolean): VdeRefusal | undefined {
    return this.#known(number) ?? this.#change(number, (its) => (its.allocatable = allocatable))
  }

  /** Puts a number into the VLAN of frames without a tag; `noVlan` takes it out of that. */
  setUntagged(number: number, vlan: number): VdeRefusal | undefined {
    const refusal = this.#known(number) ?? (vlan === noVlan ? undefined : this.#existing(vlan))
    if (refusal) return refusal
    if (vlan === noVlan && this.of(number).tagged.size === 0) return 'EINVAL'
    return this.#change(number, (its) => {
      its.untagged = vlan
      this.#hasVlans ||= vlan !== usualVlan
    })
  }

  addTagged(vlan: number, number: number): VdeRefusal | undefined {
    const refusal = this.#existing(vlan) ?? this.#known(number)
    if (refusal) return refusal
    return this.#change(number, (its) => {
      its.tagged.add(vlan)
      this.#hasVlans = true
    })
  }

  removeTagged(vlan: number, number: number): VdeRefusal | undefined {
    const refusal = this.#existing(vlan) ?? this.#known(number)
    if (refusal) return refusal
    const { untagged, tagged } = this.of(number)
    if (untagged === vlan || (untagged === noVlan && tagged.has(vlan) && tagged.size === 1))
      return 'EADDRINUSE'
    return tagged.has(vlan) ? this.#change(number, (its) => its.tagged.delete(vlan)) : undefined
  }

  createVlan(vlan: number): VdeRefusal | undefined {
    if (vlan === usualVlan || vlan > lastVlan) return 'EINVAL'
    if (this.#vlans.has(vlan) || vlan === inside(usualVlan)) return 'EEXIST'
    this.#vlans.add(vlan)
    return undefined
  }

  removeVlan(vlan: number): VdeRefusal | undefined {
    const refusal = this.#existing(vlan)
    if (refusal) return refusal
    if (vlan === usualVlan || this.known.some((number) => this.membership(number, vlan))) return 'EADDRINUSE'
    this.#vlans.delete(vlan)
    return undefined
  }

  #existing(vlan: number): VdeRefusal | undefined {
    if (vlan > lastVlan) return 'EINVAL'
    return this.#vlans.has(vlan) ? undefined : 'ENXIO'
  }

  #known(number: number): VdeRefusal | undefined {
    return this.#numbers.has(number) || this.#taken().has(number) ? undefined : 'ENXIO'
  }

  #change(number: number, work: (its: Numbered) => void): VdeRefusal | undefined {
    let its = this.#numbers.get(number)
    if (!its) {
      if (this.#numbers.size >= limits.vdeNumbers) return 'ENOSPC'
      its = { untagged: usualVlan, tagged: new Set(), allocatable: true }
      this.#numbers.set(number, its)
    }
    work(its)
    return undefined
  }
}
