/** `etherloom show`: prints the state of a running instance. */
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'
import { quote } from '../../lib/values/quote.js'
import { action, instanceCommand, withInstance, type InstanceFlags } from '../command.js'
import { printJson, printText } from '../output.js'
import { isTable, printRows, tableNames } from '../tables.js'

const words = [...tableNames, 'info', 'topology']

export const show = instanceCommand('show', 'show the state of a running instance')
  .argument('[what]', `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`, 'ports')
  .action(
    action((what: string, options: InstanceFlags) => {
      if (!words.includes(what))
        throw new EtherloomError(
          'ERR_ETHERLOOM_OPTION',
          `cannot show ${quote(what)}${suggestion(what, words) || `; it can be ${words.join(', ')}`}`,
        )
      return withInstance(options, async (instance) => {
        if (isTable(what)) printRows(what, await instance.call(what, {}), options.json)
        else {
          const value = await instance.call(what === 'info' ? 'info' : 'export', {})
          if (options.json) printJson(value)
          else printText(await (await import('../../lib/topology/yaml.js')).writeYaml(value))
        }
        return 0
      })
    }),
  )
