/** Names that topology files can have, made of those of other programs. Called by conversions. */

/** Gives names that are each given once, of letters, digits, '-' and '_'. */
export class Names {
  readonly #taken = new Set<string>()
  readonly #longest: number
  /** Where the next number of a name that was wanted before is looked for. */
  readonly #next = new Map<string, number>()

  constructor(longest = 63) {
    this.#longest = longest
  }

  /** The wanted name, or the nearest that is free; `otherwise` is taken where nothing is left of it. */
  free(wanted: string, otherwise = 'machine'): string {
    const words = wanted === '__proto__' ? 'proto' : wanted.replace(/[^A-Za-z0-9_-]+/g, '-')
    const base = words.slice(0, this.#longest) || otherwise
    let name = base
    for (let number = this.#next.get(base) ?? 2; this.#taken.has(name); number++) {
      const suffix = `-${number}`
      name = base.slice(0, this.#longest - suffix.length) + suffix
      this.#next.set(base, number + 1)
    }
    this.#taken.add(name)
    return name
  }
}
