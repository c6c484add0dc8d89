/** What repeats a run: the seed that the environment gives. Called by the commands that start an instance. */
import type { Topology } from '../lib/topology/schema.js'
import { EtherloomError } from '../lib/values/errors.js'
import { quote } from '../lib/values/quote.js'

/** With the seed of $ETHERLOOM_SEED where it has none of its own: what repeats a run. */
export function seeded(topology: Topology): Topology {
  const { ETHERLOOM_SEED: text = '' } = process.env
  if (text === '') return topology
  const seed = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(seed))
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `$ETHERLOOM_SEED must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, not ${quote(text)}`,
    )
  return { seed, ...topology }
}
