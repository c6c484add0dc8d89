/** The policies of distances: a world's model, asked once for each distance that occurs. Called by World. */
import { readPolicy, type Policy } from '../policy/policy.js'
import { locate } from '../values/errors.js'
import { isWithin, type LinkQualityModel } from './models/model.js'

export class Qualities {
  readonly #model: LinkQualityModel
  readonly #ofDistances = new Map<number, Policy | null>()
  readonly #policies = new Map<string, Policy>()

  constructor(model: LinkQualityModel) {
    this.#model = model
  }

  /** The policy of a distance in whole metres, the same object for equal policies; null where it is not connected. */
  at(metres: number): Policy | null {
    if (!isWithin(this.#model, metres)) return null
    let policy = this.#ofDistances.get(metres)
    if (policy === undefined) this.#ofDistances.set(metres, (policy = this.#ask(metres)))
    return policy
  }

  #ask(metres: number): Policy | null {
    const options = this.#model.quality(metres)
    if (options === null) return null
    let policy: Policy // links share it
    try {
      ;({ policy } = readPolicy({ allowed: true, ...options }))
    } catch (error) {
      throw locate(error, `model '${this.#model.name}' at ${metres} metres`)
    }
    const text = JSON.stringify(policy, (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    )
    const known = this.#policies.get(text)
    if (!known) this.#policies.set(text, policy)
    return known ?? policy
  }
}
