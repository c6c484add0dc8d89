/** `etherloom show`: prints the state of a running instance. */
import { ControlClient } from '../../lib/control/client.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'
import { writeYaml } from '../../lib/topology/load.js'
import { formatTable, printJson, printLine } from '../output.js'
import { isTable, tables } from '../tables.js'

export async function show(what: string, { name, json }: { name?: string; json?: boolean }): Promise<number> {
  const words = [...Object.keys(tables), 'info', 'topology']
  if (!words.includes(what))
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `cannot show '${what}'${suggestion(what, words) || `; it can be ${words.join(', ')}`}`,
    )
  const instance = await ControlClient.find(name)
  try {
    if (isTable(what)) {
      const rows = await instance.show(what)
      if (json) rows.forEach(printJson)
      else formatTable(tables[what].columns, rows.map(tables[what].cells as never)).forEach(printLine)
    } else {
      const value = await instance.call(what === 'info' ? 'info' : 'export', {})
      if (json) printJson(value)
      else process.stdout.write(await writeYaml(value))
    }
    return 0
  } finally {
    instance.close()
  }
}
