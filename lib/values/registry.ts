/**
 * Registries: the kinds of a thing, each under the word that files and commands have for it. Every room that has kinds
 * lists those of ours in its index.ts; programs add their own to the same registry, and nothing else has to know them.
 */
import { EtherloomError } from './errors.js'
import { anyText, asOptions, required, suggestion, text } from './options.js'
import { quote } from './quote.js'

/** What every kind of anything has. */
export interface Keyed<Key extends string = string> {
  /** The word for it in files and commands. */
  readonly key: Key
}

/** Kinds by their keys, in the order in which they were added. */
export class Registry<Kind extends Keyed> implements Iterable<Kind> {
  readonly #what: string
  readonly #kinds: Map<string, Kind>

  /** `what` is a kind of these in messages, as 'port kind'. */
  constructor(what: string, kinds: readonly Kind[]) {
    this.#what = what
    this.#kinds = new Map(kinds.map((kind) => [kind.key, kind]))
  }

  /** The words of all kinds, in the order in which they were registered. */
  get keys(): string[] {
    return [...this.#kinds.keys()]
  }

  /** The kinds, in the order of their list. */
  [Symbol.iterator](): Iterator<Kind> {
    return this.#kinds.values()
  }

  /** The kind of that key, if there is one. */
  find(key: string): Kind | undefined {
    return this.#kinds.get(key)
  }

  /** @throws EtherloomError ERR_ETHERLOOM_NAME for a key that no kind has */
  get(key: string): Kind {
    required(anyText)(key, `the key of a ${this.#what}`)
    const kind = this.#kinds.get(key)
    if (kind) return kind
    throw new EtherloomError(
      'ERR_ETHERLOOM_NAME',
      `no ${this.#what} ${quote(key)}${suggestion(key, this.keys)}`,
    )
  }

  /**
   * Adds a kind; returns what takes it out again.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME for a key that is taken; ERR_ETHERLOOM_OPTION for what has none
   */
  add(kind: Kind): () => void {
    required(text())(asOptions(`a ${this.#what}`, kind).key, `the key of a ${this.#what}`)
    if (this.#kinds.has(kind.key))
      throw new EtherloomError('ERR_ETHERLOOM_NAME', `there is a ${this.#what} '${kind.key}' already`)
    this.#kinds.set(kind.key, kind)
    return () => void this.#kinds.delete(kind.key)
  }
}
