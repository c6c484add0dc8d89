/** `etherloom info`: prints the links of a running instance as MiniWorld's `mwcli info` does. */
import { ControlClient } from '../../lib/control/client.js'
import { oneOf } from '../../lib/values/options.js'
import { printJson, printLine } from '../output.js'

const reports = ['connections', 'links', 'distances'] as const

export async function info(what: string, { name, json }: { name?: string; json?: boolean }): Promise<number> {
  const report = oneOf(reports)(what, 'what info prints') as (typeof reports)[number]
  const instance = await ControlClient.find(name)
  try {
    const found = await instance.call('links', { what: report })
    if (json) printJson(found)
    else printLine(JSON.stringify(found, null, 4))
    return 0
  } finally {
    instance.close()
  }
}
