/** `etherloom info`: prints the links of a running instance as MiniWorld's `mwcli info` does. */
import { oneOf, required } from '../../lib/values/options.js'
import { action, instanceCommand, withInstance, type InstanceFlags } from '../command.js'
import { printJson, printText } from '../output.js'

const reports = ['connections', 'links', 'distances'] as const

export const info = instanceCommand(
  'info',
  "print the links of a running instance's worlds, in the JSON of MiniWorld's mwcli info",
)
  .argument('<what>', 'connections, links or distances')
  .action(
    action((what: string, options: InstanceFlags) => {
      const report = required(oneOf(reports))(what, 'what info prints')
      return withInstance(options, async (instance) => {
        const found = await instance.call('miniworld', { what: report })
        if (options.json) printJson(found)
        else printText(`${JSON.stringify(found, null, 4)}\n`)
        return 0
      })
    }),
  )
