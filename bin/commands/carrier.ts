/** `etherloom carrier`: takes the carrier of a port of a running instance away, or gives it back. */
import { oneOf, required } from '../../lib/values/options.js'
import { action, fabricOption, instanceCommand, withInstance, type InstanceFlags } from '../command.js'
import { printJson, printLine } from '../output.js'

export const carrier = instanceCommand(
  'carrier',
  'take the carrier of a port away, as if the cable were out, or give it back',
)
  .argument('<port>', 'port of a running instance')
  .argument('<state>', 'on or off')
  .addOption(fabricOption())
  .action(
    action((port: string, state: string, options: InstanceFlags & { fabric?: string }) => {
      const { fabric, json } = options
      const wanted = required(oneOf(['on', 'off']))(state, 'the carrier')
      return withInstance(options, async (instance) => {
        await instance.call('carrier', { port, on: wanted === 'on', ...(fabric !== undefined && { fabric }) })
        if (json) printJson({ port, carrier: wanted })
        else printLine(`${port}: carrier ${wanted}`)
        return 0
      })
    }),
  )
