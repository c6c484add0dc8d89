/** Steps of worlds. */
import type { WorldStep } from '../../world/world.js'
import { about, flag, integer, list, number, required, text } from '../../values/options.js'
import { fields, method } from '../method.js'
import { appliedKeys } from './path.js'

export interface Steps {
  world?: string
  count?: number
}

/** A step of a world, without its links. */
export type StepTaken = { world: string } & Omit<WorldStep, 'links'>

/** The keys of a step. */
export const stepKeys = {
  world: about('the world', required(text())),
  step: about('its number, from 1', required(integer(1, Number.MAX_SAFE_INTEGER))),
  ...appliedKeys,
  milliseconds: about(
    'from its beginning until no frame could meet what was before',
    required(number(0, Infinity)),
  ),
  overrun: about('whether it took longer than the time between two steps', required(flag())),
}

export const step = method<Steps, StepTaken[]>({
  description: 'Takes steps of a world, or of all that move, one after another.',
  parameters: {
    world: about('the world; without it all that move', text()),
    count: about('how many steps', integer(1, 1_000_000)),
  },
  result: list(fields<StepTaken>(stepKeys)),
  example: {
    params: { world: 'field' },
    result: [{ world: 'field', step: 3, up: 1, down: 0, changed: 4, milliseconds: 0.8, overrun: false }],
  },
  call: async ({ world, count }, instance) => {
    const steps = await (await instance).network.step(count, world)
    return steps.map(({ links: _, ...step }) => step)
  },
})
