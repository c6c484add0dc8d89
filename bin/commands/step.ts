/** `etherloom step`: takes steps of the worlds of a running instance. */
import { ControlClient } from '../../lib/control/client.js'
import type { StepTaken } from '../../lib/control/protocol.js'
import { integer } from '../../lib/values/options.js'
import { printJson, printLine } from '../output.js'

interface StepOptions {
  world?: string
  name?: string
  json?: boolean
}

export async function step(count: string | undefined, { world, name, json }: StepOptions): Promise<number> {
  const asked = count !== undefined && /^\d+$/.test(count) ? Number(count) : count
  const wanted = integer(1, 1_000_000, { unit: 'steps', default: 1 })(asked, 'how many steps to take')
  const instance = await ControlClient.find(name)
  try {
    // One at a time, so that each is told of when it is taken, and Ctrl-C ends it.
    for (let taken = 0; taken < wanted; taken++) {
      const steps = await instance.call('step', { ...(world !== undefined && { world }) })
      for (const each of steps) {
        if (json) printJson(each)
        else printLine(describeStep(each))
      }
    }
    return 0
  } finally {
    instance.close()
  }
}

/** A step as a user reads it. */
export function describeStep(taken: StepTaken): string {
  const { world, step, up, down, changed, milliseconds, overrun } = taken
  const late = overrun ? '; longer than the time between two steps' : ''
  return `${world}: step ${step}: ${up} up, ${down} down, ${changed} changed in ${milliseconds.toFixed(1)} ms${late}`
}
