/** `etherloom step`: takes steps of the worlds of a running instance. */
import { integer } from '../../lib/values/options.js'
import { action, instanceCommand, withInstance, type InstanceFlags } from '../command.js'
import { describeStep, printJson, printLine } from '../output.js'

export const step = instanceCommand(
  'step',
  'let the nodes of the worlds of a running instance move, and their links follow',
)
  .argument('[count]', 'how many steps to take, one after another', '1')
  .option('--world <world>', 'only this world')
  .action(
    action((count: string, options: InstanceFlags & { world?: string }) => {
      const { world, json } = options
      const wanted = integer(1, 1_000_000, { unit: 'steps', default: 1 })(
        /^\d+$/.test(count) ? Number(count) : count,
        'how many steps to take',
      )
      return withInstance(options, async (instance) => {
        // One at a time, so that each is told of when it is taken, and Ctrl-C ends it.
        for (let taken = 0; taken < wanted; taken++) {
          const steps = await instance.call('step', { ...(world !== undefined && { world }) })
          for (const each of steps) {
            if (json) printJson(each)
            else printLine(describeStep(each))
          }
        }
        return 0
      })
    }),
  )
