/** What a sealed instance (seal.ts) says of what it cannot do any more. Called by Instance, and where methods are answered. */
import { inWords, type Change } from '../topology/diff.js'
import { advise, EtherloomError } from '../values/errors.js'

const sealed =
  'the instance is sealed (up --sealed): it keeps what it had once it was up, and makes and opens nothing more'

/** An error in a sealed instance; one of a missing right says that it was given up, also where there was no way back for that reason. */
export function explainSeal(error: unknown): unknown {
  const lacks = (each: unknown): boolean =>
    each instanceof EtherloomError && each.code === 'ERR_ETHERLOOM_PRIVILEGE'
  if (!(error instanceof EtherloomError)) return error
  if (lacks(error)) return advise(error, sealed)
  return error.code === 'ERR_ETHERLOOM_STATE' && lacks(error.cause)
    ? advise(error, `${sealed}; bring it down and up again, it is between two topologies`)
    : error
}

/**
 * Looks at the steps of a change before any is taken: what is closed for one that needs a right could not be opened again.
 *
 * @throws EtherloomError ERR_ETHERLOOM_PRIVILEGE
 */
export function refuseUnderSeal(steps: readonly Change[]): void {
  const refused = steps.find(needsRights)
  if (refused === undefined) return
  throw new EtherloomError(
    'ERR_ETHERLOOM_PRIVILEGE',
    `${inWords(refused)}: this needs rights that were given up`,
    {
      hint: sealed,
      place: placeOf(refused),
    },
  )
}

function needsRights(step: Change): boolean {
  switch (step.do) {
    case 'attach':
    case 'create':
    case 'listen':
    case 'prepare':
    case 'run':
      return true
    case 'equip': {
      const { dns: _, ...kernel } = step.plan
      return Object.keys(kernel).length > 0
    }
    case 'begin':
      return 'wires' in step.plan
    default:
      return false
  }
}

function placeOf(step: Change): EtherloomError['place'] {
  if ('port' in step) return ['fabrics', step.fabric, 'ports', step.port]
  if ('host' in step) return ['hosts', step.host]
  if ('world' in step) return ['worlds', step.world]
  return 'listen' in step ? ['fabrics', step.fabric, 'listen'] : undefined
}
